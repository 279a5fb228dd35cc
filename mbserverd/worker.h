/* The worker threads.  Each runs one epoll loop (level-triggered) over the connections given to it;
 * they share nothing but the policy and the image.  All calls are the main thread's; it speaks to a
 * worker through a pipe of orders. */
#ifndef MBSERVERD_WORKER_H
#define MBSERVERD_WORKER_H

#include "mbserverd/connection.h"

enum {
	STOP_GRACE_MS = 300, /* how long a stopping worker waits for answers to be taken and peers
				to close */
	HELD_BYTES_MAX = 8 << 20, /* that connections may allocate, all workers together: then the
				     longest stuck are closed */
};

struct workers;

/* Start count (1..) threads; signals must be blocked already, counters open with a block for each.
 * 0 or -errno. */
int workers_start(unsigned count, struct workers **workers);

/* Answer what has been received, close everything, join, free. */
void workers_stop(struct workers *workers);

/* Give fd (non-blocking, connected) to the worker with the fewest connections, and count it at its
 * address (may be NULL).  The worker hears of it by workers_hand_over.  false: no memory, fd is
 * still the caller's. */
bool workers_adopt(struct workers *workers, int fd, const struct mbshm_origin *peer,
		   struct address *address);
void workers_hand_over(struct workers *workers);

/* Have the connection closed that has been unused longest.  false: there is none that may be. */
bool workers_evict(struct workers *workers);

/* The policy has changed: have it applied to the connections that there are. */
void workers_revise(struct workers *workers);

/* Connections given and not closed yet. */
unsigned workers_connections(const struct workers *workers);

/* Has every worker turned its loop since the last call?  The first call says yes. */
bool workers_alive(struct workers *workers);

#endif
