/* What the daemons share: signals, readiness, timers. */
#include "program/daemon.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_SIZE = 1024 };

/* The control thread's only. */
static struct daemon_hooks hooks;
static time_t refused_s; /* when the last reload was refused; 0: it was not */

/* ---- a start that fails -------------------------------------------------------------------- */

enum { PAUSE_S = 4 };
static bool ready;

/* A manager that restarts at once, as is good after a crash, shall not do so again and again with
 * what cannot start; and with clients in the queue of a socket it does not even keep RestartSec=.
 * Only one that watches the process is such a manager. */
static void pause_failed(int status, void *context)
{
	const struct timespec pause = { PAUSE_S, 0 };
	sigset_t end;
	(void)context;
	if (!status || ready || sd_watchdog_enabled(0, NULL) <= 0)
		return;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	sd_notify(0, "STATUS=cannot start, the log says why");
	if (sigtimedwait(&end, NULL, &pause) >= 0)
		_exit(EXIT_SUCCESS);
}

static void hold_signals(void)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

void daemon_begin(void)
{
	hold_signals();
	on_exit(pause_failed, NULL);
}

/* ---- each interval ------------------------------------------------------------------------- */

struct beat {
	uint64_t interval_us;
	void (*callback)(void *context);
	void *context;
};

static int on_beat(sd_event_source *source, uint64_t due_us, void *userdata)
{
	const struct beat *beat = userdata;
	uint64_t now_us;
	beat->callback(beat->context);
	int rc = sd_event_now(sd_event_source_get_event(source), CLOCK_MONOTONIC, &now_us);
	if (rc < 0)
		return rc;
	uint64_t late = now_us > due_us ? (now_us - due_us) / beat->interval_us : 0;
	rc = sd_event_source_set_time(source, due_us + (late + 1) * beat->interval_us);
	return rc < 0 ? rc : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* The loop owns source and beat. */
int daemon_every(sd_event *event, uint64_t interval_us, void (*callback)(void *context),
		 void *context)
{
	sd_event_source *source;
	struct beat *beat = malloc(sizeof *beat);
	if (!beat)
		return -ENOMEM;
	*beat = (struct beat){ interval_us, callback, context };
	int rc = sd_event_add_time_relative(event, &source, CLOCK_MONOTONIC, interval_us, 0,
					    on_beat, beat);
	if (rc < 0) {
		free(beat);
		return rc;
	}
	sd_event_source_set_destroy_callback(source, free);
	rc = sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
	return rc < 0 ? rc : 0;
}

/* ---- the hooks ----------------------------------------------------------------------------- */

static int reload_signalled(sd_event_source *source, const struct signalfd_siginfo *info,
			    void *userdata)
{
	(void)source, (void)info, (void)userdata;
	if (hooks.reload)
		hooks.reload(hooks.context);
	return 0;
}

static void watchdog_ping(void *context)
{
	if (!hooks.alive || hooks.alive(context))
		sd_notify(0, "WATCHDOG=1");
}

static void status_send(void *context)
{
	char text[STATUS_SIZE] = "";
	hooks.status(context, text, sizeof text);
	sd_notifyf(0, "STATUS=%s", text);
}

/* A NULL handler ends the loop with status 0. */
static int add_signals(sd_event *event)
{
	int rc = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (rc >= 0)
		rc = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	return rc < 0 ? rc : sd_event_add_signal(event, NULL, SIGHUP, reload_signalled, NULL);
}

static int add_timers(sd_event *event)
{
	uint64_t watchdog_us;
	int rc = sd_watchdog_enabled(0, &watchdog_us);
	if (rc > 0)
		rc = daemon_every(event, (watchdog_us + 1) / 2, watchdog_ping, hooks.context);
	if (rc >= 0 && hooks.status && getenv("NOTIFY_SOCKET"))
		rc = daemon_every(event, DAEMON_SECOND_US, status_send, hooks.context);
	return rc;
}

int daemon_open(const struct daemon_hooks *wanted, sd_event **event)
{
	hold_signals();
	log_unattended();
	/* A log or display that nobody reads any more must not end the daemon. */
	signal(SIGPIPE, SIG_IGN);

	hooks = *wanted;
	int rc = sd_event_new(event);
	if (rc < 0)
		return rc;
	rc = add_signals(*event);
	if (rc >= 0)
		rc = add_timers(*event);
	if (rc < 0)
		*event = sd_event_unref(*event);
	return rc < 0 ? rc : 0;
}

int daemon_run(sd_event *event)
{
	ready = true;
	sd_notify(0, "READY=1");
	log_info("ready");
	int rc = sd_event_loop(event);
	sd_notify(0, "STOPPING=1");
	return rc < 0 ? rc : 0;
}

static void local_time_text(time_t time_s, char text[32])
{
	struct tm tm;
	strftime(text, 32, "%Y-%m-%d %H:%M:%S", localtime_r(&time_s, &tm));
}

void daemon_status_plant(char *text, size_t size, const struct plant *plant)
{
	char read[32], refused[32];
	size_t used = strlen(text);
	local_time_text(plant->read_s, read);
	local_time_text(refused_s, refused);
	snprintf(text + used, size - used, "; %.255s as of %s%s%s", plant->file, read,
		 refused_s ? ", reload refused at " : "", refused_s ? refused : "");
}

/* Type=notify-reload wants to know which reload this is. */
void daemon_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_ns() / 1000);
}

void daemon_reloaded(const char *why)
{
	refused_s = why ? time(NULL) : 0;
	if (why)
		log_error("reload refused, keeping the old plant: %s", why);
	else
		log_info("reloaded");
	sd_notify(0, "READY=1");
}
