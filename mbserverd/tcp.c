/* The transport of plain stream sockets. */
#include "mbserverd/tcp.h"

#include "mbserverd/transport.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the kernel answered; interrupted is as good as not yet. */
static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EINTR ? -EAGAIN : -errno;
}

/* Not recv and send: they are cancellation points, for which the C library spends two locked
 * instructions on each call, and no thread here is ever cancelled. */
static ssize_t tcp_receive(struct channel *channel, uint8_t *bytes, size_t room)
{
	return result(syscall(SYS_recvfrom, channel->fd, bytes, room, 0, NULL, NULL));
}

static ssize_t tcp_send(struct channel *channel, const uint8_t *bytes, size_t count)
{
	return result(syscall(SYS_sendto, channel->fd, bytes, count, MSG_NOSIGNAL, NULL, 0));
}

static uint32_t tcp_events(const struct channel *channel, enum direction direction)
{
	(void)channel;
	return direction == CHANNEL_SEND ? EPOLLOUT : EPOLLIN;
}

static void tcp_shut(struct channel *channel)
{
	shutdown(channel->fd, SHUT_WR);
}

static void tcp_close(struct channel *channel)
{
	close(channel->fd);
}

const struct transport tcp_transport = {
	.receive = tcp_receive,
	.send = tcp_send,
	.events = tcp_events,
	.shut = tcp_shut,
	.close = tcp_close,
};
