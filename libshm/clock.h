/* The clocks, as one number. */
#ifndef LIBSHM_CLOCK_H
#define LIBSHM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of that clock. */
static inline int64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline uint64_t mono_ns(void)
{
	return (uint64_t)clock_ns(CLOCK_MONOTONIC);
}

#endif
