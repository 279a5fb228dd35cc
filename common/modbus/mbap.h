/* The MBAP header, which carries PDUs over TCP (Messaging Implementation Guide V1.0b 3.1.3):
 * framing of a stream, and headers to and from bytes.  Pure. */
#ifndef MODBUS_MBAP_H
#define MODBUS_MBAP_H

#include "modbus/pdu.h"
#include "modbus/wire.h"

enum {
	MBAP_BYTES = 7,                 /* transaction 2, protocol 2, length 2, unit 1 */
	ADU_MAX = MBAP_BYTES + PDU_MAX, /* 260 */
};

enum frame_kind {
	FRAME_PARTIAL, /* not whole yet: wait for more */
	FRAME_ADU,     /* a header and a PDU of 1..PDU_MAX bytes, together of bytes bytes */
	FRAME_FOREIGN, /* another protocol's, of bytes bytes: skip it without an answer */
	FRAME_BROKEN,  /* no length to go by: the stream is lost, close it */
};

struct frame {
	enum frame_kind kind;
	size_t bytes; /* 0 when partial or broken, else 8..ADU_MAX */
};

enum { MBAP_LENGTH_MIN = 2, MBAP_LENGTH_MAX = 1 + PDU_MAX }; /* of unit and PDU */

/* What the first of len bytes begin.  Inline, as all here: each request passes. */
static inline struct frame frame_next(const uint8_t *bytes, size_t len)
{
	if (len < 6)
		return (struct frame){ FRAME_PARTIAL, 0 };
	size_t length = wire_get16(bytes + 4);
	if (length < MBAP_LENGTH_MIN || length > MBAP_LENGTH_MAX)
		return (struct frame){ FRAME_BROKEN, 0 };
	if (len < 6 + length)
		return (struct frame){ FRAME_PARTIAL, 0 };
	return (struct frame){ wire_get16(bytes + 2) ? FRAME_FOREIGN : FRAME_ADU, 6 + length };
}

struct mbap {
	uint16_t transaction;
	uint8_t unit;
};

/* The header of an ADU. */
static inline struct mbap mbap_get(const uint8_t *adu)
{
	return (struct mbap){ wire_get16(adu), adu[6] };
}

/* Put a header before a PDU of pdu_bytes, which stands at adu + MBAP_BYTES or will.  Returns the
 * bytes of the ADU. */
static inline size_t mbap_put(uint8_t *adu, struct mbap mbap, size_t pdu_bytes)
{
	wire_put16(adu, mbap.transaction);
	wire_put16(adu + 2, 0);
	wire_put16(adu + 4, (uint16_t)(1 + pdu_bytes));
	adu[6] = mbap.unit;
	return MBAP_BYTES + pdu_bytes;
}

#endif
