/* The loop: step, follow the image, take a changed plant file, count. */
#include "simulatord/service.h"

#include "base/log.h"
#include "plant/load.h"
#include "program/daemon.h"
#include "simulatord/display.h"
#include "simulatord/pace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct service {
	sd_event *event;
	struct pace *pace;
	struct display *display; /* NULL: off */
	struct service_options options;

	struct simulation *sim;
	bool lost; /* its image was replaced, and no other could be opened yet */
	struct log_once claim_trouble;

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

static void service_look(void *context);

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
	if (service->sim->shut_out)
		return;
	int rc = simulation_step(service->sim);
	if (rc == -ESTALE) {
		service_look(service); /* now, rather than within a second */
		return;
	}
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

static void claim(struct service *service)
{
	const char *source = service->sim->plant->simulator.source;
	int rc = service->sim->claimed ? 0 : simulation_claim(service->sim);
	if (rc == -EBUSY)
		log_once(&service->claim_trouble,
			 "source \"%s\" is in use by another process: making no steps", source);
	else if (rc)
		log_once(&service->claim_trouble,
			 "source \"%s\" is not registered in the image yet, so its values have no "
			 "age: %s",
			 source, strerror(-rc));
	else if (service->claim_trouble.last)
		log_info("source \"%s\" claimed", source);
	if (!rc)
		service->claim_trouble = (struct log_once){ 0 };
}

/* Start the clock for the simulation that the service has. */
static void begin(struct service *service)
{
	const struct simulation *sim = service->sim;
	const struct plant_simulator *settings = &sim->plant->simulator;
	claim(service); /* of a simulation that is closed by now, it may be the same source */
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

/* Read the plant file again, open its image and go on with both.  On an error nothing has changed,
 * and why (PLANT_ERROR_SIZE bytes) is the reason. */
static int renew(struct service *service, char *why)
{
	struct plant *plant;
	struct simulation *sim;
	int rc = plant_reload(service->sim->plant, &plant, why);
	if (rc)
		return rc;
	rc = simulation_open(plant, &sim, why);
	if (rc) {
		plant_free(plant);
		return rc;
	}
	simulation_close(service->sim);
	service->sim = sim;
	service->lost = false;
	begin(service);
	return 0;
}

/* A fresh image shall have the values that we have: without one for them, the plant stays. */
void service_reload(void *context)
{
	struct service *service = context;
	struct follow *follow = &service->sim->follow;
	char why[PLANT_ERROR_SIZE];
	daemon_reloading();
	if (follow_check(follow) == FOLLOW_LOST)
		daemon_reloaded(follow->why);
	else
		daemon_reloaded(renew(service, why) ? why : NULL);
}

/* While the name leads to no image of ours the clock is stopped; another image is tried each
 * second. */
static void service_look(void *context)
{
	struct service *service = context;
	struct follow *follow = &service->sim->follow;
	char why[PLANT_ERROR_SIZE];
	enum follow_state state = follow_check(follow);
	if (state == FOLLOW_SAME && !service->lost) {
		claim(service);
		return;
	}
	if (!service->lost)
		pace_stop(service->pace);
	service->lost = true;
	if (state != FOLLOW_LOST && renew(service, why))
		follow_report(follow, "making no steps", why);
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
		 service->lost            ? "; waiting for a usable image"
		 : service->sim->shut_out ? "; its source is in use"
					  : "");
	daemon_status_plant(text, size, service->sim->plant);
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
	if (!rc)
		rc = daemon_every(event, DAEMON_SECOND_US, service_look, service);
	if (!rc)
		begin(service);
	return rc;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	pace_free(service->pace);
	simulation_close(service->sim);
	display_free(service->display);
	free(service);
}
