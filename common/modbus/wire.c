/* Numbers on the wire: big-endian, unaligned. */
#include "modbus/wire.h"

#include <endian.h>
#include <string.h>

/* The compiler's vectors of registers: a shift each way swaps the bytes of all. */
#define SWAP(lanes, out, in)                                               \
	do {                                                               \
		uint16_t values __attribute__((vector_size(2 * (lanes)))); \
		memcpy(&values, in, sizeof values);                        \
		if (BYTE_ORDER == LITTLE_ENDIAN)                           \
			values = values << 8 | values >> 8;                \
		memcpy(out, &values, sizeof values);                       \
		in += sizeof values;                                       \
		out += sizeof values;                                      \
	} while (0)

static inline void registers_swap(uint8_t *out, const uint8_t *in, unsigned count)
{
	for (; count >= 8; count -= 8)
		SWAP(8, out, in);
	if (count & 4)
		SWAP(4, out, in);
	if (count & 2)
		SWAP(2, out, in);
	if (count & 1)
		SWAP(1, out, in);
}

void registers_to_wire(uint8_t *wire, const uint16_t *values, unsigned count)
{
	registers_swap(wire, (const uint8_t *)values, count);
}

void registers_from_wire(uint16_t *values, const uint8_t *wire, unsigned count)
{
	registers_swap((uint8_t *)values, wire, count);
}
