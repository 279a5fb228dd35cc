/* Admission of connections: access rules and limits.  Main thread only. */
#ifndef MBSERVERD_ADMISSION_H
#define MBSERVERD_ADMISSION_H

struct admission;
struct counters;
struct sockaddr_storage;
struct workers;

/* By the present policy.  workers and counters (the main thread's block) are the caller's, until
 * admission_free.  Dies when there is no memory. */
struct admission *admission_new(struct workers *workers, struct counters *counters);

/* After the workers have stopped. */
void admission_free(struct admission *admission);

/* After a reload, and once a second: take over the policy's limits. */
void admission_refresh(struct admission *admission);

/* Decide on fd, an accepted connection (non-blocking) from peer: give it to a worker, or close it.
 * It is served once admission_done has been called, after one or many. */
void admission_decide(struct admission *admission, int fd, const struct sockaddr_storage *peer);
void admission_done(struct admission *admission);

/* accept(2) fails for want of descriptors or memory (-errno): log it, within limits, and have the
 * connection closed that has been unused longest. */
void admission_shortage(struct admission *admission, int rc);

#endif
