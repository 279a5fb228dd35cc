/* mbserverd - serves the image over Modbus TCP.  The main thread accepts, reloads and watches;
 * workers answer. */
#include "base/log.h"
#include "mbserverd/counters.h"
#include "mbserverd/listener.h"
#include "mbserverd/policy.h"
#include "mbserverd/stats.h"
#include "mbserverd/workers.h"
#include "program/daemon.h"
#include "program/options.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORKERS_DEFAULT_MAX = 4, CHECK_US = 1000000 };

struct server {
	struct workers *workers;
	struct admission *admission;
	struct listeners *listeners;
	uint64_t requests, asked_ms; /* at the last status */
};

/* What was asked for on the command line. */
struct asked {
	bool stats, json;
};

/* Tell everybody who goes by the policy what it is now. */
static void refresh(const struct server *server, uint64_t generation)
{
	if (policy_present()->generation != generation)
		workers_revise(server->workers);
	admission_refresh(server->admission);
	listeners_refresh(server->listeners);
}

static void reload(void *context)
{
	uint64_t generation = policy_present()->generation;
	daemon_reloading();
	bool reloaded = policy_reload();
	refresh(context, generation);
	if (reloaded)
		log_info("reloaded");
	daemon_reloaded();
}

static bool alive(void *context)
{
	const struct server *server = context;
	return workers_alive(server->workers);
}

static uint64_t clock_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void status(void *context, char *text, size_t size)
{
	struct server *server = context;
	uint64_t requests = COUNTERS_SUM(requests), now_ms = clock_ms();
	/* Asked about each second, but not on the dot. */
	uint64_t passed_ms = now_ms > server->asked_ms ? now_ms - server->asked_ms : 1;
	snprintf(text, size, "%u connections, %" PRIu64 " requests/s",
		 workers_connections(server->workers),
		 (requests - server->requests) * 1000 / passed_ms);
	server->requests = requests;
	server->asked_ms = now_ms;
}

static int each_second(sd_event_source *timer, uint64_t now_us, void *context)
{
	uint64_t generation = policy_present()->generation;
	policy_check();
	refresh(context, generation);
	return sd_event_source_set_time(timer, now_us + CHECK_US);
}

static unsigned workers_default(void)
{
	cpu_set_t cpus;
	unsigned count =
		sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	return count < WORKERS_DEFAULT_MAX ? count : WORKERS_DEFAULT_MAX;
}

static const char *set_stats(void *context, const char *arg)
{
	(void)arg;
	((struct asked *)context)->stats = true;
	return NULL;
}

static const char *set_json(void *context, const char *arg)
{
	(void)arg;
	((struct asked *)context)->json = true;
	return NULL;
}

static const char *set_trace(void *context, const char *arg)
{
	struct network network;
	char why[NETWORK_WHY_SIZE];
	(void)context;
	if (network_parse(arg, &network, why) != 0)
		return "an address in digits, without or with /BITS, or unix";
	policy_trace(&network);
	return NULL;
}

static const struct option_row options[] = {
	{ "stats", NULL, "print what the server of this plant's image has counted, and end",
	  set_stats },
	{ "json", NULL, "print it as JSON", set_json },
	{ "trace", "ADDRESS", "log the frames of this client or network, or of unix sockets",
	  set_trace },
	{ NULL, NULL, NULL, NULL },
};

int main(int argc, char **argv)
{
	struct server server = { .asked_ms = clock_ms() };
	struct asked asked = { false, false };
	const struct program program = { .name = "mbserverd",
					 .summary = "serve a register image over Modbus TCP",
					 .rows = options,
					 .context = &asked };
	int operand;
	struct plant *plant = options_parse(&program, argc, argv, &operand);
	if (asked.stats) {
		int status = stats_print(plant->image.name, asked.json);
		plant_free(plant);
		return status;
	}
	if (asked.json)
		die(EXIT_USAGE, "--json goes with --stats");
	unsigned workers = plant->server.workers != 0 ? plant->server.workers : workers_default();
	struct daemon_hooks hooks = { reload, alive, status, &server };
	sd_event *event;
	int rc = daemon_open(&hooks, &event); /* blocks signals: before any thread */
	if (rc)
		die(EXIT_FAILURE, "event loop: %s", strerror(-rc));

	policy_open(plant);
	counters_open(plant->image.name, 1 + workers);
	rc = workers_start(workers, &server.workers);
	if (rc)
		die(EXIT_FAILURE, "%u workers: %s", workers, strerror(-rc));
	server.admission = admission_new(server.workers, counters_block(0));
	server.listeners = listeners_open(server.admission, event);
	sd_event_source *timer;
	rc = sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, CHECK_US, 0, each_second,
					&server);
	if (rc >= 0)
		rc = sd_event_source_set_enabled(timer, SD_EVENT_ON);
	if (rc < 0)
		die(EXIT_FAILURE, "timer: %s", strerror(-rc));

	rc = daemon_run(event);
	listeners_close(server.listeners);
	workers_stop(server.workers);
	admission_free(server.admission);
	counters_close();
	policy_close();
	sd_event_source_unref(timer);
	sd_event_unref(event);
	return !rc ? EXIT_SUCCESS : EXIT_FAILURE;
}
