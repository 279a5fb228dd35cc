/* What functions 8, 11 and 12 tell (V1.1b3 6.8-6.10).
 *
 * The counters of 8 are the server's.  The events of 11 and 12 are those of the connection, which
 * is a line of its own: so a client can tell from them what became of its own requests. */
#ifndef MBSERVERD_DIAGNOSTICS_H
#define MBSERVERD_DIAGNOSTICS_H

#include "modbus/pdu.h"

#include <stddef.h>
#include <stdint.h>

/* A connection's.  All zero: it has just been opened, which is an event, 00. */
struct diagnostics_line {
	uint16_t completed; /* requests answered without an exception, but for function 11 */
	uint32_t count;     /* events after the first */
	uint8_t events[EVENTS_MAX]; /* a ring; the newest is at count % 64 */
};

/* Bits of an event: 6.10. */
enum { DIAGNOSTICS_RECEIVED = 0x80, DIAGNOSTICS_SENT = 0x40 };

static inline void diagnostics_record(struct diagnostics_line *line, uint8_t event)
{
	line->events[++line->count % EVENTS_MAX] = event;
}

/* A request was carried out. */
static inline void diagnostics_done(struct diagnostics_line *line, uint8_t function)
{
	diagnostics_record(line, DIAGNOSTICS_RECEIVED);
	diagnostics_record(line, DIAGNOSTICS_SENT);
	line->completed += function != FC_EVENT_COUNTER;
}

/* It was answered with an exception, or not at all (ANSWER_SILENCE). */
void diagnostics_refused(struct diagnostics_line *line, int exception);

/* A frame came that is none of this protocol's. */
void diagnostics_foreign(struct diagnostics_line *line);

/* Counter 11..18 since the start or the last diagnostics_clear of it.  Called while a request is
 * carried out: 11 counts messages when they are detected, so this one is among them, or not when it
 * clears (6.8.1).  Any thread. */
uint16_t diagnostics_counter(unsigned sub_function);
void diagnostics_clear(unsigned sub_function);

/* Put the events into out, EVENTS_MAX bytes, the newest first: it is the receipt of the request
 * that asks, which is stored before that is processed (6.10).  Their number. */
size_t diagnostics_events(const struct diagnostics_line *line, uint8_t *out);

#endif
