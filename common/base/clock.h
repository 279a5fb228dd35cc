/* The clocks, as one number.  Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of that clock. */
static inline int64_t clock_now_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* CLOCK_MONOTONIC: for durations and deadlines. */
static inline int64_t clock_mono_ns(void)
{
	return clock_now_ns(CLOCK_MONOTONIC);
}

static inline int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

#endif
