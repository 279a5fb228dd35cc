#include "program/daemon.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <time.h>

enum { STATUS_SIZE = 256 };
static const uint64_t STATUS_US = 1000000;

/* The control thread's only. */
static struct daemon_hooks hooks;
static uint64_t watchdog_us; /* between pings */

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	(void)source, (void)info, (void)userdata;
	if (hooks.reload)
		hooks.reload(hooks.context);
	return 0;
}

static int again(sd_event_source *source, uint64_t us)
{
	int rc = sd_event_source_set_time_relative(source, us);
	return rc < 0 ? rc : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_watchdog(sd_event_source *source, uint64_t us, void *userdata)
{
	(void)us, (void)userdata;
	if (!hooks.alive || hooks.alive(hooks.context))
		sd_notify(0, "WATCHDOG=1");
	return again(source, watchdog_us);
}

static int on_status(sd_event_source *source, uint64_t us, void *userdata)
{
	(void)us, (void)userdata;
	char text[STATUS_SIZE] = "";
	hooks.status(hooks.context, text, sizeof text);
	sd_notifyf(0, "STATUS=%s", text);
	return again(source, STATUS_US);
}

/* A NULL handler ends the loop with status 0. */
static int add_signals(sd_event *event)
{
	int rc = sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	if (rc >= 0)
		rc = sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
	return rc < 0 ? rc : sd_event_add_signal(event, NULL, SIGHUP, on_reload, NULL);
}

static int add_timers(sd_event *event)
{
	int rc = sd_watchdog_enabled(0, &watchdog_us);
	watchdog_us /= 2;
	if (rc > 0)
		rc = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, watchdog_us, 0,
						on_watchdog, NULL);
	if (rc >= 0 && hooks.status && getenv("NOTIFY_SOCKET"))
		rc = sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, STATUS_US, 0,
						on_status, NULL);
	return rc;
}

int daemon_open(const struct daemon_hooks *wanted, sd_event **event)
{
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	int rc = pthread_sigmask(SIG_BLOCK, &signals, NULL);
	if (rc)
		return -rc;
	signal(SIGPIPE,
	       SIG_IGN); /* a log or display that nobody reads any more must not end the daemon */

	hooks = *wanted;
	rc = sd_event_new(event);
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
	sd_notify(0, "READY=1");
	log_info("ready");
	int rc = sd_event_loop(event);
	sd_notify(0, "STOPPING=1");
	return rc < 0 ? rc : 0;
}

/* Type=notify-reload wants to know which reload this is. */
void daemon_reloading(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
		   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void daemon_reloaded(void)
{
	sd_notify(0, "READY=1");
}
