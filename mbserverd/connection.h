/* One client: bytes in, answers out.  A connection belongs to one worker, whose thread makes all
 * calls; it knows its transport, but not how the worker waits (roster.h).
 *
 * An idle connection has no buffers.  It holds input only while it waits: for the rest of an ADU,
 * for room to send, or for the writer lock; at most one ADU and one receive (ADU_MAX +
 * RECEIVE_BYTES).  While it waits for room or the lock, nothing more is received. */
#ifndef MBSERVERD_CONNECTION_H
#define MBSERVERD_CONNECTION_H

#include "mbserverd/execution.h"
#include "mbserverd/transport.h"
#include "modbus/mbap.h"

#include <stdbool.h>
#include <sys/queue.h>

struct host;

enum {
	RECEIVE_BYTES = 2048, /* at most, of one receive */
	OUTPUT_BYTES = 16384, /* answers gathered for one send */
	/* A worker spins this long for the writer lock; it never sleeps on it. */
	LOCK_WAIT_US = 20,
	/* The same while writes are parked, each millisecond: some 20 publishes of a busy writer.
	 */
	LOCK_RETRY_US = 2,
	/* A request that was received this long ago and is still parked is answered with exception
	 * 06, or 04 if its image is gone: all that came with it wait no longer together. */
	PATIENCE_MS = 50,
	/* Frames of another protocol; with this one the connection is closed. */
	FOREIGN_MAX = 3,
	ODD_SHOWN = 16, /* bytes of what is not Modbus */
};

/* What all connections of a worker work with, one after the other. */
struct workspace {
	/* lock_wait_us: 0 once the lock was busy; set again each millisecond. */
	struct execution execution;
	bool stopping;       /* answer what has been received, then shut */
	bool replaced;       /* an image was replaced or has to be: the main thread is to look */
	size_t held_bytes;   /* allocated by the connections, together */
	size_t output_bytes; /* of the connection at work; 0 between two */
	uint8_t input[ADU_MAX + RECEIVE_BYTES];
	uint8_t output[OUTPUT_BYTES];
};

/* What a connection waits for. */
enum connection_state {
	CONNECTION_INPUT,
	CONNECTION_REST,   /* of a frame whose beginning is held */
	CONNECTION_OUTPUT, /* room to send: the peer does not read fast enough */
	CONNECTION_PARKED, /* the writer lock, or another image, for the first ADU held */
	CONNECTION_OVER,   /* nothing: free it; end says why */
	CONNECTION_STATES = CONNECTION_OVER
};

/* Why it is over. */
enum connection_end {
	/* found by the connection */
	END_PEER,
	END_LOST,
	END_BROKEN,
	END_MEMORY,

	/* decided by the worker */
	END_REFUSED,
	END_EVICTED,
	END_LIMITED,
	END_IDLE,
	END_LATE,
	END_STALLED,
	END_STOP,
	ENDS
};

/* Bytes kept in an allocation of just that size. */
struct held {
	uint8_t *data; /* NULL: none */
	size_t bytes;
};

/* The first bytes that are no request. */
struct odd {
	uint8_t bytes[ODD_SHOWN];
	uint16_t count;    /* of all that were received; 0: none */
	const char *guess; /* what they may be instead, or NULL */
};

struct connection {
	/* set before the start */
	struct channel channel;
	struct host *host; /* counted there; NULL: released already */

	/* the worker's, by the policy of the turn */
	struct client client; /* .line is the connection's */
	bool traced;          /* frames go to the log */
	bool kept;            /* closed neither to make room nor for being idle */

	/* the roster's */
	enum connection_state state; /* what the worker waits for */
	int64_t since_ms;            /* since when */
	int64_t used_ms;             /* last use */
	TAILQ_ENTRY(connection) by_use, waiting;

	/* the connection's */
	enum connection_end end; /* CONNECTION_OVER */
	uint8_t foreign;         /* frames of another protocol so far */
	struct odd odd;
	bool shut;           /* our side has ended; what still comes is thrown away */
	bool parked;         /* the first ADU held is to be asked again */
	int64_t frame_ms;    /* CONNECTION_REST: when the frame's first byte came */
	bool more;           /* the last receive was full */
	int64_t received_ms; /* when what is held came */
	struct held input, output;
	uint16_t rest_bytes;
	uint8_t rest[ADU_MAX]; /* held input that is less than an ADU: usually no allocation */
};

TAILQ_HEAD(connection_list, connection);

/* Any thread.  Takes fd (non-blocking).  host: counted by the caller (host_count).
 * NULL: out of memory, fd is still the caller's. */
struct connection *connection_new(int fd, const struct mbshm_origin *peer, struct host *host);

/* The connection is over, and what it has received of a frame is no request: keep that as odd, if
 * nothing was before. */
void connection_note_rest(struct connection *connection);

/* Close it, and free what it holds; then free(3) it.  Its host is the caller's to release.
 * workspace: NULL is allowed for one that no worker has had. */
void connection_close(struct workspace *workspace, struct connection *connection);

/* What the connection waited for may be there: receive and answer; send what is held and answer
 * the rest; try the lock again.  Returns what it waits for now. */
enum connection_state connection_input(struct workspace *workspace, struct connection *connection);
enum connection_state connection_output(struct workspace *workspace, struct connection *connection);
enum connection_state connection_retry(struct workspace *workspace, struct connection *connection);

#endif
