/* One line in the log about what happened since the last one: what the lines about each connection
 * would have told, at a usual level of the log.  The main thread's. */
#ifndef MBSERVERD_SUMMARY_H
#define MBSERVERD_SUMMARY_H

#include <stdint.h>

struct summary {
	int64_t since_ms;
	struct summary_counts {
		uint64_t opened, closed, refused, requests, exceptions;
	} counts; /* at since_ms */
};

/* Count from now on.  After counters_open. */
void summary_begin(struct summary *summary);

/* Log what was counted, unless it is nothing, and begin again. */
void summary_log(struct summary *summary);

#endif
