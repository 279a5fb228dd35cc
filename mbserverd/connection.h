/* One client: bytes in, answers out.  Belongs to one worker; knows sockets but not how the worker waits for them.
 *
 * An idle connection owns no buffers.  It keeps unparsed input only behind something it waits for: the rest of one ADU, room to
 * send, or the writer lock; at most one ADU and one receive.  While it waits for room or the lock it is not read from. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include "policy.h"
#include "protocol.h"

#include <sys/queue.h>

enum {
	RECEIVE_BYTES = 2048,		/* of one recv */
	OUTPUT_BYTES = 16384,		/* answers gathered for one send */
	LOCK_WAIT_US = 20,		/* a worker spins this long for the writer lock; it never sleeps on it */
	LOCK_PATIENCE_MS = 50,		/* then the client is told exception 06 */
	FOREIGN_MAX = 3,		/* frames of another protocol before the connection is closed */
};

/* What all connections of a worker work with, one after the other. */
struct bench {
	const struct policy *policy;	/* of this turn */
	struct mbshm_txn *txn;
	uint32_t lock_wait_us;		/* 0 once the lock was busy: the worker grants LOCK_WAIT_US anew each millisecond */
	bool stopping;			/* answer what has been received, then shut down */
	size_t output_bytes;
	uint8_t input[ADU_MAX + RECEIVE_BYTES];
	uint8_t output[OUTPUT_BYTES];
};

/* What a connection waits for. */
enum connection_state {
	CONNECTION_INPUT,
	CONNECTION_OUTPUT,	/* its peer does not read fast enough */
	CONNECTION_LOCK,	/* a write was not done yet: another writer */
	CONNECTION_OVER,	/* nothing: free it */
};

struct held {
	uint8_t *data;		/* NULL: nothing */
	size_t bytes;
};

struct connection {
	int fd;
	enum connection_state state;		/* the worker's */
	uint8_t foreign;			/* frames of another protocol so far */
	bool shut;				/* our side has said its last; what still comes is thrown away */
	int64_t busy_since_ms;			/* since when the first ADU held waits for the lock; 0: it does not */
	struct held input, output;

	int64_t used_ms;			/* the worker's */
	TAILQ_ENTRY(connection) by_use, by_lock;
};

TAILQ_HEAD(connection_list, connection);

/* Takes fd (non-blocking).  NULL: no memory, fd is still the caller's. */
struct connection *connection_new(int fd);
void connection_free(struct connection *connection);

/* What it waited for may be there.  Each returns what it waits for now. */
enum connection_state connection_input(struct bench *bench, struct connection *connection);
enum connection_state connection_output(struct bench *bench, struct connection *connection);
enum connection_state connection_retry(struct bench *bench, struct connection *connection);

#endif
