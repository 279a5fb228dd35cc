/* What the daemons share: signals, readiness, watchdog and status, on an sd-event loop in the
 * control (main) thread.
 *
 * SIGTERM and SIGINT end the loop with status 0; SIGHUP calls reload.  Signals are blocked before
 * the first thread is made; no handler runs. */
#ifndef PROGRAM_DAEMON_H
#define PROGRAM_DAEMON_H

#include "plant/plant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
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

/* First in main.  Blocks the three signals, so that one that comes before the loop waits for it.
 * When the program then exits with an error before daemon_run, and a manager with a watchdog is to
 * restart it, it first waits some seconds, or until it is told to end. */
void daemon_begin(void);

/* Make the loop: signals blocked, SIGPIPE ignored, watchdog set up.  hooks: copied.  *event: the
 * caller's, sd_event_unref. 0 or -errno. */
int daemon_open(const struct daemon_hooks *hooks, sd_event **event);

/* Say READY=1 to the manager and "ready" to the log, run until a signal ends it, say STOPPING=1.  0
 * or -errno. */
int daemon_run(sd_event *event);

/* Call back each interval_us, for the first time one interval from now, for as long as the loop
 * runs.  A call that is late is made once, however many intervals have passed meanwhile; those
 * after it keep the beat.  0 or -errno. */
enum { DAEMON_SECOND_US = 1000000 };
int daemon_every(sd_event *event, uint64_t interval_us, void (*callback)(void *context),
		 void *context);

/* For a status line: add which plant is in force, since when, and that a newer one was refused. */
void daemon_status_plant(char *text, size_t size, const struct plant *plant);

/* Tell the manager when a reload begins (RELOADING=1) and when it has ended (READY=1).  The result
 * is logged: "reloaded", or that it was refused and why.  why: one line; NULL: it succeeded. */
void daemon_reloading(void);
void daemon_reloaded(const char *why);

#endif
