/* The listening sockets and the limit on connections.  Main thread only. */
#ifndef LISTENER_H
#define LISTENER_H

#include "worker.h"

#include <systemd/sd-event.h>

struct listeners;

/* Listen on every address of the present policy, or on the sockets that a service manager passed instead (sd_listen_fds(3)), and
 * give what is accepted to workers.  Dies when an address cannot be had. */
struct listeners *listeners_open(struct workers *workers, sd_event *event);

/* Stop accepting. */
void listeners_close(struct listeners *listeners);

/* Once a second, and after a reload: take over the policy's limit, accept again after a shortage. */
void listeners_refresh(struct listeners *listeners);

#endif
