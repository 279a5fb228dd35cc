/* What functions 8, 11 and 12 tell: events and counters. */
#include "mbserverd/diagnostics.h"

#include "mbserverd/counters.h"
#include "modbus/exception.h"
#include "modbus/pdu.h"

/* More bits of an event: 6.10. */
enum {
	RECEIVED_ERROR = 0x02,
	SENT_READ_EXCEPTION = 0x01,
	SENT_ABORT = 0x02,
	SENT_BUSY = 0x04,
	SENT_NAK = 0x08,
};

static uint8_t sent_event(int exception)
{
	switch (exception) {
	case MODBUS_EXCEPTION_ILLEGAL_FUNCTION:
	case MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS:
	case MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE:
		return DIAGNOSTICS_SENT | SENT_READ_EXCEPTION;
	case MODBUS_EXCEPTION_ACKNOWLEDGE:
	case MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY:
		return DIAGNOSTICS_SENT | SENT_BUSY;
	case MODBUS_EXCEPTION_NEGATIVE_ACKNOWLEDGE:
		return DIAGNOSTICS_SENT | SENT_NAK;
	default:
		return DIAGNOSTICS_SENT | SENT_ABORT;
	}
}

void diagnostics_refused(struct diagnostics_line *line, int exception)
{
	diagnostics_record(line, DIAGNOSTICS_RECEIVED);
	if (exception != ANSWER_SILENCE)
		diagnostics_record(line, sent_event(exception));
}

void diagnostics_foreign(struct diagnostics_line *line)
{
	diagnostics_record(line, DIAGNOSTICS_RECEIVED | RECEIVED_ERROR);
}

size_t diagnostics_events(const struct diagnostics_line *line, uint8_t *out)
{
	size_t count = line->count < EVENTS_MAX - 1 ? line->count + 1 : EVENTS_MAX - 1;
	out[0] = DIAGNOSTICS_RECEIVED;
	for (size_t i = 0; i < count; i++)
		out[1 + i] = line->events[(line->count - i) % EVENTS_MAX];
	return 1 + count;
}

/* ---- counters ------------------------------------------------------------------------------ */

enum { COUNTERS_OF_8 = DIAGNOSTIC_LAST_COUNTER - DIAGNOSTIC_FIRST_COUNTER + 1 };

/* The sums when a client cleared them. */
static _Atomic uint64_t cleared[COUNTERS_OF_8];

static uint64_t sum(unsigned sub_function)
{
	switch (sub_function) {
	case 11: /* bus messages detected, this request, which is counted when done, among them */
		return COUNTERS_SUM(requests) + COUNTERS_SUM(foreign) + COUNTERS_SUM(broken) + 1;
	case 12: /* bus communication errors */
		return COUNTERS_SUM(foreign) + COUNTERS_SUM(broken);
	case 13: /* exceptions */
		return COUNTERS_SUM(exceptions);
	case 14: /* messages processed, which this request is not yet */
		return COUNTERS_SUM(requests);
	case 15: /* not answered */
		return COUNTERS_SUM(silent);
	case 16: /* not acknowledged */
		return COUNTERS_SUM(exception_codes[MODBUS_EXCEPTION_NEGATIVE_ACKNOWLEDGE]);
	case 17: /* busy */
		return COUNTERS_SUM(exception_codes[MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY]);
	default: /* 18, overruns: bytes came faster than they could be dealt with */
		return COUNTERS_SUM(stalled);
	}
}

uint16_t diagnostics_counter(unsigned sub_function)
{
	return (uint16_t)(sum(sub_function) - cleared[sub_function - DIAGNOSTIC_FIRST_COUNTER]);
}

void diagnostics_clear(unsigned sub_function)
{
	cleared[sub_function - DIAGNOSTIC_FIRST_COUNTER] = sum(sub_function);
}
