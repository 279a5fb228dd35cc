/* hostile: one client that a server has to put up with, until it is killed.  Thrown out, it comes back.
 *
 *   hostile KIND PORT      KIND: a row of the table below; prints "ready" once it is at work */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST = 12, HALF = 6, DRIP_MS = 500, BAD_MS = 1, FULL_MS = 200, BATCH = 100 };

/* Function 3 on unit 255: all of the default plant's 100 registers, and one register more than there can be in a request. */
static const uint8_t large[REQUEST] = { 0, 1, 0, 0, 0, 6, 0xFF, 3, 0x03, 0xE8, 0, 100 };
static const uint8_t bad[REQUEST] = { 0, 1, 0, 0, 0, 6, 0xFF, 3, 0x03, 0xE8, 0, 126 };

static struct sockaddr_in server = { .sin_family = AF_INET };

static int connect_server(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int on = 1;

	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd < 0)
			err(1, "socket");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (connect(fd, (const struct sockaddr *)&server, sizeof(server)) == 0)
			return fd;
		close(fd);
		nanosleep(&pause, NULL);
	}
}

static void say_ready(void)
{
	static int said;

	if (said++)
		return;
	printf("ready\n");
	fflush(stdout);
}

/* Drop what has come within the time.  0: the connection is closed. */
static int drain(int fd, int wait_ms)
{
	char sink[4096];
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	while (poll(&poller, 1, wait_ms) > 0) {
		if (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) <= 0)
			return 0;
		wait_ms = 0;
	}
	return 1;
}

/* A send that fails needs no look: drain tells that the connection is gone. */
static void half(int fd)
{
	send(fd, bad, HALF, MSG_NOSIGNAL);
	say_ready();
	while (drain(fd, -1))
		;
}

static void drip(int fd)
{
	unsigned at = 0;

	do {
		send(fd, large + at, HALF, MSG_NOSIGNAL);
		say_ready();
		at = HALF - at;
	} while (drain(fd, DRIP_MS));
}

/* At work once all buffers are full: until then it costs no more than any client. */
static void never(int fd)
{
	uint8_t batch[BATCH * REQUEST];
	struct pollfd poller = { .fd = fd, .events = POLLOUT };
	ssize_t sent = 0;

	for (unsigned i = 0; i < BATCH; i++)
		memcpy(batch + i * REQUEST, large, REQUEST);
	for (size_t at = 0; sent >= 0 || errno == EAGAIN; at = (at + (size_t)(sent > 0 ? sent : 0)) % sizeof(batch)) {
		if (poll(&poller, 1, FULL_MS) == 0)
			say_ready();
		sent = send(fd, batch + at, sizeof(batch) - at, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	say_ready();
}

static void quantity(int fd)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	do {
		send(fd, bad, REQUEST, MSG_NOSIGNAL | MSG_DONTWAIT);
		say_ready();
		next.tv_nsec += BAD_MS * 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	} while (drain(fd, 0));
}

static const struct { const char *name, *what; void (*play)(int fd); } kinds[] = {
	{ "half", "sends half a frame and stays", half },
	{ "drip", "sends half a frame every 0.5 s", drip },
	{ "never", "requests and never reads a reply", never },
	{ "quantity", "asks for 126 registers 1,000 times a second", quantity },
};

int main(int argc, char **argv)
{
	unsigned count = sizeof(kinds) / sizeof(*kinds), kind = 0;

	while (argc == 3 && kind < count && strcmp(argv[1], kinds[kind].name) != 0)
		kind++;
	if (argc != 3 || kind == count) {
		fprintf(stderr, "usage: hostile KIND PORT (on 127.0.0.1)\n");
		for (kind = 0; kind < count; kind++)
			fprintf(stderr, "  %-10s%s\n", kinds[kind].name, kinds[kind].what);
		return 2;
	}
	server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (;;) {
		int fd = connect_server();
		kinds[kind].play(fd);
		close(fd);
	}
}
