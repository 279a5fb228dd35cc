/* The worker threads, as the main thread sees them: start, stop, hand over connections, evict.
 *
 * All calls are the main thread's.  It speaks to a worker through a pipe of orders (worker.h), and
 * reads what the worker publishes of its roster (roster.h). */
#ifndef MBSERVERD_WORKERS_H
#define MBSERVERD_WORKERS_H

#include <stdbool.h>

struct connection;
struct workers;

/* Start count (1..) threads.  Before: signals are blocked, the policy is open, and so are counters
 * with a block for each worker.  0, or -errno and none has been started. */
int workers_start(unsigned count, struct workers **workers);

/* Have them answer what has been received and close everything, which may take STOP_GRACE_MS; join
 * and free them. */
void workers_stop(struct workers *workers);

/* Give the connection to the worker that has the fewest.  It hears of it with the next
 * workers_hand_over, at the latest. */
void workers_adopt(struct workers *workers, struct connection *connection);
void workers_hand_over(struct workers *workers);

/* Make room: have one worker close the connection unused longest, of those that may be closed and
 * whose host has at least so many of them.  When it has tried, workers_evicted_fd becomes readable,
 * and workers_evicted tells whether it has closed one; not before that may another be ordered.
 * Each call tries another worker, first the one with the connection unused longest, until
 * workers_evict_again.  false: all have been tried. */
bool workers_evict(struct workers *workers, unsigned least);
int workers_evicted_fd(const struct workers *workers);
bool workers_evicted(struct workers *workers);
void workers_evict_again(struct workers *workers);

/* The policy has changed: have it applied to the open connections. */
void workers_revise(struct workers *workers);

/* An eventfd(2): a request has met an image that was replaced, or has to be.  Said once for each
 * policy by each worker; the caller reads it. */
int workers_replaced_fd(const struct workers *workers);

/* Connections given and not closed yet. */
unsigned workers_connections(const struct workers *workers);

/* Has every worker turned its loop since the last call?  The first call returns true. */
bool workers_alive(struct workers *workers);

#endif
