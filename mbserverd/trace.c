/* Frames in the log: bytes, and what they mean. */
#include "mbserverd/trace.h"

#include "base/log.h"
#include "mbserverd/peer.h"
#include "modbus/exception.h"
#include "modbus/function.h"
#include "modbus/mbap.h"
#include "modbus/wire.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_SIZE = 1200, VALUES_MAX = 16 }; /* of values, the first so many are spelled out */

struct line {
	char text[LINE_SIZE];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int written =
		vsnprintf(line->text + line->used, sizeof line->text - line->used, format, args);
	va_end(args);
	line->used += written > 0 ? (size_t)written : 0;
	if (line->used >= sizeof line->text)
		line->used = sizeof line->text - 1;
}

/* Transaction, protocol, length; unit and the rest: as people read a frame. */
static void put_bytes(struct line *line, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put(line, "%s%02x", i == 2 || i == 4 || i == 6 || i == 7 || i == 8 ? " " : "",
		    bytes[i]);
}

static void put_registers(struct line *line, const uint8_t *values, unsigned count)
{
	for (unsigned i = 0; i < count && i < VALUES_MAX; i++)
		put(line, " %u", wire_get16(values + 2 * i));
	if (count > VALUES_MAX)
		put(line, " ... (%u in all)", count);
}

static void put_bits(struct line *line, const uint8_t *bits, unsigned count)
{
	put(line, " ");
	for (unsigned i = 0; i < count && i < 4 * VALUES_MAX; i++)
		put(line, "%u", bits[i / 8] >> i % 8 & 1U);
	if (count > 4 * VALUES_MAX)
		put(line, "... (%u in all)", count);
}

static void put_items(struct line *line, const char *verb, const struct items *items)
{
	unsigned last = items->addr + items->count - 1u;
	put(line, items->count == 1 ? ", %s %u" : ", %s %u-%u", verb, items->addr, last);
}

/* What the request asks for, as far as it was good enough to be decoded. */
static void put_request(struct line *line, const struct request *request)
{
	bool masks = request->pdu[0] == MODBUS_FC_MASK_WRITE_REGISTER;
	if (request->read.count)
		put_items(line, "from", &request->read);
	if (request->write.count)
		put_items(line, masks ? "of" : "to", &request->write);
	if (masks)
		put(line, " and %04x or %04x", request->and_mask, request->or_mask);
	else if (request->write.count && function_of_bits(request->function))
		put_bits(line, request->data, request->write.count);
	else if (request->write.count)
		put_registers(line, request->data, request->write.count);
}

static void put_answer(struct line *line, const struct request *request, const uint8_t *pdu,
		       size_t bytes)
{
	if (!bytes)
		put(line, "no answer");
	else if (pdu[0] & EXCEPTION_FLAG)
		put(line, " exception %02x", pdu[1]);
	else if (!request->read.count || pdu[0] == FC_READ_FIFO)
		put(line, " done");
	else if (function_of_bits(request->function))
		put_bits(line, pdu + 2, request->read.count);
	else
		put_registers(line, pdu + 2, pdu[1] / 2U);
}

void trace_exchange(const struct mbshm_origin *peer, const uint8_t *adu, size_t bytes,
		    const uint8_t *answer, size_t answer_bytes)
{
	char from[PEER_TEXT_SIZE];
	struct line line = { .used = 0 };
	struct request request;
	int exception = request_decode(adu + MBAP_BYTES, bytes - MBAP_BYTES, &request);
	peer_format(peer, from);
	put_bytes(&line, adu, bytes);
	put(&line, ": unit %u, %s", mbap_get(adu).unit,
	    request.function->name ? request.function->name : "unknown function");
	if (!exception)
		put_request(&line, &request);
	log_info("trace %s > %s", from, line.text);

	line.used = 0;
	put_bytes(&line, answer, answer_bytes);
	if (answer_bytes)
		put(&line, ":");
	put_answer(&line, &request, answer + MBAP_BYTES, answer_bytes);
	log_info("trace %s < %s", from, line.text);
}

void trace_odd(const struct mbshm_origin *peer, const uint8_t *bytes, size_t count, const char *why)
{
	char from[PEER_TEXT_SIZE];
	struct line line = { .used = 0 };
	put_bytes(&line, bytes, count < ADU_MAX ? count : ADU_MAX);
	log_info("trace %s > %s: %s", peer_format(peer, from), line.text, why);
}
