/* One client: bytes in, answers out.  Belongs to one worker; knows sockets but not how the worker
 * waits for them.
 *
 * An idle connection owns no buffers.  It keeps unparsed input only behind something it waits for:
 * the rest of one ADU, room to send, or the writer lock; at most one ADU and one receive.  While it
 * waits for room or the lock it is not read from. */
#ifndef MBSERVERD_CONNECTION_H
#define MBSERVERD_CONNECTION_H

#include "mbserverd/execute.h"
#include "mbserverd/transport.h"
#include "modbus/mbap.h"

#include <sys/queue.h>

enum {
	RECEIVE_BYTES = 2048, /* of one recv */
	OUTPUT_BYTES = 16384, /* answers gathered for one send */
	LOCK_WAIT_US = 20, /* a worker spins this long for the writer lock; it never sleeps on it */
	LOCK_RETRY_US = 2, /* each millisecond, while writes are parked: some 20 publishes of a busy
			      writer */
	LOCK_PATIENCE_MS = 50, /* then the client is told exception 06 */
	FOREIGN_MAX = 3,       /* frames of another protocol before the connection is closed */
};

/* What all connections of a worker work with, one after the other. */
struct workspace {
	struct execution execution; /* lock_wait_us: 0 once the lock was busy; granted anew each
				       millisecond */
	bool stopping;              /* answer what has been received, then shut down */
	size_t held_bytes;          /* that connections have allocated */
	size_t output_bytes;
	uint8_t input[ADU_MAX + RECEIVE_BYTES];
	uint8_t output[OUTPUT_BYTES];
};

/* What a connection waits for. */
enum connection_state {
	CONNECTION_INPUT,
	CONNECTION_REST,   /* of a frame whose beginning is here */
	CONNECTION_OUTPUT, /* its peer does not read fast enough */
	CONNECTION_LOCK,   /* a write was not done yet: another writer */
	CONNECTION_OVER,   /* nothing: free it */
	CONNECTION_STATES = CONNECTION_OVER
};

/* Why it is over. */
enum connection_end {
	END_PEER,
	END_LOST,
	END_BROKEN,
	END_MEMORY, /* said by connection_... */
	END_REFUSED,
	END_EVICTED,
	END_IDLE,
	END_LATE,
	END_STALLED,
	END_STOP, /* the worker's reasons */
	ENDS
};

struct held {
	uint8_t *data; /* NULL: nothing */
	size_t bytes;
};

struct connection {
	struct channel channel;
	enum connection_state state; /* the worker's */
	enum connection_end end;     /* of one that is over */
	uint8_t foreign;             /* frames of another protocol so far */
	bool shut;   /* our side has said its last; what still comes is thrown away */
	bool traced; /* its frames go to the log */
	bool kept;   /* the worker's: closed neither to make room nor for being idle */
	uint16_t rest_bytes;
	int64_t busy_since_ms; /* since when the first ADU held waits for the lock; 0: it does not
				*/
	int64_t since_ms; /* since when it is in this state; REST: when the frame's first byte came
			   */
	struct held input, output;
	struct client client;
	struct address *address; /* counted there (address.h); NULL: nowhere */

	int64_t used_ms; /* the worker's */
	TAILQ_ENTRY(connection) by_use, waiting;
	uint8_t rest[ADU_MAX]; /* input that is held and is less than an ADU: no allocation for the
				  usual */
};

TAILQ_HEAD(connection_list, connection);

/* Takes fd (non-blocking).  address: NULL or one that has been counted up for it.
 * NULL: no memory, both are still the caller's. */
struct connection *connection_new(int fd, const struct mbshm_origin *peer, struct address *address);
void connection_free(struct workspace *workspace, struct connection *connection);

/* What it waited for may be there.  Each returns what it waits for now. */
enum connection_state connection_input(struct workspace *workspace, struct connection *connection);
enum connection_state connection_output(struct workspace *workspace, struct connection *connection);
enum connection_state connection_retry(struct workspace *workspace, struct connection *connection);

#endif
