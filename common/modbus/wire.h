/* Numbers on the wire: big-endian, unaligned (V1.1b3 4.2).  Pure. */
#ifndef MODBUS_WIRE_H
#define MODBUS_WIRE_H

#include <stdint.h>

static inline uint16_t wire_get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void wire_put16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

/* Registers between host order and the wire's.  The wire's side needs no alignment. */
void registers_to_wire(uint8_t *wire, const uint16_t *values, unsigned count);
void registers_from_wire(uint16_t *values, const uint8_t *wire, unsigned count);

#endif
