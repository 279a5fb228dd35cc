/* The one place where the program waits: for input, for a connection, for the next read; and always
 * for Ctrl-C as well.
 *
 * SIGINT is blocked and read from a signalfd, so no handler runs and none is lost.  While libmodbus
 * waits for a reply, Ctrl-C waits with it, for at most the reply's timeout. */
#ifndef MBCLIENT_WAIT_H
#define MBCLIENT_WAIT_H

#include <stdint.h>

enum wait_result { WAIT_READY, WAIT_TIMEOUT, WAIT_INTERRUPT };

enum { WAIT_FOREVER = -1 };

/* Once, at the start.  0 or -errno. */
int wait_open(void);

/* Wait until fd has one of the events (poll.h), or until deadline_ns (CLOCK_MONOTONIC;
 * WAIT_FOREVER: none).  fd -1: the deadline only.  A Ctrl-C is used up by the call that returns
 * WAIT_INTERRUPT, and comes before everything else. */
enum wait_result wait_until(int fd, short events, int64_t deadline_ns);

/* Forget a Ctrl-C that came while nobody waited. */
void wait_forget(void);

#endif
