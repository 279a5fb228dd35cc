#include "connection.h"

#include "execute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection *connection_new(int fd)
{
	struct connection *c = calloc(1, sizeof *c);
	if (c != NULL)
		c->fd = fd;
	return c;
}

void connection_free(struct connection *c)
{
	close(c->fd);
	free(c->input.data);
	free(c->output.data);
	free(c);
}

/* Keep a copy of bytes, exactly; none: free what was kept.  bytes must not lie in held. */
static bool hold(struct held *held, const uint8_t *bytes, size_t count)
{
	if (count == 0) {
		if (held->data != NULL)
			free(held->data);
		*held = (struct held){ NULL, 0 };
		return true;
	}
	uint8_t *data = count == held->bytes ? held->data : realloc(held->data, count);
	if (data == NULL)
		return false;
	memcpy(data, bytes, count);
	*held = (struct held){ data, count };
	return true;
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Send what the bench has gathered, keep what the socket does not take.  false: the connection is lost. */
static bool flush(struct bench *bench, struct connection *c)
{
	if (bench->output_bytes == 0)
		return true;

	size_t bytes = bench->output_bytes;
	bench->output_bytes = 0;	/* whatever comes of it: the bench is the next connection's */
	ssize_t sent = send(c->fd, bench->output, bytes, MSG_NOSIGNAL);
	if (sent < 0 && !would_block())
		return false;
	if (sent < 0)
		sent = 0;
	return hold(&c->output, bench->output + sent, bytes - (size_t)sent);
}

/* Has the first ADU waited for the lock as long as a client may be kept waiting? */
static bool out_of_patience(struct connection *c)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t now_ms = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
	if (c->busy_since_ms == 0)
		c->busy_since_ms = now_ms;
	return now_ms - c->busy_since_ms >= LOCK_PATIENCE_MS;
}

/* false: not yet, the writer lock is busy. */
static bool answer(struct bench *bench, struct connection *c, const uint8_t *adu, size_t bytes)
{
	uint8_t *out = bench->output + bench->output_bytes;
	int out_bytes = execute(bench->policy, bench->txn, bench->lock_wait_us, adu, bytes, out);
	if (out_bytes == EXECUTE_BUSY) {
		bench->lock_wait_us = 0;	/* the next ones need not wait for the same lock */
		if (!out_of_patience(c))
			return false;
		out_bytes = (int)answer_exception(adu, out, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY);
	}
	c->busy_since_ms = 0;
	bench->output_bytes += (size_t)out_bytes;
	return true;
}

/* Answer the ADUs among the first len bytes of the bench's input, as long as there is room to answer.  *used: the bytes that are
 * dealt with.  false: the connection is to be closed. */
static bool answer_all(struct bench *bench, struct connection *c, size_t len, size_t *used)
{
	for (;;) {
		if (OUTPUT_BYTES - bench->output_bytes < ADU_MAX && !flush(bench, c))
			return false;
		if (c->output.data != NULL)
			return true;

		const uint8_t *bytes = bench->input + *used;
		struct frame frame = frame_next(bytes, len - *used);
		switch (frame.kind) {
		case FRAME_PARTIAL:
			return true;
		case FRAME_BROKEN:
			return false;
		case FRAME_FOREIGN:
			if (++c->foreign == FOREIGN_MAX)
				return false;
			break;
		case FRAME_ADU:
			if (!answer(bench, c, bytes, frame.bytes))
				return true;
			break;
		}
		*used += frame.bytes;
	}
}

/* Deal with the first len bytes of the bench's input. */
static enum connection_state serve(struct bench *bench, struct connection *c, size_t len)
{
	size_t used = 0;
	bool open = answer_all(bench, c, len, &used);
	if (!flush(bench, c) || !open || !hold(&c->input, bench->input + used, len - used))
		return CONNECTION_OVER;
	if (c->output.data != NULL)
		return CONNECTION_OUTPUT;
	if (c->busy_since_ms != 0)
		return CONNECTION_LOCK;
	if (c->shut)
		shutdown(c->fd, SHUT_WR);
	return CONNECTION_INPUT;
}

/* Put the input held in front of the bench's; its bytes. */
static size_t unhold(struct bench *bench, const struct connection *c)
{
	if (c->input.data != NULL)
		memcpy(bench->input, c->input.data, c->input.bytes);
	return c->input.bytes;
}

enum connection_state connection_input(struct bench *bench, struct connection *c)
{
	size_t held = unhold(bench, c);
	ssize_t received = recv(c->fd, bench->input + held, RECEIVE_BYTES, 0);
	if (received == 0 || (received < 0 && !would_block()))
		return CONNECTION_OVER;
	if (c->shut)
		return CONNECTION_INPUT;
	if (bench->stopping && received < RECEIVE_BYTES)
		c->shut = true;		/* that was all */
	return serve(bench, c, held + (received < 0 ? 0 : (size_t)received));
}

enum connection_state connection_retry(struct bench *bench, struct connection *c)
{
	enum connection_state state = serve(bench, c, unhold(bench, c));
	return state == CONNECTION_INPUT && bench->stopping ? connection_input(bench, c) : state;
}

enum connection_state connection_output(struct bench *bench, struct connection *c)
{
	ssize_t sent = send(c->fd, c->output.data, c->output.bytes, MSG_NOSIGNAL);
	if (sent < 0)
		return would_block() ? CONNECTION_OUTPUT : CONNECTION_OVER;
	c->output.bytes -= (size_t)sent;
	memmove(c->output.data, c->output.data + sent, c->output.bytes);
	if (c->output.bytes != 0)
		return CONNECTION_OUTPUT;
	hold(&c->output, NULL, 0);
	return connection_retry(bench, c);
}
