/* The function codes: one table, from which servers, masters, settings and traces go.  Pure.
 *
 * A new function is a row here and a row of the server's handlers (mbserverd/execute.c). */
#ifndef MODBUS_FUNCTION_H
#define MODBUS_FUNCTION_H

#include "modbus/pdu.h"

extern const struct function functions[256];

/* Decode a request PDU of 1..PDU_MAX bytes.  function, pdu and bytes are always set.  0, or the
 * exception. */
static inline int request_decode(const uint8_t *pdu, size_t bytes, struct request *request)
{
	request->function = &functions[pdu[0]];
	request->pdu = pdu;
	request->bytes = bytes;
	request->group_count = 0;
	request->read.count = request->write.count = 0;
	return request->function->decode ? request->function->decode(request)
					 : MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
}

/* Encode a request of that function code into pdu (PDU_MAX bytes); the fields that the function has
 * are set.  Sets request->function.  The bytes of the PDU; 0: no such function, or no request that
 * the specification allows. */
size_t request_encode(uint8_t code, struct request *request, uint8_t *pdu);

/* Is this PDU of bytes bytes the answer to the request, which was encoded or decoded?  reply is
 * filled when the verdict is REPLY_OK, REPLY_EXCEPTION or REPLY_VALUE.  With REPLY_FUNCTION only
 * its exception may be set: that of another function (some devices answer 80 and a code), which
 * most likely is a refusal. */
enum reply_verdict reply_check(const struct request *request, const uint8_t *pdu, size_t bytes,
			       struct reply *reply);

/* "another function's", ...: for messages. */
const char *reply_words(enum reply_verdict verdict);

#endif
