/* Admission of connections: access rules and limits.  Main thread only. */
#ifndef MBSERVERD_ADMISSION_H
#define MBSERVERD_ADMISSION_H

#include <stdbool.h>
#include <systemd/sd-event.h>

struct admission;
struct counters;
struct sockaddr_storage;
struct workers;

/* By the present policy.  workers and counters (the main thread's block) are the caller's, until
 * admission_free.  Dies when there is no memory. */
struct admission *admission_new(struct workers *workers, struct counters *counters,
				sd_event *event);

/* Before the workers are stopped: close those that have no place.  After that: free it. */
void admission_close(struct admission *admission);
void admission_free(struct admission *admission);

/* After a reload, and once a second: take over the policy's limits, and have the surplus closed. */
void admission_refresh(struct admission *admission);

/* Decide on fd, an accepted connection (non-blocking) from peer: give it to a worker, close it, or
 * let it wait until another has been closed to make room.  Not while one waits.  It is served once
 * admission_done has been called, after one or many. */
void admission_decide(struct admission *admission, int fd, const struct sockaddr_storage *peer);
void admission_done(struct admission *admission);

/* Does a newcomer wait for room?  on_room is called when none does any more. */
bool admission_is_busy(const struct admission *admission);
void admission_on_room(struct admission *admission, void (*on_room)(void *context), void *context);

/* accept(2) fails for want of descriptors or memory (-errno): log it, within limits, and have the
 * connection closed that has been unused longest. */
void admission_shortage(struct admission *admission, int rc);

#endif
