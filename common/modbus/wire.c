/* Numbers on the wire: big-endian, unaligned. */
#include "modbus/wire.h"

#include <endian.h>
#include <string.h>

/* The bytes of each of four registers. */
static inline uint64_t swap_bytes(uint64_t word)
{
	const uint64_t low_bytes = 0x00FF00FF00FF00FF;
	return BYTE_ORDER == LITTLE_ENDIAN ? (word & low_bytes) << 8 | (word >> 8 & low_bytes)
					   : word;
}

/* Four registers at a time, then one by one. */
static inline void registers_swap(uint8_t *out, const uint8_t *in, unsigned count)
{
	uint64_t word;
	for (; count >= 4; count -= 4, in += 8, out += 8) {
		memcpy(&word, in, sizeof word);
		word = swap_bytes(word);
		memcpy(out, &word, sizeof word);
	}
	for (; count; count--, in += 2, out += 2) {
		uint16_t value;
		memcpy(&value, in, sizeof value);
		value = htobe16(value);
		memcpy(out, &value, sizeof value);
	}
}

void registers_to_wire(uint8_t *wire, const uint16_t *values, unsigned count)
{
	registers_swap(wire, (const uint8_t *)values, count);
}

void registers_from_wire(uint16_t *values, const uint8_t *wire, unsigned count)
{
	registers_swap((uint8_t *)values, wire, count);
}
