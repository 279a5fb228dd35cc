/* What carries a connection's bytes: a table of operations.  Plain sockets are the only transport
 * so far (tcp.h).
 *
 * All calls are those of the worker that has the connection; none blocks.  A transport may need
 * more than one turn before bytes flow (a handshake), and may know who the peer is (a role): both
 * belong into struct channel when one comes. */
#ifndef MBSERVERD_TRANSPORT_H
#define MBSERVERD_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One end of a connection. */
struct channel {
	const struct transport *transport;
	int fd; /* non-blocking; what epoll watches */
};

enum direction { CHANNEL_RECEIVE, CHANNEL_SEND };

struct transport {
	/* Receive 1..room bytes.  Their number; 0: the peer has ended; -EAGAIN: none now; another
	 * -errno: the connection is lost. */
	ssize_t (*receive)(struct channel *channel, uint8_t *bytes, size_t room);

	/* Send the first of count (1..) bytes.  The number taken; -EAGAIN: none now; another
	 * -errno: the connection is lost. */
	ssize_t (*send)(struct channel *channel, const uint8_t *bytes, size_t count);

	/* What to watch for after -EAGAIN in that direction: EPOLL... of epoll_ctl(2).  Asked when
	 * the connection begins to wait. */
	uint32_t (*events)(const struct channel *channel, enum direction direction);

	/* Tell the peer that no more bytes follow.  It may still send. */
	void (*shut)(struct channel *channel);

	/* Close fd and free what the transport has.  The channel is not used again. */
	void (*close)(struct channel *channel);
};

#endif
