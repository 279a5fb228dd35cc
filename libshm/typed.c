/* Typed values in 16-bit registers, in the four byte and word orders that devices use. */
#include "mbshm.h"

#include <string.h>

static const struct {
	const char *name;
	uint8_t registers;
	char kind; /* u, i, f; b: 0 or 1 */
} types[MBSHM_TYPES] = {
	[MBSHM_U16] = { "u16", 1, 'u' },   [MBSHM_I16] = { "i16", 1, 'i' },
	[MBSHM_U32] = { "u32", 2, 'u' },   [MBSHM_I32] = { "i32", 2, 'i' },
	[MBSHM_U64] = { "u64", 4, 'u' },   [MBSHM_I64] = { "i64", 4, 'i' },
	[MBSHM_F32] = { "f32", 2, 'f' },   [MBSHM_F64] = { "f64", 4, 'f' },
	[MBSHM_BOOL] = { "bool", 1, 'b' },
};

static const struct {
	const char *name;
	bool low_word_first, swap_bytes;
} orders[MBSHM_ORDERS] = {
	[MBSHM_ABCD] = { "ABCD", false, false },
	[MBSHM_CDAB] = { "CDAB", true, false },
	[MBSHM_BADC] = { "BADC", false, true },
	[MBSHM_DCBA] = { "DCBA", true, true },
};

unsigned mbshm_type_registers(enum mbshm_type type)
{
	return types[type].registers;
}

const char *mbshm_type_name(enum mbshm_type type)
{
	return types[type].name;
}

const char *mbshm_order_name(enum mbshm_order order)
{
	return orders[order].name;
}

/* The register that holds bits 16 * i .. 16 * i + 15, as it stands in the image. */
static unsigned place(enum mbshm_type type, enum mbshm_order order, unsigned i)
{
	return orders[order].low_word_first ? i : types[type].registers - 1 - i;
}

static uint16_t swapped(enum mbshm_order order, uint16_t word)
{
	return orders[order].swap_bytes ? (uint16_t)(word << 8 | word >> 8) : word;
}

void mbshm_encode(enum mbshm_type type, enum mbshm_order order, union mbshm_value value,
		  uint16_t *registers)
{
	uint64_t bits = value.u64;
	if (type == MBSHM_F32) {
		float narrow = (float)value.f64;
		uint32_t word;
		memcpy(&word, &narrow, sizeof word);
		bits = word;
	} else if (types[type].kind == 'b') {
		bits = value.u64 != 0;
	}
	for (unsigned i = 0; i < types[type].registers; i++)
		registers[place(type, order, i)] = swapped(order, (uint16_t)(bits >> 16 * i));
}

union mbshm_value mbshm_decode(enum mbshm_type type, enum mbshm_order order,
			       const uint16_t *registers)
{
	unsigned unused = 64 - 16u * types[type].registers;
	union mbshm_value value = { .u64 = 0 };
	for (unsigned i = 0; i < types[type].registers; i++)
		value.u64 |= (uint64_t)swapped(order, registers[place(type, order, i)]) << 16 * i;
	if (type == MBSHM_F32) {
		uint32_t word = (uint32_t)value.u64;
		float narrow;
		memcpy(&narrow, &word, sizeof narrow);
		value.f64 = narrow;
	} else if (types[type].kind == 'i') {
		value.i64 = (int64_t)(value.u64 << unused) >> unused;
	} else if (types[type].kind == 'b') {
		value.u64 = value.u64 != 0;
	}
	return value;
}
