/* Replies as PDUs, by kind: encoding for servers; for masters, is this the answer to that request,
 * and what does it say?  Pure. */
#ifndef MODBUS_REPLY_H
#define MODBUS_REPLY_H

#include "modbus/exception.h"
#include "modbus/pdu.h"
#include "modbus/wire.h"

/* ---- encoding: from pdu[1] on, the function code is there.  Each returns the bytes of the PDU. */

/* 5, 6, 15, 16 (5 bytes), 22 (7), 8, 21 (all): the first bytes of the request. */
size_t reply_put_echo(uint8_t *pdu, const struct request *request, size_t bytes);

/* 1, 2, 17: a byte count before data that stand at pdu + 2. */
static inline size_t reply_put_count(uint8_t *pdu, size_t data_bytes)
{
	pdu[1] = (uint8_t)data_bytes;
	return 2 + data_bytes;
}

/* 3, 4, 23 */
static inline size_t reply_put_registers(uint8_t *pdu, const uint16_t *values, unsigned count)
{
	registers_to_wire(pdu + 2, values, count);
	return reply_put_count(pdu, 2 * (size_t)count);
}

/* 7 */
size_t reply_put_status(uint8_t *pdu, uint8_t status);

/* 11 */
size_t reply_put_event_counter(uint8_t *pdu, uint16_t events);

/* 12: log_bytes events, at most EVENTS_MAX, stand at pdu + EVENTS_AT. */
enum { EVENTS_AT = 8 };
size_t reply_put_event_log(uint8_t *pdu, uint16_t events, uint16_t messages, size_t log_bytes);

/* 20: one more group, behind the used bytes of the PDU, 2 at first; what decode_read_files lets
 * pass has room. */
size_t reply_put_group(uint8_t *pdu, size_t used, const uint16_t *values, unsigned count);

/* 24: values[0] is the number of those after it, at most FIFO_VALUES. */
size_t reply_put_fifo(uint8_t *pdu, const uint16_t *values);

/* 43/14: as many of count objects as fit, of which the first does.  conformity: of the device. */
size_t reply_put_objects(uint8_t *pdu, const struct request *request, uint8_t conformity,
			 const struct object *objects, unsigned count);

/* Any function: an exception.  This one puts the function code, too. */
static inline size_t reply_put_exception(uint8_t *pdu, uint8_t code, int exception)
{
	pdu[0] = code | EXCEPTION_FLAG;
	pdu[1] = (uint8_t)exception;
	return 2;
}

/* ---- decoding ------------------------------------------------------------------------------ */

/* Take the object at *at, 0 at first, out of a good reply to 43/14, and move on.  false: there are
 * no more. */
bool reply_object(const struct reply *reply, size_t *at, struct object *object);

/* How one kind of reply is checked and taken apart.  pdu has the request's function code and bytes
 * bytes, at least 1. */
enum reply_verdict check_values(const struct request *request, const uint8_t *pdu, size_t bytes,
				struct reply *reply);
enum reply_verdict check_write_single(const struct request *request, const uint8_t *pdu,
				      size_t bytes, struct reply *reply);
enum reply_verdict check_write_multiple(const struct request *request, const uint8_t *pdu,
					size_t bytes, struct reply *reply);
enum reply_verdict check_status(const struct request *request, const uint8_t *pdu, size_t bytes,
				struct reply *reply);
enum reply_verdict check_diagnose(const struct request *request, const uint8_t *pdu, size_t bytes,
				  struct reply *reply);
enum reply_verdict check_event_counter(const struct request *request, const uint8_t *pdu,
				       size_t bytes, struct reply *reply);
enum reply_verdict check_event_log(const struct request *request, const uint8_t *pdu, size_t bytes,
				   struct reply *reply);
enum reply_verdict check_id(const struct request *request, const uint8_t *pdu, size_t bytes,
			    struct reply *reply);
enum reply_verdict check_read_files(const struct request *request, const uint8_t *pdu, size_t bytes,
				    struct reply *reply);
enum reply_verdict check_echo(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply);
enum reply_verdict check_mask(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply);
enum reply_verdict check_fifo(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply);
enum reply_verdict check_identify(const struct request *request, const uint8_t *pdu, size_t bytes,
				  struct reply *reply);

#endif
