/* A fixed-step clock on an event loop: a timerfd with absolute deadlines on CLOCK_MONOTONIC, so
 * that a late step does not delay those after it. */
#ifndef SIMULATORD_PACE_H
#define SIMULATORD_PACE_H

#include <stdint.h>
#include <systemd/sd-event.h>

struct pace;

/* tick: called once for all deadlines that have passed; missed: how many of them apart from the one
 * that is served.  0 or -errno. */
int pace_new(sd_event *event, void (*tick)(void *context, uint64_t missed), void *context,
	     struct pace **pace);
void pace_free(struct pace *pace);

/* The first deadline is delay_ms from now, the others follow at the period.  Replaces what was set
 * before. */
void pace_start(struct pace *pace, uint64_t delay_ms, uint64_t period_ms);
void pace_stop(struct pace *pace);

#endif
