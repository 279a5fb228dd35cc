/* A worker: one thread, one epoll loop (level-triggered) over the connections given to it.  Workers
 * share nothing but the policy and the image.
 *
 * The functions are the main thread's (workers.h); the thread itself is in worker.c. */
#ifndef MBSERVERD_WORKER_H
#define MBSERVERD_WORKER_H

#include "mbserverd/roster.h"

#include <pthread.h>

enum {
	ORDERS_PER_TURN = 64,
	/* A stopping worker waits this long for answers to be taken and peers to close. */
	STOP_GRACE_MS = 300,
	/* The connections of all workers may allocate this much; beyond it, those stuck longest are
	 * closed. */
	HELD_BYTES_MAX = 8 << 20,
};

/* A message from the main thread, written to a pipe and read from it whole. */
struct order {
	enum {
		ORDER_ADOPT,  /* serve a connection */
		ORDER_EVICT,  /* roster_evict, and tell */
		ORDER_REVISE, /* look at the policy */
		ORDER_PING,   /* count pongs up */
		ORDER_STOP,
	} kind;
	struct connection *connection; /* ORDER_ADOPT: the worker's from now on */
	unsigned least;                /* ORDER_EVICT */
};

/* By eventfd(2), what workers have to tell the main thread. */
struct notices {
	int evicted;  /* an eviction has been tried */
	int replaced; /* an image was replaced, or has to be */
};

struct worker {
	/* set before the start */
	pthread_t thread;
	int order_read, order_write;
	struct notices notices; /* the workers' */

	/* main thread only */
	unsigned pings;
	bool tried;           /* to close a connection, for the same newcomer */
	unsigned order_count; /* not written yet */
	struct order orders[ORDERS_PER_TURN];

	/* any thread */
	_Atomic unsigned pongs;
	_Atomic bool evicted; /* the last order to did close one */

	/* this worker only, except what roster.h says */
	int64_t retried_ms;  /* last try of parked requests */
	int64_t stop_ms;     /* when to stop, whatever is left; 0: not stopping */
	uint64_t generation; /* of the policy last applied to all connections */
	uint64_t reported;   /* the generation of which an image was said to be replaced */
	struct roster roster;
};

/* Make worker index (0..) of count and start its thread.  Before: as workers_start.  0 or -errno.
 */
int worker_start(unsigned index, unsigned count, struct notices notices, struct worker **worker);

/* After ORDER_STOP has been written: join its thread, free it. */
void worker_end(struct worker *worker);

#endif
