/* Requests against images: the bridge between protocol.h and mbshm.h. */
#ifndef MBSERVERD_EXECUTE_H
#define MBSERVERD_EXECUTE_H

#include "mbserverd/counters.h"
#include "mbserverd/diagnostics.h"
#include "mbserverd/policy.h"
#include "modbus/protocol.h"

enum {
	EXECUTE_BUSY = -2,      /* beside PLANT_SILENCE */
	EXECUTE_TXN_WORDS = 64, /* room for the largest write: 1968 bits, 123 registers, or 27
				   groups of a file */
};

/* What requests are carried out with: a worker's. */
struct execution {
	const struct policy *policy; /* of this turn */
	struct mbshm_txn *txn;       /* this worker's own */
	struct counters *counters;   /* this worker's own */
	uint32_t lock_wait_us;       /* how long to try for the writer lock */
	int64_t now_ms;              /* of this turn: CLOCK_MONOTONIC, the coarse one will do */
};

/* Who asks: a connection's. */
struct client {
	struct mbshm_origin origin; /* for the journal, without unit and function; kind 0: nothing
				       is written there */
	struct diagnostics_line line;
	uint64_t rules; /* of the policy's access, for it */
};

/* Answer one ADU of bytes bytes (as framed) into out (ADU_MAX bytes), and count it: requests,
 * functions, exceptions, exception_codes, silent. The bytes of the answer, 0: none; EXECUTE_BUSY:
 * the writer lock was not to be had, nothing was changed, ask again. */
int execute(const struct execution *with, struct client *client, const uint8_t *adu, size_t bytes,
	    uint8_t *out);

/* Answer it with exception 06, as it has been busy for too long, and count it.  The bytes of the
 * answer. */
int execute_refuse(const struct execution *with, struct client *client, const uint8_t *adu,
		   uint8_t *out);

#endif
