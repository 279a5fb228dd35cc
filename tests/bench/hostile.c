/* hostile: clients that a server has to put up with, until they are killed.  Thrown out, they come
 * back.  One thread, paced but for the flood: it deals with one connection at a time, so that it
 * costs next to no CPU and the server's trouble is not the load's.
 *
 * They come from 127.0.0.2, the honest from 127.0.0.1.
 *
 *   hostile KIND PORT [CONNECTIONS]      KIND: a row of the table below; prints "ready CONNECTIONS"
 * once all are at work */
#include "bench.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	REQUEST = 12,
	HALF = 6,
	BATCH = 100,
	FULL_MS = 100,
	CONNECT_S = 1,
	CONNECTIONS_MAX = 20000,
	BUFFER_BYTES = 4096, /* so what the kernel keeps is nearly all of the server's side */
};

struct peer {
	int fd;         /* -1: not connected */
	unsigned turns; /* since it was connected */
	unsigned at;    /* in what it sends again and again */
};

/* Function 3 on unit 255: the most that the bench's plants have; and one register more than there
 * can be in a request. */
static const uint8_t largest[REQUEST] = { 0, 1, 0, 0, 0, 6, 0xFF, 3, 0x03, 0xE8, 0, 100 };
static const uint8_t bad[REQUEST] = { 0, 1, 0, 0, 0, 6, 0xFF, 3, 0x03, 0xE8, 0, 126 };

static struct sockaddr_in server = { .sin_family = AF_INET }, own = { .sin_family = AF_INET };

/* ---- one turn of each kind; true: this connection is at work ------------------------------- */

/* A send that fails needs no look: the connection is found closed before its next turn. */
static void say(const struct peer *peer, const void *bytes, size_t count)
{
	send(peer->fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool silent(struct peer *peer)
{
	(void)peer;
	return true;
}

static bool half(struct peer *peer)
{
	if (peer->turns == 0)
		say(peer, bad, HALF);
	return true;
}

static bool drip(struct peer *peer)
{
	say(peer, largest + peer->turns % REQUEST, 1);
	return true;
}

/* At work once all buffers are full: until then it costs no less than any client. */
static bool deaf(struct peer *peer)
{
	uint8_t batch[BATCH * REQUEST];
	ssize_t sent;
	bool full = true;
	for (unsigned i = 0; i < BATCH; i++)
		memcpy(batch + (size_t)i * REQUEST, largest, REQUEST);
	while ((sent = send(peer->fd, batch + peer->at, sizeof(batch) - peer->at,
			    MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
		peer->at = (peer->at + (unsigned)sent) % sizeof(batch);
		full = false;
	}
	if (errno == EAGAIN)
		return full;
	close(peer->fd);
	peer->fd = -1;
	return true;
}

static bool length(struct peer *peer)
{
	static const uint8_t lengths[][2] = { { 0, 0 }, { 0, 1 }, { 0, 255 }, { 0xFF, 0xFF } };
	static unsigned which;
	uint8_t request[REQUEST];
	memcpy(request, largest, REQUEST);
	memcpy(request + 4, lengths[which++ % 4], 2);
	say(peer, request, REQUEST);
	return true;
}

static bool protocol(struct peer *peer)
{
	uint8_t request[REQUEST];
	memcpy(request, largest, REQUEST);
	request[3] = 1;
	say(peer, request, REQUEST);
	return true;
}

/* Two at a time: half as many turns. */
static bool quantity(struct peer *peer)
{
	uint8_t two[2 * REQUEST];
	memcpy(two, bad, REQUEST);
	memcpy(two + REQUEST, bad, REQUEST);
	say(peer, two, sizeof(two));
	return true;
}

/* Connected for this turn, and gone: in turns orderly and by a reset. */
static bool come_and_go(struct peer *peer)
{
	static unsigned turns;
	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = turns++ % 2 },
		   sizeof(struct linger));
	close(peer->fd);
	peer->fd = -1;
	return true;
}

static const struct kind {
	const char *name, *what;
	bool (*turn)(struct peer *peer);
	unsigned connections, period_us; /* of one connection's turn after another's; 0: at once */
	bool reads; /* takes what comes, and so notices when it is thrown out; the others notice
		       when they send */
} kinds[] = {
	{ "half", "send half a frame and stay", half, 100, 10000, true },
	{ "drip", "send one byte every 400 ms", drip, 50, 8000, true },
	{ "deaf", "request the largest replies and never read one", deaf, 8, 10000, false },
	{ "length", "send a bad length, 50 a second", length, 4, 20000, true },
	{ "protocol", "send a bad protocol id, 50 a second", protocol, 4, 20000, true },
	{ "quantity", "ask for 126 registers, 1,000 times a second", quantity, 4, 2000, true },
	{ "comego", "connect and disconnect, 100 times a second", come_and_go, 1, 10000, true },
	{ "silent", "connect and say nothing", silent, 1000, 10000, true },
	{ "flood", "connect again at once when they are thrown out", silent, 2000, 0, true },
};
enum { KINDS = sizeof(kinds) / sizeof(*kinds) };

/* ---- connections --------------------------------------------------------------------------- */

/* Killed, it resets: 10,000 orderly ends would use up the ports. */
static void peer_connect(struct peer *peer)
{
	const struct timeval limit = { .tv_sec = CONNECT_S }; /* of connect, too: socket(7) */
	int on = 1, bytes = BUFFER_BYTES;
	peer->turns = peer->at = 0;
	peer->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (peer->fd < 0)
		err(1, "socket");
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 },
		   sizeof(struct linger));
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(peer->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(peer->fd, (const struct sockaddr *)&own, sizeof(own)) != 0 ||
	    connect(peer->fd, (const struct sockaddr *)&server, sizeof(server)) != 0) {
		close(peer->fd);
		peer->fd = -1;
	}
}

/* Drop what has come.  Closed by the server: connect anew. */
static void peer_check(const struct kind *kind, struct peer *peer)
{
	char sink[4096];
	ssize_t got = 1;
	if (peer->fd >= 0) {
		while (kind->reads && got > 0)
			got = recv(peer->fd, sink, sizeof(sink), MSG_DONTWAIT);
		if (!kind->reads || (got < 0 && errno == EAGAIN))
			return;
		close(peer->fd);
	}
	peer_connect(peer);
}

static bool peer_turn(const struct kind *kind, struct peer *peer)
{
	peer_check(kind, peer);
	if (peer->fd < 0)
		return true; /* the server does not accept: its trouble */
	bool at_work = kind->turn(peer);
	peer->turns++;
	return at_work;
}

/* As fast as it goes, until all are at work. */
static void start(const struct kind *kind, struct peer *peers, unsigned count)
{
	unsigned others;
	do {
		others = 0;
		for (unsigned i = 0; i < count; i++)
			others += !peer_turn(kind, &peers[i]);
		if (others != 0) /* the server may take more meanwhile */
			usleep(FULL_MS * 1000);
	} while (others != 0);
}

static _Noreturn void play(const struct kind *kind, unsigned count)
{
	struct peer *peers = calloc(count, sizeof(*peers));
	if (!peers)
		err(1, "memory");
	for (unsigned i = 0; i < count; i++)
		peers[i].fd = -1;
	start(kind, peers, count);
	printf("ready %u\n", count);
	fflush(stdout);
	int64_t next = now_ns();
	for (unsigned i = 0;; i = (i + 1) % count) {
		if (kind->period_us != 0)
			pace(&next, kind->period_us * INT64_C(1000));
		peer_turn(kind, &peers[i]);
	}
}

int main(int argc, char **argv)
{
	unsigned kind = 0, count;
	struct rlimit files;
	while (argc >= 3 && kind < KINDS && strcmp(argv[1], kinds[kind].name) != 0)
		kind++;
	count = argc == 4      ? (unsigned)strtoul(argv[3], NULL, 10)
		: kind < KINDS ? kinds[kind].connections
			       : 0;
	if (argc < 3 || argc > 4 || kind == KINDS || count == 0 || count > CONNECTIONS_MAX) {
		fprintf(stderr, "usage: hostile KIND PORT [CONNECTIONS] (on 127.0.0.1)\n");
		for (kind = 0; kind < KINDS; kind++)
			fprintf(stderr, "  %-10s%u that %s\n", kinds[kind].name,
				kinds[kind].connections, kinds[kind].what);
		return 2;
	}
	server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	play(&kinds[kind], count);
}
