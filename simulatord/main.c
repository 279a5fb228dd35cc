/* simulatord: writes process values into the image, at a fixed pace. */
#include "base/log.h"
#include "plant/load.h"
#include "program/daemon.h"
#include "program/options.h"
#include "program/standard.h"
#include "simulatord/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- options ------------------------------------------------------------------------------- */

static const char *set_display(void *context, const char *arg)
{
	(void)arg;
	((struct service_options *)context)->display = true;
	return NULL;
}

static const char *set_steps(void *context, const char *arg)
{
	char *end;
	errno = 0;
	unsigned long long steps = strtoull(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || steps == 0)
		return "a whole number 1..18446744073709551615";
	((struct service_options *)context)->steps = steps;
	return NULL;
}

static const struct option_row rows[] = {
	{ "display", NULL, "print the points after each step (the default on a terminal)",
	  set_display },
	{ "steps", "N", "exit after N steps", set_steps },
	{ 0 },
};

/* ---- the daemon ---------------------------------------------------------------------------- */

/* A process that has just got the slot of the source's dead holder passes for it for a moment. */
static int claim_first(struct simulation *sim)
{
	enum { TRIES = 10 };
	int rc = simulation_claim(sim);
	for (unsigned i = 1; rc == -EBUSY && i < TRIES; i++) {
		nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
		rc = simulation_claim(sim);
	}
	return rc;
}

/* The plant becomes the simulation's. */
static struct simulation *open_simulation(struct plant *plant)
{
	char why[MBSHM_WHY_SIZE];
	struct simulation *sim;
	if (simulation_open(plant, &sim, why)) {
		log_error("image %s: %s", plant->image.name, why);
		plant_free(plant);
		exit(EXIT_FAILURE);
	}
	if (claim_first(sim) == -EBUSY)
		die(EXIT_FAILURE,
		    "image %s: source \"%s\" is in use by another process, such as another "
		    "simulator of this plant",
		    plant->image.name, plant->simulator.source);
	return sim;
}

static int run_service(struct service *service)
{
	sd_event *event;
	const struct daemon_hooks hooks = { .reload = service_reload,
					    .status = service_status,
					    .context = service };
	int rc = daemon_open(&hooks, &event);
	if (!rc)
		rc = service_start(service, event);
	if (!rc)
		rc = daemon_run(event);
	if (rc)
		die(EXIT_FAILURE, "event loop: %s", strerror(-rc));
	service_free(service);
	sd_event_unref(event);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct service_options options = { .display = isatty(STDOUT_FILENO) };
	const struct program program = {
		.name = "simulatord",
		.summary = "Writes process values into the register image, at a fixed pace.",
		.rows = rows,
		.context = &options,
	};
	int operand;
	standard_open();
	daemon_begin();
	struct plant *plant = options_parse(&program, argc, argv, &operand);
	struct service *service = service_new(open_simulation(plant), &options);
	if (!service)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	return run_service(service);
}
