/* "mbserverd --stats": what the server of an image counts, from outside. */
#ifndef MBSERVERD_STATS_H
#define MBSERVERD_STATS_H

#include <stdbool.h>

/* Print the counters of that image's server as text or JSON; it is not disturbed.  The exit status:
 * 1 when there is no file of counters, it is damaged (logged), or its server is dead (then its last
 * counts are printed). */
int stats_print(const char *image, bool json);

#endif
