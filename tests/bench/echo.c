/* echo: the fastest server that there can be for requests and replies of given sizes: a bare epoll
 * loop that looks at nothing. One thread, level triggered, one recv and one send an event.  It
 * copies the transaction id and puts a fixed reply behind it, so that the same generator can check
 * it.
 *
 *   echo REQUEST_BYTES REPLY_BYTES      prints "ready PORT" */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 64, BUFFER = 32768, HEAD = 8, ADU_MAX = 260 };

struct connection {
	int fd;
	size_t have;
	uint8_t input[BUFFER];
};

static size_t request_size, reply_size;
static uint8_t reply[ADU_MAX], output[BUFFER * 32];

static int listen_loopback(void)
{
	int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1024) != 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		err(1, "listen");
	printf("ready %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void accept_one(int listener, int epoll)
{
	struct connection *connection = malloc(sizeof(*connection));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
	int on = 1;
	if (!connection)
		err(1, "memory");
	connection->have = 0;
	connection->fd = accept(listener, NULL, NULL);
	if (connection->fd < 0) {
		free(connection);
		return;
	}
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		err(1, "epoll_ctl");
}

/* Answer the complete requests in the input; bytes of output.  The reply carries the request's
 * function and, where both are that long, its address and value: what the writing functions echo.
 */
static size_t answer(struct connection *connection)
{
	size_t at = 0, out = 0;
	for (; connection->have - at >= request_size; at += request_size, out += reply_size) {
		memcpy(output + out, reply, reply_size);
		memcpy(output + out, connection->input + at, 2);
		memcpy(output + out + 6, connection->input + at + 6, 2);
	}
	connection->have -= at;
	memmove(connection->input, connection->input + at, connection->have);
	return out;
}

static void serve(struct connection *connection)
{
	ssize_t got = recv(connection->fd, connection->input + connection->have,
			   BUFFER - connection->have, MSG_DONTWAIT);
	size_t size = 0;
	if (got > 0) {
		connection->have += (size_t)got;
		size = answer(connection);
	}
	if (got <= 0 ||
	    (size && send(connection->fd, output, size, MSG_NOSIGNAL) != (ssize_t)size)) {
		close(connection->fd);
		free(connection);
	}
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };
	int epoll = epoll_create1(0), listener;
	request_size = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	reply_size = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	if (request_size < HEAD || request_size > ADU_MAX || reply_size < HEAD ||
	    reply_size > ADU_MAX)
		errx(2, "usage: echo REQUEST_BYTES REPLY_BYTES");
	reply[5] = (uint8_t)(reply_size - 6);
	listener = listen_loopback();
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		err(1, "epoll");
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < ready; i++) {
			if (events[i].data.ptr)
				serve(events[i].data.ptr);
			else
				accept_one(listener, epoll);
		}
	}
}
