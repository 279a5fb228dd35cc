/* Who gets in: access rules and limits on connections.  Main thread only. */
#ifndef MBSERVERD_ADMISSION_H
#define MBSERVERD_ADMISSION_H

#include <sys/socket.h>

struct admission;
struct counters;
struct workers;

struct admission *admission_new(struct workers *workers, struct counters *counters);

/* After the workers have stopped. */
void admission_free(struct admission *admission);

/* After a reload, and once a second: take over the policy's limits. */
void admission_refresh(struct admission *admission);

/* A connection was accepted: give it to a worker, or close it.  Call admission_done after one or
 * many: then those that got in begin to be served. */
void admission_decide(struct admission *admission, int fd, const struct sockaddr_storage *peer);
void admission_done(struct admission *admission);

/* Out of descriptors or memory: make room. */
void admission_shortage(struct admission *admission, int rc);

#endif
