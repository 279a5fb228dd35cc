/* The MBAP header: framing, and headers to and from bytes. */
#include "modbus/mbap.h"

#include "modbus/wire.h"

enum { LENGTH_MIN = 2, LENGTH_MAX = 1 + PDU_MAX }; /* of the length field: unit and PDU */

struct frame frame_next(const uint8_t *bytes, size_t len)
{
	if (len < 6)
		return (struct frame){ FRAME_PARTIAL, 0 };
	size_t length = wire_get16(bytes + 4);
	if (length < LENGTH_MIN || length > LENGTH_MAX)
		return (struct frame){ FRAME_BROKEN, 0 };
	if (len < 6 + length)
		return (struct frame){ FRAME_PARTIAL, 0 };
	return (struct frame){ wire_get16(bytes + 2) ? FRAME_FOREIGN : FRAME_ADU, 6 + length };
}

struct mbap mbap_get(const uint8_t *adu)
{
	return (struct mbap){ wire_get16(adu), adu[6] };
}

size_t mbap_put(uint8_t *adu, struct mbap mbap, size_t pdu_bytes)
{
	wire_put16(adu, mbap.transaction);
	wire_put16(adu + 2, 0);
	wire_put16(adu + 4, (uint16_t)(1 + pdu_bytes));
	adu[6] = mbap.unit;
	return MBAP_BYTES + pdu_bytes;
}
