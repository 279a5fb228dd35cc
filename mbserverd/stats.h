/* "mbserverd --stats": what the server of an image counts, from outside. */
#ifndef MBSERVERD_STATS_H
#define MBSERVERD_STATS_H

#include <stdbool.h>

/* Print it as text or JSON.  The exit status: 1 when there is no server's file, or it is damaged,
 * or its server is dead (its last counts are printed all the same). */
int stats_print(const char *image, bool json);

#endif
