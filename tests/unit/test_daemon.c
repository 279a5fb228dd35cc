/* The daemons' timer. */
#include "base/clock.h"
#include "program/daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

enum { INTERVAL_US = 20000, SLOW = 5, CALLS = 6 };

struct calls {
	sd_event *event;
	unsigned count;
	int64_t at_us[CALLS];
};

/* The first call lasts several intervals. */
static void each_interval(void *context)
{
	struct calls *calls = context;
	const struct timespec nap = { 0, SLOW * INTERVAL_US * 1000L };
	calls->at_us[calls->count++] = clock_mono_ns() / 1000;
	if (calls->count == 1)
		nanosleep(&nap, NULL);
	if (calls->count == CALLS)
		sd_event_exit(calls->event, 7);
}

/* The second call comes late, and once; those that were missed are not made up for.  However loaded
 * the machine is, no call comes before its time. */
static void test_late_once(void **state)
{
	(void)state;
	struct calls calls = { 0 };
	assert_true(sd_event_new(&calls.event) >= 0);
	int64_t start_us = clock_mono_ns() / 1000;
	assert_int_equal(daemon_every(calls.event, INTERVAL_US, each_interval, &calls), 0);
	assert_int_equal(sd_event_loop(calls.event), 7);
	sd_event_unref(calls.event);
	assert_int_equal(calls.count, CALLS);
	assert_true(calls.at_us[0] - start_us >= INTERVAL_US);
	assert_true(calls.at_us[1] - calls.at_us[0] >= SLOW * INTERVAL_US);
	for (int i = 2; i < CALLS; i++)
		assert_true(calls.at_us[i] - start_us >= (i + SLOW) * INTERVAL_US);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
