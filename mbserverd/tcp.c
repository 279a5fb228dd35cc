/* The transport of plain stream sockets. */
#include "mbserverd/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel's answer; interrupted is as good as not yet. */
static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

static ssize_t tcp_receive(struct channel *channel, uint8_t *bytes, size_t room)
{
	return result(recv(channel->fd, bytes, room, 0));
}

static ssize_t tcp_send(struct channel *channel, const uint8_t *bytes, size_t count)
{
	return result(send(channel->fd, bytes, count, MSG_NOSIGNAL));
}

static void tcp_shut(struct channel *channel)
{
	shutdown(channel->fd, SHUT_WR);
}

static void tcp_close(struct channel *channel)
{
	close(channel->fd);
}

const struct transport transport_tcp = { "tcp", tcp_receive, tcp_send, tcp_shut, tcp_close };
