/* mbserverd - serves the image over Modbus TCP.  The main thread accepts, reloads and watches;
 * workers answer. */
#include "base/clock.h"
#include "base/log.h"
#include "base/number.h"
#include "mbserverd/admission.h"
#include "mbserverd/counters.h"
#include "mbserverd/listener.h"
#include "mbserverd/policy.h"
#include "mbserverd/stats.h"
#include "mbserverd/summary.h"
#include "mbserverd/workers.h"
#include "plant/load.h"
#include "program/daemon.h"
#include "program/options.h"
#include "program/standard.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum { WORKERS_DEFAULT_MAX = 4 };
#define HOUR_US (UINT64_C(3600) * DAEMON_SECOND_US)

struct server {
	struct workers *workers;
	struct admission *admission;
	struct listeners *listeners;
	uint64_t requests; /* at the last status */
	int64_t asked_ms;
	struct summary summary;
};

/* What was asked for on the command line. */
struct asked {
	bool stats, json, trace;
	struct plant_wish wish;
};

/* Tell everybody who goes by the policy what it is now. */
static void refresh(const struct server *server, uint64_t generation)
{
	if (policy_present()->generation != generation)
		workers_revise(server->workers);
	admission_refresh(server->admission);
	listeners_refresh(server->listeners);
}

static void server_reload(void *context)
{
	uint64_t generation = policy_present()->generation;
	char why[PLANT_ERROR_SIZE];
	daemon_reloading();
	bool reloaded = policy_reload(why);
	refresh(context, generation);
	daemon_reloaded(reloaded ? NULL : why);
}

static bool server_alive(void *context)
{
	const struct server *server = context;
	return workers_alive(server->workers);
}

/* Asked about each second, but not on the dot. */
static void server_status(void *context, char *text, size_t size)
{
	struct server *server = context;
	uint64_t requests = COUNTERS_SUM(requests);
	int64_t now_ms = clock_mono_ms(), passed_ms = now_ms - server->asked_ms;
	snprintf(text, size, "%u connections, %" PRIu64 " requests/s",
		 workers_connections(server->workers),
		 (requests - server->requests) * 1000 / (uint64_t)(passed_ms > 0 ? passed_ms : 1));
	daemon_status_plant(text, size, policy_present()->plant);
	server->requests = requests;
	server->asked_ms = now_ms;
}

static void server_look(void *context)
{
	uint64_t generation = policy_present()->generation;
	policy_check();
	refresh(context, generation);
}

static int on_replaced(sd_event_source *source, int fd, uint32_t events, void *context)
{
	eventfd_t times;
	(void)source, (void)events;
	eventfd_read(fd, &times);
	server_look(context);
	return 0;
}

static void server_summary(void *context)
{
	struct server *server = context;
	summary_log(&server->summary);
}

static unsigned workers_default(void)
{
	cpu_set_t cpus;
	unsigned count =
		sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
	return count < WORKERS_DEFAULT_MAX ? count : WORKERS_DEFAULT_MAX;
}

/* ---- options ------------------------------------------------------------------------------- */

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
	((struct asked *)context)->trace = true;
	if (network_parse(arg, &network, why))
		return "an address in digits, with or without /BITS, or unix";
	policy_trace(&network);
	return NULL;
}

/* arg as a number 1..max. */
static bool wish_number(const char *arg, uint32_t max, uint32_t *number)
{
	return number_digits(&arg, max, number) && !*arg && *number > 0;
}

static const char *set_port(void *context, const char *arg)
{
	struct asked *asked = context;
	return wish_number(arg, UINT16_MAX, &asked->wish.port) ? NULL : "a port 1..65535";
}

static const char *set_tables(void *context, const char *arg)
{
	struct asked *asked = context;
	return wish_number(arg, MBSHM_ITEMS, &asked->wish.items) ? NULL
								 : "a number of addresses 1..65536";
}

static const struct option_row options[] = {
	{ "port", "N", "without a plant file: listen on port N of this machine (5020)", set_port },
	{ "tables", "N", "without a plant file: serve addresses 0 to N - 1 of all tables",
	  set_tables },
	{ "stats", NULL, "print the counters of the server on this plant's image and exit",
	  set_stats },
	{ "json", NULL, "with --stats: print JSON", set_json },
	{ "trace", "ADDRESS", "log the frames of this client or network, or of unix sockets",
	  set_trace },
	{ NULL, NULL, NULL, NULL },
};

/* ---- the daemon ---------------------------------------------------------------------------- */

/* The plant becomes the policy's. */
static void server_start(struct server *server, struct plant *plant, sd_event *event)
{
	unsigned workers = plant->server.workers ? plant->server.workers : workers_default();
	policy_open(plant);
	counters_open(plant->image.name, 1 + workers);
	int rc = workers_start(workers, &server->workers);
	if (rc)
		die(EXIT_FAILURE, "%u workers: %s", workers, strerror(-rc));
	server->admission = admission_new(server->workers, counters_block(0), event);
	server->listeners = listeners_open(server->admission, event);
}

static void server_stop(struct server *server)
{
	listeners_close(server->listeners);
	admission_close(server->admission);
	workers_stop(server->workers);
	summary_log(&server->summary);
	admission_free(server->admission);
	counters_close();
	policy_close();
}

static int server_run(struct plant *plant)
{
	struct server server = { .asked_ms = clock_mono_ms() };
	struct daemon_hooks hooks = { server_reload, server_alive, server_status, &server };
	sd_event *event;
	int rc = daemon_open(&hooks, &event); /* blocks signals: before any thread */
	if (rc)
		die(EXIT_FAILURE, "event loop: %s", strerror(-rc));
	server_start(&server, plant, event);
	summary_begin(&server.summary);
	rc = daemon_every(event, DAEMON_SECOND_US, server_look, &server);
	if (!rc) /* and at once, when somebody asks */
		rc = sd_event_add_io(event, NULL, workers_replaced_fd(server.workers), EPOLLIN,
				     on_replaced, &server);
	if (rc >= 0)
		rc = daemon_every(event, HOUR_US, server_summary, &server);
	if (rc < 0)
		die(EXIT_FAILURE, "timers: %s", strerror(-rc));
	rc = daemon_run(event);
	if (rc)
		log_error("event loop: %s", strerror(-rc));
	server_stop(&server);
	sd_event_unref(event);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int show_counters(struct plant *plant, bool json)
{
	int status = stats_print(plant->image.name, json);
	if (status && plant->built_in)
		log_error("that is the built-in plant; expected --plant FILE for another");
	plant_free(plant);
	return status;
}

int main(int argc, char **argv)
{
	struct asked asked = { 0 };
	const struct program program = { .name = "mbserverd",
					 .summary = "Serves a register image over Modbus TCP.",
					 .rows = options,
					 .context = &asked,
					 .wish = &asked.wish,
					 .wish_options = "--port and --tables" };
	int operand;
	standard_open();
	daemon_begin();
	struct plant *plant = options_parse(&program, argc, argv, &operand);
	if (asked.stats && asked.trace)
		die(EXIT_USAGE, "--stats does not take --trace");
	if (asked.stats)
		return show_counters(plant, asked.json);
	if (asked.json)
		die(EXIT_USAGE, "--json goes with --stats");
	return server_run(plant);
}
