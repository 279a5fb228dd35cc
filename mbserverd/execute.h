/* Requests against images: the bridge between modbus/ and mbshm.h. */
#ifndef MBSERVERD_EXECUTE_H
#define MBSERVERD_EXECUTE_H

#include "mbserverd/diagnostics.h"
#include "mbshm.h"

#include <stddef.h>

struct counters;
struct policy;

enum { EXECUTE_TXN_WORDS = 64 }; /* room for the largest write: 1968 bits, or 27 groups of a file */

/* What requests are carried out with: a worker's. */
struct execution {
	const struct policy *policy; /* of this turn */
	struct mbshm_txn *txn;       /* this worker's own */
	struct counters *counters;   /* this worker's own */
	uint32_t lock_wait_us;       /* how long to try for the writer lock */
	int64_t now_ms;              /* of this turn: CLOCK_MONOTONIC, the coarse one will do */
};

/* The client that asks: a connection's. */
struct client {
	/* For the journal, without unit and function; kind 0: nothing is written there. */
	struct mbshm_origin origin;
	struct diagnostics_line line;
	uint64_t rules; /* of the policy's access, for it */
};

/* Answer a request PDU (1..PDU_MAX bytes) to that unit with a PDU in out (PDU_MAX bytes), and count
 * it: requests, functions, exceptions, exception_codes, silent.
 * The bytes of the answer, 0: none; ANSWER_LATER: the writer lock is busy, nothing was changed, ask
 * again. */
int execute(const struct execution *execution, struct client *client, uint8_t unit,
	    const uint8_t *pdu, size_t bytes, uint8_t *out);

/* Answer it with exception 06, as it has been busy for too long, and count it.  The bytes of the
 * answer. */
int execute_refuse(const struct execution *execution, struct client *client, const uint8_t *pdu,
		   uint8_t *out);

#endif
