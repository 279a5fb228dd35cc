/* The Modbus table on standard output, one line a point.
 *
 * Never blocks: a table that a stopped terminal or a full pipe does not take is finished before a
 * later one is begun, and those in between are left out.  A reader that went away ends the display,
 * not the simulation. */
#ifndef SIMULATORD_DISPLAY_H
#define SIMULATORD_DISPLAY_H

#include "simulatord/simulation.h"

struct display;

/* NULL: no memory. */
struct display *display_new(void);
void display_free(struct display *display);

/* Print what the last step published.  0, or -errno when standard output cannot be written any more
 * (-EPIPE). */
int display_print(struct display *display, const struct simulation *sim);

#endif
