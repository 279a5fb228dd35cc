/* What the daemons share: signals, readiness, watchdog and status, on an sd-event loop in the
 * control (main) thread.
 *
 * SIGTERM and SIGINT end the loop with status 0; SIGHUP calls reload.  Signals are blocked in
 * daemon_open, which therefore runs before the first thread is made; no handler runs. */
#ifndef PROGRAM_DAEMON_H
#define PROGRAM_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

struct daemon_hooks {
	void (*reload)(void *context); /* SIGHUP; NULL: SIGHUP is ignored */
	/* Is the work being done?  Asked before each watchdog ping (half of WATCHDOG_USEC); false
	 * withholds it.  NULL: always. */
	bool (*alive)(void *context);
	/* One line for "systemctl status", asked each second when a manager listens; NULL: none. */
	void (*status)(void *context, char *text, size_t size);
	void *context;
};

/* Make the loop: signals blocked, SIGPIPE ignored, watchdog set up.  hooks: copied.  *event: the
 * caller's, sd_event_unref. 0 or -errno. */
int daemon_open(const struct daemon_hooks *hooks, sd_event **event);

/* Say READY=1 to the manager and "ready" to the log, run until a signal ends it, say STOPPING=1.  0
 * or -errno. */
int daemon_run(sd_event *event);

/* Say RELOADING=1 / READY=1 around a reload. */
void daemon_reloading(void);
void daemon_reloaded(void);

#endif
