/* What requests are carried out with, and for whom. */
#ifndef MBSERVERD_EXECUTION_H
#define MBSERVERD_EXECUTION_H

#include "mbserverd/diagnostics.h"
#include "mbshm.h"

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

#endif
