/* One client: its bytes, and what it waits for. */
#include "mbserverd/connection.h"

#include "mbserverd/counters.h"
#include "mbserverd/diagnostics.h"
#include "mbserverd/execute.h"
#include "mbserverd/tcp.h"
#include "mbserverd/trace.h"
#include "modbus/exception.h"
#include "modbus/guess.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct connection *connection_new(int fd, const struct mbshm_origin *peer, struct host *host)
{
	struct connection *c = calloc(1, sizeof *c);
	if (c) {
		c->channel = (struct channel){ &tcp_transport, fd };
		c->client.origin = *peer;
		c->host = host;
	}
	return c;
}

/* Hold a copy of bytes instead of what is held; none: free it.  bytes are not those held.
 * 0 or -ENOMEM: nothing has changed. */
static int hold_bytes(struct workspace *workspace, struct held *held, const uint8_t *bytes,
		      size_t count)
{
	if (!count) {
		free(held->data);
		held->data = NULL;
	} else if (count != held->bytes) {
		uint8_t *data = realloc(held->data, count);
		if (!data)
			return -ENOMEM;
		held->data = data;
	}
	workspace->held_bytes += count - held->bytes;
	held->bytes = count;
	if (count)
		memcpy(held->data, bytes, count);
	return 0;
}

/* The same; inline, since there is usually nothing to hold. */
static inline int hold(struct workspace *workspace, struct held *held, const uint8_t *bytes,
		       size_t count)
{
	return count || held->bytes ? hold_bytes(workspace, held, bytes, count) : 0;
}

void connection_close(struct workspace *workspace, struct connection *c)
{
	c->channel.transport->close(&c->channel);
	hold(workspace, &c->input, NULL, 0);
	hold(workspace, &c->output, NULL, 0);
}

/* Hold the input that is not dealt with.  false: the connection is over. */
static bool hold_input(struct workspace *workspace, struct connection *c, const uint8_t *bytes,
		       size_t count)
{
	bool small = count < sizeof c->rest;
	c->rest_bytes = small ? (uint16_t)count : 0;
	if (small && count)
		memcpy(c->rest, bytes, count);
	if (!hold(workspace, &c->input, bytes, small ? 0 : count))
		return true;
	c->end = END_MEMORY;
	return false;
}

/* Put the held input in front of the workspace's.  Its bytes. */
static size_t unhold(struct workspace *workspace, const struct connection *c)
{
	if (c->input.data)
		memcpy(workspace->input, c->input.data, c->input.bytes);
	else
		memcpy(workspace->input, c->rest, c->rest_bytes);
	return c->input.bytes + c->rest_bytes;
}

/* Send the answers gathered, hold what the transport does not take.  false: the connection is
 * over. */
static bool flush(struct workspace *workspace, struct connection *c)
{
	size_t bytes = workspace->output_bytes;
	if (!bytes)
		return true;
	/* Whatever comes of it: the workspace is the next connection's. */
	workspace->output_bytes = 0;
	ssize_t sent = c->channel.transport->send(&c->channel, workspace->output, bytes);
	if (sent < 0 && sent != -EAGAIN) {
		c->end = END_LOST;
		return false;
	}
	if (sent < 0)
		sent = 0;
	counters_add(&workspace->execution.counters->bytes_out, (uint64_t)sent);
	if (!hold(workspace, &c->output, workspace->output + sent, bytes - (size_t)sent))
		return true;
	c->end = END_MEMORY;
	return false;
}

/* The request has to be asked again (ANSWER_LATER, ANSWER_REPLACED).  0: park it; the exception:
 * it has waited for too long. */
static int put_off(struct workspace *workspace, struct connection *c, int why)
{
	/* The next ones need not wait for the same lock. */
	workspace->execution.lock_wait_us = 0;
	workspace->replaced |= why == ANSWER_REPLACED;
	c->parked = workspace->execution.now_ms - c->received_ms < PATIENCE_MS;
	if (c->parked)
		return 0;
	return why == ANSWER_REPLACED ? MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE
				      : MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY;
}

/* Answer one ADU.  false: not yet, it has to be asked again. */
static bool answer(struct workspace *workspace, struct connection *c, const uint8_t *adu,
		   size_t bytes)
{
	const struct mbap mbap = mbap_get(adu);
	const uint8_t *pdu = adu + MBAP_BYTES;
	uint8_t *out = workspace->output + workspace->output_bytes;
	int pdu_bytes = execute(&workspace->execution, &c->client, mbap.unit, pdu,
				bytes - MBAP_BYTES, out + MBAP_BYTES);
	if (pdu_bytes < 0) {
		int exception = put_off(workspace, c, pdu_bytes);
		if (!exception)
			return false;
		pdu_bytes = execute_refuse(&workspace->execution, &c->client, pdu, exception,
					   out + MBAP_BYTES);
	}
	size_t out_bytes = pdu_bytes ? mbap_put(out, mbap, (size_t)pdu_bytes) : 0;
	if (c->traced)
		trace_exchange(&c->client.origin, adu, bytes, out, out_bytes);
	c->parked = false;
	workspace->output_bytes += out_bytes;
	return true;
}

/* The first bytes are those that tell what the peer speaks. */
static void note_odd(struct connection *c, const uint8_t *bytes, size_t count)
{
	if (c->odd.count)
		return;
	c->odd.count = (uint16_t)count;
	c->odd.guess = guess_protocol(bytes, count);
	memcpy(c->odd.bytes, bytes, count < ODD_SHOWN ? count : ODD_SHOWN);
}

void connection_note_rest(struct connection *c)
{
	note_odd(c, c->rest, c->rest_bytes);
}

/* A frame that is no request.  false: the connection is over. */
static bool skip(struct workspace *workspace, struct connection *c, const uint8_t *bytes,
		 size_t count, enum frame_kind kind)
{
	struct counters *counters = workspace->execution.counters;
	bool foreign = kind == FRAME_FOREIGN;
	if (c->traced)
		trace_odd(&c->client.origin, bytes, count,
			  foreign ? "another protocol" : "an impossible length");
	note_odd(c, bytes, count);
	diagnostics_foreign(&c->client.line);
	if (foreign)
		counters_add(&counters->foreign, 1);
	if (foreign && ++c->foreign < FOREIGN_MAX)
		return true;
	c->end = END_BROKEN;
	return false;
}

/* Answer the ADUs among the first len bytes of the workspace's input, as long as there is room to
 * answer.  *used: the bytes that are dealt with.  false: the connection is over. */
static bool answer_all(struct workspace *workspace, struct connection *c, size_t len, size_t *used)
{
	for (;;) {
		if (OUTPUT_BYTES - workspace->output_bytes < ADU_MAX && !flush(workspace, c))
			return false;
		if (c->output.data)
			return true;

		const uint8_t *bytes = workspace->input + *used;
		struct frame frame = frame_next(bytes, len - *used);
		if (frame.kind == FRAME_PARTIAL)
			return true;
		if (frame.kind == FRAME_ADU && !answer(workspace, c, bytes, frame.bytes))
			return true;
		if (frame.kind == FRAME_FOREIGN &&
		    !skip(workspace, c, bytes, frame.bytes, frame.kind))
			return false;
		if (frame.kind == FRAME_BROKEN)
			return skip(workspace, c, bytes, len - *used, frame.kind);
		*used += frame.bytes;
	}
}

/* Deal with the first len bytes of the workspace's input. */
static enum connection_state serve(struct workspace *workspace, struct connection *c, size_t len)
{
	size_t used = 0;
	bool open = answer_all(workspace, c, len, &used);
	if (!flush(workspace, c) || !open ||
	    !hold_input(workspace, c, workspace->input + used, len - used))
		return CONNECTION_OVER;
	if (c->output.data)
		return CONNECTION_OUTPUT;
	if (c->parked)
		return CONNECTION_PARKED;
	if (c->shut)
		c->channel.transport->shut(&c->channel);
	if (c->rest_bytes == 0)
		return CONNECTION_INPUT;
	if (used != 0 || c->state != CONNECTION_REST)
		c->frame_ms = workspace->execution.now_ms;
	return CONNECTION_REST;
}

/* After a full receive, the next one takes what the kernel had received with it. */
static void note_receipt(struct connection *c, int64_t now_ms, size_t bytes)
{
	if (!c->more || now_ms - c->received_ms >= 2 * PATIENCE_MS)
		c->received_ms = now_ms;
	c->more = bytes == RECEIVE_BYTES;
}

enum connection_state connection_input(struct workspace *workspace, struct connection *c)
{
	size_t held = unhold(workspace, c);
	ssize_t received =
		c->channel.transport->receive(&c->channel, workspace->input + held, RECEIVE_BYTES);
	if (received <= 0 && received != -EAGAIN) {
		c->end = received ? END_LOST : END_PEER;
		return CONNECTION_OVER;
	}
	if (c->shut)
		return CONNECTION_INPUT;
	if (received < 0)
		received = 0;
	note_receipt(c, workspace->execution.now_ms, (size_t)received);
	counters_add(&workspace->execution.counters->bytes_in, (uint64_t)received);
	if (workspace->stopping && received < RECEIVE_BYTES)
		c->shut = true; /* that was all */
	return serve(workspace, c, held + (size_t)received);
}

enum connection_state connection_retry(struct workspace *workspace, struct connection *c)
{
	enum connection_state state = serve(workspace, c, unhold(workspace, c));
	bool reads = state == CONNECTION_INPUT || state == CONNECTION_REST;
	return reads && workspace->stopping ? connection_input(workspace, c) : state;
}

enum connection_state connection_output(struct workspace *workspace, struct connection *c)
{
	ssize_t sent = c->channel.transport->send(&c->channel, c->output.data, c->output.bytes);
	if (sent == -EAGAIN)
		return CONNECTION_OUTPUT;
	if (sent < 0) {
		c->end = END_LOST;
		return CONNECTION_OVER;
	}
	counters_add(&workspace->execution.counters->bytes_out, (uint64_t)sent);
	workspace->held_bytes -= (size_t)sent;
	c->output.bytes -= (size_t)sent;
	memmove(c->output.data, c->output.data + sent, c->output.bytes);
	if (c->output.bytes)
		return CONNECTION_OUTPUT;
	free(c->output.data);
	c->output.data = NULL;
	c->received_ms = workspace->execution.now_ms; /* it was the peer that kept us */
	return connection_retry(workspace, c);
}
