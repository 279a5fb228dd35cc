/* poll with Ctrl-C. */
#include "mbclient/wait.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { NS = 1000000000 };

static int signal_fd = -1; /* set before the first wait */

int wait_open(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return signal_fd < 0 ? -errno : 0;
}

enum wait_result wait_until(int fd, short events, int64_t deadline_ns)
{
	struct pollfd fds[] = { { .fd = signal_fd, .events = POLLIN },
				{ .fd = fd, .events = events } };
	for (;;) {
		int64_t left = deadline_ns == WAIT_FOREVER ? 0 : deadline_ns - clock_mono_ns();
		if (left < 0)
			left = 0;
		struct timespec timeout = { .tv_sec = left / NS, .tv_nsec = left % NS };
		int ready = ppoll(fds, 2, deadline_ns == WAIT_FOREVER ? NULL : &timeout, NULL);
		if (ready == 0)
			return WAIT_TIMEOUT;
		struct signalfd_siginfo info;
		if (ready > 0 && fds[0].revents &&
		    read(signal_fd, &info, sizeof info) == sizeof info)
			return WAIT_INTERRUPT;
		if (ready > 0 && fds[1].revents)
			return WAIT_READY;
	}
}

void wait_forget(void)
{
	struct signalfd_siginfo info;
	while (read(signal_fd, &info, sizeof info) == sizeof info)
		;
}
