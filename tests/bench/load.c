/* load: a Modbus TCP load generator.  C connections with D requests in flight each, one thread over
 * epoll, one recv and one send an event, requests built beforehand: it has to cost less than the
 * server it measures.
 *
 * Every reply is checked: transaction id, protocol, length, unit and function; an exception or a
 * lost connection is an error.  It ends when its time is over, also when the server has stalled.
 * One line on stdout, "name=value" pairs: see report(). */
#include "bench.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 10000,
	DEPTH_MAX = 64,
	RING = 256, /* distinct transaction ids; more than are in flight */
	ADU_MAX = 260,
	UNIT = 0xFF, /* the device itself: Messaging Guide V1.0b, 4.4.2 */
	EVENTS = 64,
	TICK_MS = 10, /* how late the end may be noticed when nothing arrives */
	CONNECT_S = 2,
	FINE = 64, /* buckets per power of two: latencies are known to 1.6 % */
};

/* How the functions look on the wire: an MBAP header and a function code, then these. */
static const struct shape {
	uint16_t quantity_max; /* 0: the function carries one value instead of a quantity */
	bool bits;             /* packed eight to a byte */
	bool writes; /* quantity, byte count and data in the request; otherwise in the reply */
} shapes[] = {
	[1] = { .quantity_max = 2000, .bits = true },
	[2] = { .quantity_max = 2000, .bits = true },
	[3] = { .quantity_max = 125 },
	[4] = { .quantity_max = 125 },
	[5] = { .writes = true },
	[6] = { .writes = true },
	[15] = { .quantity_max = 1968, .bits = true, .writes = true },
	[16] = { .quantity_max = 123, .writes = true },
};
enum { SHAPES = sizeof(shapes) / sizeof(*shapes) };

struct connection {
	int fd;                     /* -1: lost */
	uint32_t sent, received;    /* requests, replies */
	unsigned have;              /* bytes of unparsed input */
	uint8_t *input;             /* room for all replies in flight */
	int64_t sent_ns[DEPTH_MAX]; /* of request i at i % depth */
};

static unsigned connection_count = 16, depth = 1, function = 3, address = 1000, quantity = 10,
		duration_ms = 2000;

static struct connection *connections;
static uint8_t *requests; /* RING + DEPTH_MAX of them, so that any run of them is one send */
static unsigned request_size, reply_size;
static uint64_t reply_head[RING]; /* first eight bytes of the reply that is expected */
static uint64_t histogram[FINE * 64];
static uint64_t replies, errors, exceptions;
static unsigned last_exception; /* its code */
static int64_t worst_ns;

static void put16(uint8_t *out, unsigned value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

/* ---- requests, and what is expected for them ----------------------------------------------- */

static void write_head(uint8_t *out, unsigned transaction, unsigned size)
{
	put16(out, transaction);
	put16(out + 2, 0);
	put16(out + 4, size - 6);
	out[6] = UNIT;
	out[7] = (uint8_t)function;
}

static void build_requests(void)
{
	const struct shape *shape = &shapes[function];
	unsigned data = shape->bits ? (quantity + 7) / 8 : 2 * quantity;
	bool multiple = shape->writes && shape->quantity_max;
	request_size = multiple ? 13 + data : 12;
	reply_size = shape->writes ? 12 : 9 + data;
	requests = calloc(RING + DEPTH_MAX, request_size);
	if (!requests)
		err(1, "memory");
	for (unsigned i = 0; i < RING + DEPTH_MAX; i++) {
		uint8_t *request = requests + (size_t)i * request_size, reply[8];
		write_head(request, i % RING, request_size);
		put16(request + 8, address);
		put16(request + 10, shape->quantity_max ? quantity
				    : function == 5     ? (i % 2 ? 0xFF00 : 0)
							: i);
		if (multiple) {
			request[12] = (uint8_t)data;
			memset(request + 13, (int)i, data);
		}
		write_head(reply, i % RING, reply_size);
		memcpy(&reply_head[i % RING], reply, sizeof(reply));
	}
}

/* ---- latencies ----------------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t ns)
{
	if (ns < FINE)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - 6;
	return (shift + 1) * FINE + (unsigned)(ns >> shift) - FINE;
}

static void note_latency(int64_t ns)
{
	histogram[bucket_of((uint64_t)ns)]++;
	if (ns > worst_ns)
		worst_ns = ns;
}

static double quantile_us(double part)
{
	uint64_t seen = 0;
	for (unsigned i = 0; i < FINE * 64; i++) {
		seen += histogram[i];
		if (seen && seen >= part * (double)replies)
			return (i < FINE
					? i
					: (double)((uint64_t)(FINE + i % FINE) << (i / FINE - 1))) /
			       1e3;
	}
	return 0;
}

/* ---- connections --------------------------------------------------------------------------- */

static void connection_lose(struct connection *connection)
{
	errors++;
	close(connection->fd);
	connection->fd = -1;
}

/* At most depth requests are in flight, so the socket always has room for them: a short send means
 * that the connection is gone. */
static void send_requests(struct connection *connection, unsigned count, int64_t now)
{
	size_t size = (size_t)count * request_size;
	const uint8_t *start = requests + (size_t)(connection->sent % RING) * request_size;
	for (unsigned i = 0; i < count; i++)
		connection->sent_ns[connection->sent++ % depth] = now;
	if (send(connection->fd, start, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
		connection_lose(connection);
}

/* Bytes of the reply at the head of the input, 0 when it is not complete. */
static unsigned reply_complete(const uint8_t *input, unsigned have)
{
	if (have < 6)
		return 0;
	unsigned size = 6 + (unsigned)(input[4] << 8 | input[5]);
	return size <= have ? size : 0;
}

static void take_reply(struct connection *connection, const uint8_t *input, int64_t now)
{
	uint64_t head;
	memcpy(&head, input, sizeof(head));
	errors += head != reply_head[connection->received % RING];
	if (input[7] == (function | 0x80)) {
		exceptions++;
		last_exception = input[8];
	}
	note_latency(now - connection->sent_ns[connection->received++ % depth]);
	replies++;
}

static void take_replies(struct connection *connection)
{
	unsigned room = depth * ADU_MAX - connection->have, at = 0, size, count = 0;
	ssize_t got =
		recv(connection->fd, connection->input + connection->have, room, MSG_DONTWAIT);
	if (got <= 0) {
		if (got == 0 || errno != EAGAIN)
			connection_lose(connection);
		return;
	}
	int64_t now = now_ns();
	connection->have += (unsigned)got;
	while ((size = reply_complete(connection->input + at, connection->have - at))) {
		if (size < 9 || size > ADU_MAX || connection->received == connection->sent) {
			connection_lose(connection);
			return;
		}
		take_reply(connection, connection->input + at, now);
		at += size;
		count++;
	}
	connection->have -= at;
	if (connection->have)
		memmove(connection->input, connection->input + at, connection->have);
	if (count)
		send_requests(connection, count, now);
}

static void connection_open(struct connection *connection, const struct sockaddr_in *server,
			    int epoll)
{
	int on = 1;
	struct timeval limit = { .tv_sec = CONNECT_S }; /* of connect, too: socket(7) */
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	connection->input = malloc((size_t)depth * ADU_MAX);
	connection->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!connection->input || connection->fd < 0)
		err(1, "connection");
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(connection->fd, (const struct sockaddr *)server, sizeof(*server)) != 0)
		err(1, "connect to port %u", ntohs(server->sin_port));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		err(1, "epoll_ctl");
}

static double generate(int epoll)
{
	struct epoll_event events[EVENTS];
	int64_t start = now_ns(), end = start + duration_ms * INT64_C(1000000), now;
	for (unsigned i = 0; i < connection_count; i++)
		send_requests(&connections[i], depth, now_ns());
	while ((now = now_ns()) < end) {
		int ready = epoll_wait(epoll, events, EVENTS, TICK_MS);
		for (int i = 0; i < ready; i++)
			take_replies(events[i].data.ptr);
	}
	/* What was never answered waited until now at least. */
	for (unsigned i = 0; i < connection_count; i++) {
		const struct connection *connection = &connections[i];
		if (connection->fd >= 0 &&
		    now - connection->sent_ns[connection->received % depth] > worst_ns)
			worst_ns = now - connection->sent_ns[connection->received % depth];
	}
	return (double)(now - start) / 1e9;
}

/* busy: the part of the time that the generator itself used a CPU; near 1 while the server's is
 * not, the generator is the limit. */
static void report(double seconds)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	double busy_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	printf("requests=%llu seconds=%.3f rate=%.0f p50_us=%.1f p99_us=%.1f max_us=%.1f "
	       "errors=%llu exceptions=%llu "
	       "last_exception=%u busy=%.2f\n",
	       (unsigned long long)replies, seconds, (double)replies / seconds, quantile_us(0.5),
	       quantile_us(0.99), (double)worst_ns / 1e3, (unsigned long long)errors,
	       (unsigned long long)exceptions, last_exception, busy_s / seconds);
}

/* ---- command line -------------------------------------------------------------------------- */

static const struct {
	char letter;
	unsigned *value;
	unsigned low, high;
	const char *help;
} options[] = {
	{ 'c', &connection_count, 1, CONNECTIONS_MAX, "connections" },
	{ 'd', &depth, 1, DEPTH_MAX, "requests in flight on each" },
	{ 't', &duration_ms, 1, 3600000, "duration in ms" },
	{ 'f', &function, 1, SHAPES - 1, "function: 1-6, 15, 16" },
	{ 'a', &address, 0, 65535, "first address" },
	{ 'n', &quantity, 1, 2000, "registers or bits" },
};
enum { OPTIONS = sizeof(options) / sizeof(*options) };

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: load [-c N] [-d N] [-t N] [-f N] [-a N] [-n N] PORT (on 127.0.0.1)\n");
	for (unsigned i = 0; i < OPTIONS; i++)
		fprintf(stderr, "  -%c  %s, %u..%u (%u)\n", options[i].letter, options[i].help,
			options[i].low, options[i].high, *options[i].value);
	exit(2);
}

static unsigned number(const char *text, unsigned low, unsigned high)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (end == text || *end || value < low || value > high)
		usage();
	return (unsigned)value;
}

static uint16_t parse(int argc, char **argv)
{
	int letter;
	while ((letter = getopt(argc, argv, "c:d:t:f:a:n:")) != -1) {
		unsigned i = 0;
		while (i < OPTIONS && options[i].letter != letter)
			i++;
		if (i == OPTIONS)
			usage();
		*options[i].value = number(optarg, options[i].low, options[i].high);
	}
	const struct shape *shape = &shapes[function];
	if (optind != argc - 1 || (!shape->quantity_max && !shape->writes) ||
	    (shape->quantity_max && quantity > shape->quantity_max))
		usage();
	return (uint16_t)number(argv[optind], 1, 65535);
}

int main(int argc, char **argv)
{
	struct sockaddr_in server = { .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int epoll = epoll_create1(0);
	server.sin_port = htons(parse(argc, argv));
	build_requests();
	connections = calloc(connection_count, sizeof(*connections));
	if (!connections || epoll < 0)
		err(1, "start");
	for (unsigned i = 0; i < connection_count; i++)
		connection_open(&connections[i], &server, epoll);
	report(generate(epoll));
	return 0;
}
