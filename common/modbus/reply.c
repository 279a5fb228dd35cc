/* Replies as PDUs: encoding, checking and taking apart, by kind. */
#include "modbus/reply.h"

#include "modbus/request.h"

#include <string.h>

/* ---- encoding ------------------------------------------------------------------------------ */

size_t reply_put_echo(uint8_t *pdu, const struct request *request, size_t bytes)
{
	memcpy(pdu, request->pdu, bytes);
	return bytes;
}

size_t reply_put_status(uint8_t *pdu, uint8_t status)
{
	pdu[1] = status;
	return 2;
}

/* FFFF would say that a program command is being processed: none ever is. */
enum { STATUS_READY = 0x0000 };

size_t reply_put_event_counter(uint8_t *pdu, uint16_t events)
{
	wire_put16(pdu + 1, STATUS_READY);
	wire_put16(pdu + 3, events);
	return 5;
}

size_t reply_put_event_log(uint8_t *pdu, uint16_t events, uint16_t messages, size_t log_bytes)
{
	wire_put16(pdu + 2, STATUS_READY);
	wire_put16(pdu + 4, events);
	wire_put16(pdu + 6, messages);
	return reply_put_count(pdu, EVENTS_AT - 2 + log_bytes);
}

size_t reply_put_group(uint8_t *pdu, size_t used, const uint16_t *values, unsigned count)
{
	pdu[used] = (uint8_t)(1 + 2 * count);
	pdu[used + 1] = GROUP_TYPE;
	registers_to_wire(pdu + used + 2, values, count);
	return reply_put_count(pdu, used + 2U * count);
}

size_t reply_put_fifo(uint8_t *pdu, const uint16_t *values)
{
	unsigned queued = values[0];
	wire_put16(pdu + 1, (uint16_t)(2 + 2 * queued));
	registers_to_wire(pdu + 3, values, 1 + queued);
	return 5 + 2 * queued;
}

/* MEI type, code, conformity, more follows, next object, number of objects. */
enum { OBJECTS_AT = 7, MORE_FOLLOWS = 0xFF };

static size_t object_put(uint8_t *bytes, const struct object *object)
{
	bytes[0] = object->id;
	bytes[1] = object->bytes;
	memcpy(bytes + 2, object->text, object->bytes);
	return 2U + object->bytes;
}

size_t reply_put_objects(uint8_t *pdu, const struct request *request, uint8_t conformity,
			 const struct object *objects, unsigned count)
{
	size_t used = OBJECTS_AT;
	unsigned i = 0;
	for (; i < count && used + 2U + objects[i].bytes <= PDU_MAX; i++)
		used += object_put(pdu + used, &objects[i]);
	pdu[1] = MEI_IDENTIFICATION;
	pdu[2] = request->id_code;
	pdu[3] = conformity;
	pdu[4] = i < count ? MORE_FOLLOWS : 0x00;
	pdu[5] = i < count ? objects[i].id : 0x00;
	pdu[6] = (uint8_t)i;
	return used;
}

/* ---- checking ------------------------------------------------------------------------------ */

static enum reply_verdict give(struct reply *reply, const uint8_t *data, size_t bytes)
{
	reply->data = data;
	reply->data_bytes = bytes;
	return REPLY_OK;
}

/* A byte count, and as many bytes to the end. */
static bool counted(const uint8_t *pdu, size_t bytes)
{
	return bytes >= 2 && bytes == 2U + pdu[1];
}

/* 1-4, 23: byte count, values. */
enum reply_verdict check_values(const struct request *request, const uint8_t *pdu, size_t bytes,
				struct reply *reply)
{
	size_t expected = function_value_bytes(request->function, request->read.count);
	if (!counted(pdu, bytes))
		return REPLY_LENGTH;
	if (pdu[1] != expected)
		return REPLY_COUNT;
	return give(reply, pdu + 2, expected);
}

/* 5, 6: address and value.  A device that limits what is written echoes what it made of it. */
enum reply_verdict check_write_single(const struct request *request, const uint8_t *pdu,
				      size_t bytes, struct reply *reply)
{
	uint8_t written[PDU_MAX];
	encode_write_single(request, written);
	if (bytes != 5)
		return REPLY_LENGTH;
	if (wire_get16(pdu + 1) != request->write.addr)
		return REPLY_ECHO;
	reply->value = wire_get16(pdu + 3);
	return memcmp(pdu + 3, written + 3, 2) ? REPLY_VALUE : REPLY_OK;
}

/* 15, 16: address and quantity. */
enum reply_verdict check_write_multiple(const struct request *request, const uint8_t *pdu,
					size_t bytes, struct reply *reply)
{
	(void)reply;
	if (bytes != 5)
		return REPLY_LENGTH;
	return wire_get16(pdu + 1) == request->write.addr &&
			       wire_get16(pdu + 3) == request->write.count
		       ? REPLY_OK
		       : REPLY_ECHO;
}

/* 7: a byte. */
enum reply_verdict check_status(const struct request *request, const uint8_t *pdu, size_t bytes,
				struct reply *reply)
{
	(void)request;
	return bytes == 2 ? give(reply, pdu + 1, 1) : REPLY_LENGTH;
}

/* 8: sub-function, data.  Only 0 echoes them. */
enum reply_verdict check_diagnose(const struct request *request, const uint8_t *pdu, size_t bytes,
				  struct reply *reply)
{
	if (bytes != 3 + request->data_bytes)
		return REPLY_LENGTH;
	if (wire_get16(pdu + 1) != request->diagnostic)
		return REPLY_ECHO;
	if (request->diagnostic == DIAGNOSTIC_ECHO &&
	    memcmp(pdu + 3, request->data, request->data_bytes) != 0)
		return REPLY_ECHO;
	return give(reply, pdu + 3, request->data_bytes);
}

/* 11: status, event count. */
enum reply_verdict check_event_counter(const struct request *request, const uint8_t *pdu,
				       size_t bytes, struct reply *reply)
{
	(void)request;
	if (bytes != 5)
		return REPLY_LENGTH;
	reply->status = wire_get16(pdu + 1);
	reply->events = wire_get16(pdu + 3);
	return REPLY_OK;
}

/* 12: byte count, status, event count, message count, up to 64 events. */
enum reply_verdict check_event_log(const struct request *request, const uint8_t *pdu, size_t bytes,
				   struct reply *reply)
{
	(void)request;
	if (!counted(pdu, bytes))
		return REPLY_LENGTH;
	if (pdu[1] < 6 || pdu[1] > 6 + EVENTS_MAX)
		return REPLY_COUNT;
	reply->status = wire_get16(pdu + 2);
	reply->events = wire_get16(pdu + 4);
	reply->messages = wire_get16(pdu + 6);
	return give(reply, pdu + 8, pdu[1] - 6U);
}

/* 17: byte count, and what the device likes to say. */
enum reply_verdict check_id(const struct request *request, const uint8_t *pdu, size_t bytes,
			    struct reply *reply)
{
	(void)request;
	return counted(pdu, bytes) ? give(reply, pdu + 2, pdu[1]) : REPLY_LENGTH;
}

/* 20: byte count, and for each group asked for its length, its type and its records. */
enum reply_verdict check_read_files(const struct request *request, const uint8_t *pdu, size_t bytes,
				    struct reply *reply)
{
	size_t at = 2;
	if (!counted(pdu, bytes))
		return REPLY_LENGTH;
	for (unsigned i = 0; i < request->group_count; i++) {
		size_t expected = 1 + 2U * request->groups[i].count;
		if (bytes - at < 1 + expected)
			return REPLY_COUNT;
		if (pdu[at] != expected || pdu[at + 1] != GROUP_TYPE)
			return REPLY_CONTENT;
		at += 1 + expected;
	}
	return at == bytes ? give(reply, pdu + 2, pdu[1]) : REPLY_COUNT;
}

/* 21: the request. */
enum reply_verdict check_echo(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply)
{
	uint8_t sent[PDU_MAX];
	size_t sent_bytes = encode_files(request, sent);
	if (bytes != sent_bytes)
		return REPLY_LENGTH;
	if (memcmp(pdu + 1, sent + 1, bytes - 1) != 0)
		return REPLY_ECHO;
	return give(reply, pdu + 1, bytes - 1);
}

/* 22: address, and, or. */
enum reply_verdict check_mask(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply)
{
	if (bytes != 7)
		return REPLY_LENGTH;
	if (wire_get16(pdu + 1) != request->write.addr)
		return REPLY_ECHO;
	reply->value = wire_get16(pdu + 3);
	reply->or_mask = wire_get16(pdu + 5);
	return reply->value == request->and_mask && reply->or_mask == request->or_mask
		       ? REPLY_OK
		       : REPLY_VALUE;
}

/* 24: byte count of two bytes, FIFO count, values. */
enum reply_verdict check_fifo(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply)
{
	(void)request;
	if (bytes < 5 || bytes != 3U + wire_get16(pdu + 1))
		return REPLY_LENGTH;
	reply->count = wire_get16(pdu + 3);
	if (reply->count > FIFO_VALUES || bytes != 5 + 2U * reply->count)
		return REPLY_COUNT;
	return give(reply, pdu + 5, 2U * reply->count);
}

bool reply_object(const struct reply *reply, size_t *at, struct object *object)
{
	const uint8_t *bytes = reply->data + *at;
	size_t left = reply->data_bytes - *at;
	if (left < 2 || left - 2 < bytes[1])
		return false;
	*object = (struct object){ bytes[0], bytes[1], (const char *)bytes + 2 };
	*at += 2U + object->bytes;
	return true;
}

/* reply->count objects and not a byte more; of code 4 the one that was asked for. */
static enum reply_verdict objects_check(const struct request *request, const struct reply *reply)
{
	struct object object = { 0 };
	size_t at = 0;
	for (unsigned i = 0; i < reply->count; i++)
		if (!reply_object(reply, &at, &object))
			return REPLY_COUNT;
	if (at != reply->data_bytes)
		return REPLY_COUNT;
	if (request->id_code < 4)
		return REPLY_OK;
	if (reply->count != 1)
		return REPLY_COUNT;
	return object.id == request->id_object ? REPLY_OK : REPLY_ECHO;
}

/* 43/14 */
enum reply_verdict check_identify(const struct request *request, const uint8_t *pdu, size_t bytes,
				  struct reply *reply)
{
	if (bytes < OBJECTS_AT)
		return REPLY_LENGTH;
	if (pdu[1] != MEI_IDENTIFICATION || pdu[2] != request->id_code)
		return REPLY_ECHO;
	reply->conformity = pdu[3];
	reply->more = pdu[4] == MORE_FOLLOWS;
	reply->next_object = pdu[5];
	reply->count = pdu[6];
	if (pdu[4] != 0 && !reply->more)
		return REPLY_CONTENT;
	give(reply, pdu + OBJECTS_AT, bytes - OBJECTS_AT);
	return objects_check(request, reply);
}
