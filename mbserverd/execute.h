/* Requests against images: the bridge between modbus/ and mbshm.h. */
#ifndef MBSERVERD_EXECUTE_H
#define MBSERVERD_EXECUTE_H

#include "mbserverd/execution.h"

#include <stddef.h>

/* Answer a request PDU (1..PDU_MAX bytes) to that unit with a PDU in out (PDU_MAX bytes), and count
 * it: requests, functions, exceptions, exception_codes, silent.
 * The bytes of the answer, 0: none; ANSWER_LATER or ANSWER_REPLACED: nothing was changed, ask
 * again. */
int execute(const struct execution *execution, struct client *client, uint8_t unit,
	    const uint8_t *pdu, size_t bytes, uint8_t *out);

/* Answer it with that exception, as it has waited for too long, and count it.  The bytes of the
 * answer. */
int execute_refuse(const struct execution *execution, struct client *client, const uint8_t *pdu,
		   int exception, uint8_t *out);

#endif
