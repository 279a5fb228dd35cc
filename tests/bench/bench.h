/* What the measuring programs share. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdint.h>
#include <sys/prctl.h>
#include <time.h>

static inline int64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Sleep until the next of evenly spaced times; *next moves on.  Who is late catches up, so the rate
 * is kept on average. */
static inline void pace(int64_t *next, int64_t period_ns)
{
	*next += period_ns;
	const struct timespec until = { .tv_sec = *next / 1000000000,
					.tv_nsec = *next % 1000000000 };
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Before pacing: the kernel may wake this thread as late as 50 us otherwise, to save power. */
static inline void pace_sharply(void)
{
	prctl(PR_SET_TIMERSLACK, 1UL);
}

#endif
