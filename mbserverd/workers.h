/* The worker threads, as the main thread sees them: start, stop, hand over connections, evict.  All
 * calls are the main thread's; it speaks to a worker through a pipe of orders (worker.h). */
#ifndef MBSERVERD_WORKERS_H
#define MBSERVERD_WORKERS_H

#include "mbshm.h"

struct address;

struct workers;

/* Start count (1..) threads; signals must be blocked already, counters open with a block for each.
 * 0 or -errno. */
int workers_start(unsigned count, struct workers **workers);

/* Answer what has been received, close everything, join, free. */
void workers_stop(struct workers *workers);

/* Give fd (non-blocking, connected) to the worker with the fewest connections, and count it at its
 * address (may be NULL).  The worker hears of it by workers_hand_over.  0, or -ENOMEM: fd is still
 * the caller's. */
int workers_adopt(struct workers *workers, int fd, const struct mbshm_origin *peer,
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
