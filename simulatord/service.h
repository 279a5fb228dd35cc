/* The simulator as a service: steps at its pace, on an event loop; follows a replaced image, takes
 * a changed plant file, counts what went wrong.  After the start no error ends it: errors are
 * logged. */
#ifndef SIMULATORD_SERVICE_H
#define SIMULATORD_SERVICE_H

#include "simulatord/simulation.h"

#include <stdbool.h>
#include <systemd/sd-event.h>

struct service;

struct service_options {
	bool display;   /* print the table after each step */
	uint64_t steps; /* end the loop after so many published steps; 0: never */
};

/* Takes the simulation over when it succeeds.  options: copied.  NULL: no memory. */
struct service *service_new(struct simulation *sim, const struct service_options *options);
void service_free(struct service *service);

/* Put the service on the loop, which may not run any more after service_free.  The first step comes
 * after start_delay on a fresh image, else at once. 0 or -errno. */
int service_start(struct service *service, sd_event *event);

/* The hooks of daemon.h; context: the service. */
void service_reload(void *context);
void service_status(void *context, char *text, size_t size);

#endif
