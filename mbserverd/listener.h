/* The listening sockets.  Main thread only. */
#ifndef MBSERVERD_LISTENER_H
#define MBSERVERD_LISTENER_H

#include <systemd/sd-event.h>

struct admission;
struct listeners;

/* Listen on every address of the present policy, or on the sockets that a service manager passed
 * instead (sd_listen_fds(3)).  Accepted connections go to admission, which is the caller's until
 * listeners_close.  Dies when it cannot listen on an address, and when there is no memory. */
struct listeners *listeners_open(struct admission *admission, sd_event *event);

/* Let in all clients that have connected so far (but leave those of passed sockets to the service
 * manager's next server), and stop. */
void listeners_close(struct listeners *listeners);

/* Once a second, and after a reload: listen where the present policy says (an address that was in
 * the policy before is not touched, but for mode and group of a unix socket), put a unix socket
 * back whose name was removed, and accept again after a shortage.  An address that fails is
 * logged, once until the reason changes, and tried again the next time. */
void listeners_refresh(struct listeners *listeners);

#endif
