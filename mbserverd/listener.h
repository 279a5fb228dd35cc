/* The listening sockets.  Main thread only. */
#ifndef MBSERVERD_LISTENER_H
#define MBSERVERD_LISTENER_H

#include "mbserverd/admission.h"

#include <systemd/sd-event.h>

struct listeners;

/* Listen on every address of the present policy, or on the sockets that a service manager passed
 * instead (sd_listen_fds(3)).  Dies when an address cannot be had. */
struct listeners *listeners_open(struct admission *admission, sd_event *event);

/* Take in whoever has connected so far (but leave those of passed sockets to the manager's next
 * server), and stop. */
void listeners_close(struct listeners *listeners);

/* Once a second, and after a reload: listen where the policy says now (an address that is in both
 * is not touched), accept again after a shortage.  What cannot be had is logged and tried again the
 * next time. */
void listeners_refresh(struct listeners *listeners);

#endif
