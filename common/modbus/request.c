/* Requests as PDUs: decoding and encoding, by kind. */
#include "modbus/request.h"

#include "modbus/wire.h"

#include <string.h>

enum {
	OK = 0,
	BAD_FUNCTION = MODBUS_EXCEPTION_ILLEGAL_FUNCTION,
	BAD_ADDRESS = MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS,
	BAD_VALUE = MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE,
};

static inline int items_check(const struct items *items)
{
	return items->addr + items->count <= MBSHM_ITEMS ? OK : BAD_ADDRESS;
}

static inline struct items items_get(const uint8_t *bytes)
{
	return (struct items){ wire_get16(bytes), wire_get16(bytes + 2) };
}

static void items_put(uint8_t *bytes, const struct items *items)
{
	wire_put16(bytes, items->addr);
	wire_put16(bytes + 2, items->count);
}

static size_t data_bytes(const struct request *request)
{
	return function_value_bytes(request->function, request->write.count);
}

/* Copy at most room bytes of data. */
static size_t data_put(uint8_t *out, const uint8_t *data, size_t bytes, size_t room)
{
	size_t count = bytes < room ? bytes : room;
	if (count)
		memcpy(out, data, count);
	return count;
}

/* ---- 1-4: address, quantity ---------------------------------------------------------------- */

int decode_read(struct request *request)
{
	if (request->bytes != 5)
		return BAD_VALUE;
	request->read = items_get(request->pdu + 1);
	if (request->read.count < 1 || request->read.count > request->function->max)
		return BAD_VALUE;
	return items_check(&request->read);
}

size_t encode_read(const struct request *request, uint8_t *pdu)
{
	items_put(pdu + 1, &request->read);
	return 5;
}

/* ---- 5, 6: address, value ------------------------------------------------------------------ */

/* "On" is FF 00, so its first byte serves as the one packed bit; "off" is 00 00. */
int decode_write_single(struct request *request)
{
	if (request->bytes != 5)
		return BAD_VALUE;
	uint16_t value = wire_get16(request->pdu + 3);
	if (function_of_bits(request->function) && value != 0x0000 && value != 0xFF00)
		return BAD_VALUE;
	request->write = (struct items){ wire_get16(request->pdu + 1), 1 };
	request->data = request->pdu + 3;
	return OK;
}

size_t encode_write_single(const struct request *request, uint8_t *pdu)
{
	wire_put16(pdu + 1, request->write.addr);
	if (function_of_bits(request->function))
		wire_put16(pdu + 3, request->data[0] & 1 ? 0xFF00 : 0);
	else
		memcpy(pdu + 3, request->data, 2);
	return 5;
}

/* ---- 15, 16: address, quantity, byte count, values ----------------------------------------- */

int decode_write_multiple(struct request *request)
{
	if (request->bytes < 6)
		return BAD_VALUE;
	request->write = items_get(request->pdu + 1);
	request->data = request->pdu + 6;
	if (request->write.count < 1 || request->write.count > request->function->max)
		return BAD_VALUE;
	size_t bytes = data_bytes(request);
	if (request->pdu[5] != bytes || request->bytes != 6 + bytes)
		return BAD_VALUE;
	return items_check(&request->write);
}

size_t encode_write_multiple(const struct request *request, uint8_t *pdu)
{
	items_put(pdu + 1, &request->write);
	pdu[5] = (uint8_t)data_bytes(request);
	return 6 + data_put(pdu + 6, request->data, data_bytes(request), PDU_MAX - 6);
}

/* ---- 7, 11, 12, 17: nothing ---------------------------------------------------------------- */

int decode_nothing(struct request *request)
{
	return request->bytes == 1 ? OK : BAD_VALUE;
}

size_t encode_nothing(const struct request *request, uint8_t *pdu)
{
	(void)request, (void)pdu;
	return 1;
}

/* ---- 8: sub-function, data ----------------------------------------------------------------- */

/* 1, 3 and 4, restart and silence at a client's word, are not for a server of many clients. */
int decode_diagnose(struct request *request)
{
	if (request->bytes < 3)
		return BAD_VALUE;
	uint16_t sub = wire_get16(request->pdu + 1);
	if (sub != DIAGNOSTIC_ECHO && sub != DIAGNOSTIC_REGISTER &&
	    sub != DIAGNOSTIC_CLEAR_OVERRUN &&
	    (sub < DIAGNOSTIC_CLEAR || sub > DIAGNOSTIC_LAST_COUNTER))
		return BAD_FUNCTION;
	request->diagnostic = sub;
	request->data = request->pdu + 3;
	request->data_bytes = request->bytes - 3;
	if (request->bytes < 5 || request->bytes % 2 == 0)
		return BAD_VALUE;
	if (sub != DIAGNOSTIC_ECHO && (request->bytes != 5 || wire_get16(request->data) != 0))
		return BAD_VALUE;
	return OK;
}

size_t encode_diagnose(const struct request *request, uint8_t *pdu)
{
	wire_put16(pdu + 1, request->diagnostic);
	return 3 + data_put(pdu + 3, request->data, request->data_bytes, PDU_MAX - 3);
}

/* ---- 20, 21: groups of reference type, file, record, length -------------------------------- */

enum { GROUPS_AT = 2, GROUP_BYTES = 7 };

/* The group at that byte of the PDU.  One of another reference type is taken for one of file 0,
 * which does not exist either. */
static const struct file_group *group_get(struct request *request, size_t at)
{
	const uint8_t *bytes = request->pdu + at;
	struct file_group *group = &request->groups[request->group_count++];
	group->file = bytes[0] == GROUP_TYPE ? wire_get16(bytes + 1) : 0;
	group->record = wire_get16(bytes + 3);
	group->count = wire_get16(bytes + 5);
	group->data = bytes + GROUP_BYTES;
	return group;
}

/* All lengths have been found good; 02 is decided on every group. */
static int groups_check(const struct request *request)
{
	for (unsigned i = 0; i < request->group_count; i++) {
		const struct file_group *group = &request->groups[i];
		if (group->file == 0 || group->record + group->count > FILE_RECORDS)
			return BAD_ADDRESS;
	}
	return OK;
}

/* 20: byte count, groups.  The answer has to fit as well. */
int decode_read_files(struct request *request)
{
	size_t bytes = request->bytes < 2 ? 0 : request->pdu[1], answer = 0;
	if (bytes < GROUP_BYTES || bytes > 0xF5 || bytes % GROUP_BYTES != 0 ||
	    request->bytes != GROUPS_AT + bytes)
		return BAD_VALUE;
	for (size_t at = GROUPS_AT; at < request->bytes; at += GROUP_BYTES) {
		const struct file_group *group = group_get(request, at);
		if (group->count == 0)
			return BAD_VALUE;
		answer += 2 + 2U * group->count;
	}
	return answer <= 0xF5 ? groups_check(request) : BAD_VALUE;
}

/* 21: byte count, groups with their values. */
int decode_write_files(struct request *request)
{
	size_t bytes = request->bytes < 2 ? 0 : request->pdu[1], at = GROUPS_AT;
	if (bytes < GROUP_BYTES + 2 || bytes > 0xFB || request->bytes != GROUPS_AT + bytes)
		return BAD_VALUE;
	while (at < request->bytes) {
		if (request->bytes - at < GROUP_BYTES)
			return BAD_VALUE;
		const struct file_group *group = group_get(request, at);
		if (group->count == 0)
			return BAD_VALUE;
		at += GROUP_BYTES + 2U * group->count;
	}
	return at == request->bytes ? groups_check(request) : BAD_VALUE;
}

size_t encode_files(const struct request *request, uint8_t *pdu)
{
	size_t used = GROUPS_AT;
	if (request->group_count > GROUPS_MAX)
		return 0;
	for (unsigned i = 0; i < request->group_count; i++) {
		const struct file_group *group = &request->groups[i];
		size_t bytes = request->function->writes ? 2U * group->count : 0;
		if (PDU_MAX - used < GROUP_BYTES + bytes)
			return 0;
		pdu[used] = GROUP_TYPE;
		wire_put16(pdu + used + 1, group->file);
		wire_put16(pdu + used + 3, group->record);
		wire_put16(pdu + used + 5, group->count);
		used += GROUP_BYTES;
		used += data_put(pdu + used, group->data, bytes, PDU_MAX - used);
	}
	pdu[1] = (uint8_t)(used - GROUPS_AT);
	return used;
}

/* ---- 22: address, and, or ------------------------------------------------------------------ */

int decode_mask(struct request *request)
{
	if (request->bytes != 7)
		return BAD_VALUE;
	request->write = (struct items){ wire_get16(request->pdu + 1), 1 };
	request->and_mask = wire_get16(request->pdu + 3);
	request->or_mask = wire_get16(request->pdu + 5);
	return OK;
}

size_t encode_mask(const struct request *request, uint8_t *pdu)
{
	wire_put16(pdu + 1, request->write.addr);
	wire_put16(pdu + 3, request->and_mask);
	wire_put16(pdu + 5, request->or_mask);
	return 7;
}

/* ---- 23: items to read, items to write, byte count, values --------------------------------- */

int decode_read_write(struct request *request)
{
	if (request->bytes < 10)
		return BAD_VALUE;
	request->read = items_get(request->pdu + 1);
	request->write = items_get(request->pdu + 5);
	request->data = request->pdu + 10;
	if (request->read.count < 1 || request->read.count > request->function->max ||
	    request->write.count < 1 || request->write.count > MODBUS_MAX_WR_WRITE_REGISTERS)
		return BAD_VALUE;
	if (request->pdu[9] != 2 * request->write.count ||
	    request->bytes != 10 + 2U * request->write.count)
		return BAD_VALUE;
	int exception = items_check(&request->read);
	return exception ? exception : items_check(&request->write);
}

size_t encode_read_write(const struct request *request, uint8_t *pdu)
{
	items_put(pdu + 1, &request->read);
	items_put(pdu + 5, &request->write);
	pdu[9] = (uint8_t)data_bytes(request);
	return 10 + data_put(pdu + 10, request->data, data_bytes(request), PDU_MAX - 10);
}

/* ---- 24: address of the count register ----------------------------------------------------- */

int decode_fifo(struct request *request)
{
	if (request->bytes != 3)
		return BAD_VALUE;
	request->read = (struct items){ wire_get16(request->pdu + 1), 1 };
	return OK;
}

size_t encode_fifo(const struct request *request, uint8_t *pdu)
{
	wire_put16(pdu + 1, request->read.addr);
	return 3;
}

/* ---- 43/14: MEI type, read device id code, object id --------------------------------------- */

/* Another MEI type is another function. */
int decode_identify(struct request *request)
{
	if (request->bytes < 2)
		return BAD_VALUE;
	if (request->pdu[1] != MEI_IDENTIFICATION)
		return BAD_FUNCTION;
	if (request->bytes != 4 || request->pdu[2] < 1 || request->pdu[2] > 4)
		return BAD_VALUE;
	request->id_code = request->pdu[2];
	request->id_object = request->pdu[3];
	return OK;
}

size_t encode_identify(const struct request *request, uint8_t *pdu)
{
	pdu[1] = MEI_IDENTIFICATION;
	pdu[2] = request->id_code;
	pdu[3] = request->id_object;
	return 4;
}
