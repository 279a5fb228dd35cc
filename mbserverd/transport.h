/* What carries a connection's bytes: an operations table, and plain TCP as its only entry so far.
 *
 * A transport may need more than one turn before bytes flow (a handshake), and may know who the
 * peer is (a role): both have their place in struct channel when one comes. */
#ifndef MBSERVERD_TRANSPORT_H
#define MBSERVERD_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One end of a connection: non-blocking, one worker's. */
struct channel {
	const struct transport *transport;
	int fd; /* what to wait for in epoll */
};

struct transport {
	const char *name;
	/* Bytes, 0: the peer has ended, -EAGAIN: none now, or another -errno: lost. */
	ssize_t (*receive)(struct channel *channel, uint8_t *bytes, size_t room);
	/* Bytes taken, -EAGAIN: none now, or another -errno: lost. */
	ssize_t (*send)(struct channel *channel, const uint8_t *bytes, size_t count);
	/* Our side ends; the peer's may still send. */
	void (*shut)(struct channel *channel);
	void (*close)(struct channel *channel);
};

extern const struct transport transport_tcp; /* a stream socket: TCP, unix */

#endif
