#include "simulatord/service.h"

#include "base/log.h"
#include "program/daemon.h"
#include "program/options.h"
#include "simulatord/display.h"
#include "simulatord/pace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	CHECK_US = 1000000, /* does the name still lead to our image? */
	REVIVE_US = 100000, /* wait for other writers */
};

struct service {
	sd_event *event;
	sd_event_source *check;
	struct pace *pace;
	struct display *display; /* NULL: off */
	struct service_options options;

	struct simulation *sim;
	bool lost; /* its image was replaced, and no other could be opened yet */

	uint64_t steps, missed, failed;   /* since the start */
	uint64_t status_steps, status_us; /* at the last status line */
};

static uint64_t now_us(const struct service *service)
{
	uint64_t now;
	return sd_event_now(service->event, CLOCK_MONOTONIC, &now) < 0 ? 0 : now;
}

/* ---- a step -------------------------------------------------------------------------------- */

static void show(struct service *service)
{
	if (!service->display)
		return;
	int rc = display_print(service->display, service->sim);
	if (rc) {
		log_warn("display: %s; the table is not printed any more", strerror(-rc));
		display_free(service->display);
		service->display = NULL;
	}
}

static void on_tick(void *context, uint64_t missed)
{
	static struct log_limit missed_limit, failed_limit;
	struct service *service = context;
	if (missed) {
		service->missed += missed;
		if (log_allowed(&missed_limit))
			log_warn("%" PRIu64 " steps missed, %" PRIu64 " since the start", missed,
				 service->missed);
	}
	int rc = simulation_step(service->sim);
	if (rc) {
		service->failed++;
		if (log_allowed(&failed_limit))
			log_warn("step not published: %s; %" PRIu64 " since the start",
				 strerror(-rc), service->failed);
		return;
	}
	service->steps++;
	show(service);
	if (service->steps == service->options.steps)
		sd_event_exit(service->event, 0);
}

/* Start the clock for the simulation that the service has. */
static void begin(struct service *service)
{
	const struct simulation *sim = service->sim;
	const struct plant_simulator *settings = &sim->plant->simulator;
	uint64_t delay_ms = sim->version == 1 ? settings->start_delay_ms : 0;
	if (settings->seed == 0)
		log_info("seed %" PRIu64 " (simulator.seed is 0: taken from the system)",
			 sim->seed);
	if (sim->version == 1)
		log_info("image %s is fresh: first step in %" PRIu64 " ms", sim->plant->image.name,
			 delay_ms);
	else
		log_info("image %s: resuming from version %" PRIu64, sim->plant->image.name,
			 sim->version);
	if (sim->plant->point_count == 0)
		log_info("%s has no points: nothing to simulate", sim->plant->file);
	pace_start(service->pace, delay_ms, settings->period_ms);
}

/* ---- another plant, another image ---------------------------------------------------------- */

_Static_assert((int)PLANT_ERROR_SIZE >= (int)MBSHM_WHY_SIZE, "one buffer for both reasons");

/* If the name was taken away, our values get a new image, from us or from another who has them; if
 * it leads elsewhere, the others on our image are told.  0: there is an image to open, or nothing
 * that could be saved. */
static int revive(struct service *service, char *why)
{
	int rc = mbshm_revive(service->sim->img, &service->sim->plant->image, REVIVE_US, why);
	return rc == -EEXIST || rc == -ESTALE || rc == -EBADMSG ? 0 : rc;
}

/* Read the plant file anew, open its image and go on with both; on an error nothing has changed and
 * why says it. */
static int renew(struct service *service, char *why)
{
	struct plant *plant;
	int rc = mbshm_check(service->sim->img) ? revive(service, why) : 0;
	if (!rc)
		rc = plant_load(options_plant_path(), &plant, why);
	if (rc)
		return rc;
	struct simulation *sim;
	rc = simulation_open(plant, &sim, why);
	if (rc) {
		plant_free(plant);
		return rc;
	}
	if (*why)
		log_warn("%s", why);
	simulation_close(service->sim);
	service->sim = sim;
	service->lost = false;
	begin(service);
	return 0;
}

void service_reload(void *context)
{
	struct service *service = context;
	char why[PLANT_ERROR_SIZE];
	daemon_reloading();
	if (renew(service, why))
		log_error("reload refused, the old plant lives on: %s", why);
	else
		log_info("reloaded %s", service->sim->plant->file);
	daemon_reloaded();
}

/* Does the name still lead to our image?  If not, go on with what it leads to now; until that can
 * be used, try again each second. */
static void follow_image(struct service *service)
{
	char why[PLANT_ERROR_SIZE];
	int rc = mbshm_check(service->sim->img);
	if (!service->lost && rc != -ESTALE && rc != -ENOENT)
		return;
	bool first = !service->lost;
	if (first) {
		log_info("image %s was %s", service->sim->plant->image.name,
			 rc == -ESTALE ? "replaced" : "removed");
		pace_stop(service->pace);
		service->lost = true;
	}
	if (renew(service, why) && first)
		log_error("waiting for a usable image: %s", why);
}

static int on_check(sd_event_source *source, uint64_t usec, void *context)
{
	(void)usec;
	follow_image(context);
	int rc = sd_event_source_set_time_relative(source, CHECK_US);
	return rc < 0 ? rc : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

void service_status(void *context, char *text, size_t size)
{
	struct service *service = context;
	uint64_t now = now_us(service);
	uint64_t passed = now - service->status_us;
	double rate =
		passed ? (double)(service->steps - service->status_steps) * 1e6 / (double)passed
		       : 0;
	service->status_us = now;
	service->status_steps = service->steps;
	snprintf(text, size, "%.1f steps/s, %" PRIu64 " steps missed, %" PRIu64 " not published%s",
		 rate, service->missed, service->failed,
		 service->lost ? "; waiting for a usable image" : "");
}

/* ---- beginning and end --------------------------------------------------------------------- */

struct service *service_new(struct simulation *sim, const struct service_options *options)
{
	struct service *service = calloc(1, sizeof *service);
	if (!service)
		return NULL;
	service->options = *options;
	if (options->display && !(service->display = display_new())) {
		free(service);
		return NULL;
	}
	service->sim = sim;
	return service;
}

int service_start(struct service *service, sd_event *event)
{
	service->event = event;
	service->status_us = now_us(service);
	int rc = pace_new(event, on_tick, service, &service->pace);
	if (rc >= 0)
		rc = sd_event_add_time_relative(event, &service->check, CLOCK_MONOTONIC, CHECK_US,
						0, on_check, service);
	if (rc >= 0)
		begin(service);
	return rc < 0 ? rc : 0;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	sd_event_source_unref(service->check);
	pace_free(service->pace);
	simulation_close(service->sim);
	display_free(service->display);
	free(service);
}
