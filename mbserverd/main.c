/* mbserverd - serves the image over Modbus TCP.  The main thread accepts, reloads and watches; workers answer. */
#include "daemon.h"
#include "listener.h"
#include "log.h"
#include "options.h"
#include "policy.h"
#include "worker.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_DEFAULT_MAX = 4, CHECK_US = 1000000 };

struct server {
	struct workers *workers;
	struct listeners *listeners;
};

static void reload(void *context)
{
	const struct server *server = context;
	daemon_reloading();
	policy_reload();
	listeners_refresh(server->listeners);
	daemon_reloaded();
}

static bool alive(void *context)
{
	const struct server *server = context;
	return workers_alive(server->workers);
}

static void status(void *context, char *text, size_t size)
{
	const struct server *server = context;
	snprintf(text, size, "%u connections", workers_connections(server->workers));
}

static int each_second(sd_event_source *timer, uint64_t now_us, void *context)
{
	const struct server *server = context;
	policy_check();
	listeners_refresh(server->listeners);
	return sd_event_source_set_time(timer, now_us + CHECK_US);
}

static unsigned workers_default(void)
{
	cpu_set_t cpus;
	unsigned count = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	return count < WORKERS_DEFAULT_MAX ? count : WORKERS_DEFAULT_MAX;
}

int main(int argc, char **argv)
{
	static const struct program program = { .name = "mbserverd", .summary = "serve a register image over Modbus TCP" };
	struct server server;
	int operand;
	struct plant *plant = options_parse(&program, argc, argv, &operand);
	unsigned workers = plant->server.workers != 0 ? plant->server.workers : workers_default();
	struct daemon_hooks hooks = { reload, alive, status, &server };
	sd_event *event;
	int error = daemon_open(&hooks, &event);	/* blocks signals: before any thread */
	if (error != 0)
		die(EXIT_FAILURE, "event loop: %s", strerror(-error));

	policy_open(plant);
	error = workers_start(workers, &server.workers);
	if (error != 0)
		die(EXIT_FAILURE, "%u workers: %s", workers, strerror(-error));
	server.listeners = listeners_open(server.workers, event);
	sd_event_source *timer;
	error = sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, CHECK_US, 0, each_second, &server);
	if (error >= 0)
		error = sd_event_source_set_enabled(timer, SD_EVENT_ON);
	if (error < 0)
		die(EXIT_FAILURE, "timer: %s", strerror(-error));

	error = daemon_run(event);
	listeners_close(server.listeners);
	workers_stop(server.workers);
	policy_close();
	sd_event_source_unref(timer);
	sd_event_unref(event);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
