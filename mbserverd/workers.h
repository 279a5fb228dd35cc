/* The worker threads, as the main thread sees them: start, stop, hand over connections, evict.
 *
 * All calls are the main thread's.  It speaks to a worker through a pipe of orders (worker.h), and
 * reads what the worker publishes of its roster (roster.h). */
#ifndef MBSERVERD_WORKERS_H
#define MBSERVERD_WORKERS_H

#include <stdbool.h>

struct host;
struct mbshm_origin;
struct workers;

/* Start count (1..) threads.  Before: signals are blocked, the policy is open, and so are counters
 * with a block for each worker.  0, or -errno and none has been started. */
int workers_start(unsigned count, struct workers **workers);

/* Have them answer what has been received and close everything, which may take STOP_GRACE_MS; join
 * and free them. */
void workers_stop(struct workers *workers);

/* Give fd (non-blocking, connected) to the worker that has the fewest connections, and count it on
 * host (NULL: nowhere).  kept: it may not be closed to make room.  The worker hears of it with the
 * next workers_hand_over, at the latest. 0, or -ENOMEM: fd is still the caller's. */
int workers_adopt(struct workers *workers, int fd, const struct mbshm_origin *peer,
		  struct host *host, bool kept);
void workers_hand_over(struct workers *workers);

/* Have the connection closed that has been unused longest, of all workers.  false: there is none
 * that may be closed. */
bool workers_evict(struct workers *workers);

/* The policy has changed: have it applied to the open connections. */
void workers_revise(struct workers *workers);

/* Connections given and not closed yet. */
unsigned workers_connections(const struct workers *workers);

/* Has every worker turned its loop since the last call?  The first call returns true. */
bool workers_alive(struct workers *workers);

#endif
