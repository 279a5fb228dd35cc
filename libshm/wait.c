/* Waiting for a version.  A waiter leaves a time in the segment, "someone waits until then", not a
 * count that its death would leak. */
#include "libshm/wait.h"

#include "libshm/clock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	POLL_NS = 1000 * 1000, /* of a read-only waiter */
	/* Look again after this: a writer may be killed between publish and wake. */
	SLICE_NS = 100 * 1000 * 1000,
};

/* One load when nobody waits. */
void wait_wake(struct mbshm *img)
{
	struct segment_control *control = &img->seg->control;
	if (!waiters_load(control))
		return;
	/* Take the whole announcement; a process that still waits announces itself again. */
	if ((uint64_t)clock_ns(CLOCK_MONOTONIC_COARSE) >= waiters_take(control))
		return;
	wake_count_up(control);
	syscall(SYS_futex, &control->wait_futex, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void nap(uint64_t ns)
{
	struct timespec time = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Has the version come?  0, 1 (not yet), -ESTALE. */
static int passed(const struct mbshm *img, uint64_t version, uint64_t *now)
{
	uint64_t commit = commit_load_ordered(&img->seg->control);
	if (commit_gone(commit))
		return -ESTALE;
	if (commit_version(commit) <= version)
		return 1;
	if (now)
		*now = commit_version(commit);
	return 0;
}

int mbshm_wait(const struct mbshm *img, uint64_t version, uint32_t timeout_ms, uint64_t *now)
{
	uint64_t end = mono_ns() + timeout_ms * UINT64_C(1000000), time;
	int rc;
	if (handle_dead(img))
		return -EPERM;
	while ((rc = passed(img, version, now)) == 1) {
		time = mono_ns();
		if (time >= end)
			return -ETIMEDOUT;
		if (!img->writable) {
			nap(end - time < POLL_NS ? end - time : POLL_NS);
			continue;
		}
		struct segment_control *control = &img->seg->control;
		uint32_t count = wake_count_load(control);
		uint64_t slice = end - time < SLICE_NS ? end - time : SLICE_NS;
		struct timespec limit = { 0, (long)slice };
		waiters_announce(control, time + slice + 2 * POLL_NS);
		/* It may have been published before the announcement could be seen. */
		rc = passed(img, version, now);
		if (rc != 1)
			break;
		syscall(SYS_futex, &control->wait_futex, FUTEX_WAIT, count, &limit, NULL, 0);
	}
	return rc;
}
