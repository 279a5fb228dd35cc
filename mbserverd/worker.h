/* A worker: one thread, one epoll loop (level-triggered) over the connections given to it.  Workers
 * share nothing but the policy and the image. */
#ifndef MBSERVERD_WORKER_H
#define MBSERVERD_WORKER_H

#include "mbserverd/roster.h"

#include <pthread.h>

enum {
	ORDERS_PER_TURN = 64,
	/* How long a stopping worker waits for answers to be taken and peers to close. */
	STOP_GRACE_MS = 300,
	/* That connections may allocate, all workers together: then those stuck longest are
	 * closed. */
	HELD_BYTES_MAX = 8 << 20,
};

/* A message from the main thread; it is written to a pipe and read from it whole. */
struct order {
	enum { ORDER_ADOPT, ORDER_EVICT, ORDER_REVISE, ORDER_PING, ORDER_STOP } kind;
	struct connection *connection; /* ORDER_ADOPT */
};

struct worker {
	/* set before the start */
	pthread_t thread;
	int order_read, order_write;

	/* main thread only */
	unsigned pings;
	unsigned order_count; /* orders that are not written yet */
	struct order orders[ORDERS_PER_TURN];

	/* any thread */
	_Atomic unsigned pongs;

	/* this worker only, but for what roster.h says */
	int64_t retried_ms;
	int64_t stop_ms;     /* when to stop, peers or not; 0: not stopping */
	uint64_t generation; /* of the policy that connections have been looked at with */
	struct roster roster;
};
/* Make one of count workers and start its thread; signals are blocked already, and counters open
 * with a block for it.  0 or -errno. */
int worker_start(unsigned index, unsigned count, struct worker **worker);

/* After its thread was told to stop: join it, free. */
void worker_end(struct worker *worker);

#endif
