/* The MBAP header, which carries PDUs over TCP (Messaging Implementation Guide V1.0b 3.1.3):
 * framing of a stream, and headers to and from bytes.  Pure. */
#ifndef MODBUS_MBAP_H
#define MODBUS_MBAP_H

#include "modbus/pdu.h"

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

/* What the first of len bytes begin. */
struct frame frame_next(const uint8_t *bytes, size_t len);

struct mbap {
	uint16_t transaction;
	uint8_t unit;
};

/* The header of an ADU. */
struct mbap mbap_get(const uint8_t *adu);

/* Put a header before a PDU of pdu_bytes, which stands at adu + MBAP_BYTES or will.  Returns the
 * bytes of the ADU. */
size_t mbap_put(uint8_t *adu, struct mbap mbap, size_t pdu_bytes);

#endif
