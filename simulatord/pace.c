/* Fixed steps from a timerfd. */
#include "simulatord/pace.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct pace {
	int fd;
	sd_event_source *source;
	void (*tick)(void *context, uint64_t missed);
	void *context;
};

static int on_timer(sd_event_source *source, int fd, uint32_t events, void *context)
{
	(void)source, (void)events;
	struct pace *pace = context;
	uint64_t passed;
	/* Set again or stopped since the loop saw it: EAGAIN. */
	if (read(fd, &passed, sizeof passed) == sizeof passed)
		pace->tick(pace->context, passed - 1);
	return 0;
}

int pace_new(sd_event *event, void (*tick)(void *context, uint64_t missed), void *context,
	     struct pace **out)
{
	struct pace *pace = calloc(1, sizeof *pace);
	if (!pace)
		return -ENOMEM;
	pace->tick = tick;
	pace->context = context;
	pace->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int rc = pace->fd < 0
			 ? -errno
			 : sd_event_add_io(event, &pace->source, pace->fd, EPOLLIN, on_timer, pace);
	if (rc < 0) {
		pace_free(pace);
		return rc;
	}
	*out = pace;
	return 0;
}

void pace_free(struct pace *pace)
{
	if (!pace)
		return;
	sd_event_source_unref(pace->source);
	if (pace->fd >= 0)
		close(pace->fd);
	free(pace);
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

void pace_start(struct pace *pace, uint64_t delay_ms, uint64_t period_ms)
{
	struct itimerspec timer = {
		.it_value = to_timespec(clock_mono_ns() + (int64_t)delay_ms * 1000000),
		.it_interval = to_timespec((int64_t)period_ms * 1000000),
	};
	timerfd_settime(pace->fd, TFD_TIMER_ABSTIME, &timer, NULL);
}

void pace_stop(struct pace *pace)
{
	timerfd_settime(pace->fd, 0, &(struct itimerspec){ .it_value = { 0, 0 } }, NULL);
}
