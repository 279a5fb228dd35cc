/* Typed values in registers: every type in every order, both ways. */
#include "image_fixture.h"

#include <math.h>

static const struct {
	enum mbshm_type type;
	union mbshm_value value;
	uint16_t abcd[4]; /* high word first */
} cases[] = {
	{ MBSHM_U16, { .u64 = 0 }, { 0 } },
	{ MBSHM_U16, { .u64 = 0xfedc }, { 0xfedc } },
	{ MBSHM_I16, { .i64 = -1 }, { 0xffff } },
	{ MBSHM_I16, { .i64 = INT16_MIN }, { 0x8000 } },
	{ MBSHM_I16, { .i64 = INT16_MAX }, { 0x7fff } },
	{ MBSHM_U32, { .u64 = 0x01020304 }, { 0x0102, 0x0304 } },
	{ MBSHM_U32, { .u64 = UINT32_MAX }, { 0xffff, 0xffff } },
	{ MBSHM_I32, { .i64 = INT32_MIN }, { 0x8000, 0 } },
	{ MBSHM_I32, { .i64 = -2 }, { 0xffff, 0xfffe } },
	{ MBSHM_U64, { .u64 = 0x0102030405060708 }, { 0x0102, 0x0304, 0x0506, 0x0708 } },
	{ MBSHM_U64, { .u64 = UINT64_MAX }, { 0xffff, 0xffff, 0xffff, 0xffff } },
	{ MBSHM_I64, { .i64 = INT64_MIN }, { 0x8000, 0, 0, 0 } },
	{ MBSHM_I64, { .i64 = -3 }, { 0xffff, 0xffff, 0xffff, 0xfffd } },
	{ MBSHM_F32, { .f64 = 1.0 }, { 0x3f80, 0 } },
	{ MBSHM_F32, { .f64 = -0.0 }, { 0x8000, 0 } },
	{ MBSHM_F32, { .f64 = 0x1.99999ap-4 }, { 0x3dcc, 0xcccd } },
	{ MBSHM_F32, { .f64 = INFINITY }, { 0x7f80, 0 } },
	{ MBSHM_F64, { .f64 = 1.0 }, { 0x3ff0, 0, 0, 0 } },
	{ MBSHM_F64, { .f64 = 0.1 }, { 0x3fb9, 0x9999, 0x9999, 0x999a } },
	{ MBSHM_F64, { .f64 = 5e-324 }, { 0, 0, 0, 1 } },
	{ MBSHM_F64, { .f64 = -INFINITY }, { 0xfff0, 0, 0, 0 } },
	{ MBSHM_BOOL, { .u64 = 0 }, { 0 } },
	{ MBSHM_BOOL, { .u64 = 1 }, { 1 } },
};

/* The registers that the case has in an order, by the header's words: the bytes A B C D moved as a
 * whole. */
static void registers_of(size_t i, enum mbshm_order order, uint16_t *registers)
{
	unsigned count = mbshm_type_registers(cases[i].type);
	for (unsigned k = 0; k < count; k++) {
		bool low_first = order == MBSHM_CDAB || order == MBSHM_DCBA;
		uint16_t word = cases[i].abcd[low_first ? count - 1 - k : k];
		registers[k] = order == MBSHM_BADC || order == MBSHM_DCBA
				       ? (uint16_t)(word << 8 | word >> 8)
				       : word;
	}
}

static void both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (unsigned order = 0; order < MBSHM_ORDERS; order++) {
			uint16_t expected[4],
				registers[5] = { 0xa5a5, 0xa5a5, 0xa5a5, 0xa5a5, 0xa5a5 };
			unsigned count = mbshm_type_registers(cases[i].type);
			registers_of(i, (enum mbshm_order)order, expected);
			mbshm_encode(cases[i].type, (enum mbshm_order)order, cases[i].value,
				     registers);
			assert_memory_equal(registers, expected, count * 2);
			assert_int_equal(registers[count], 0xa5a5); /* not one more */
			union mbshm_value back =
				mbshm_decode(cases[i].type, (enum mbshm_order)order, registers);
			assert_memory_equal(&back, &cases[i].value, sizeof back);
		}
}

/* Any registers decode to a value that encodes to them again; but a signalling NaN may become a
 * quiet one. */
static void any_registers(void **state)
{
	uint64_t seed = test_seed();
	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		enum mbshm_type type = (enum mbshm_type)random_below(&seed, MBSHM_TYPES);
		enum mbshm_order order = (enum mbshm_order)random_below(&seed, MBSHM_ORDERS);
		uint64_t bits = random_next(&seed);
		uint16_t in[4], out[4];
		memcpy(in, &bits, 8);
		union mbshm_value value = mbshm_decode(type, order, in);
		if ((type == MBSHM_F32 || type == MBSHM_F64) && isnan(value.f64))
			continue;
		if (type == MBSHM_BOOL) { /* many patterns, two values */
			assert_int_equal(value.u64, in[0] != 0);
			continue;
		}
		mbshm_encode(type, order, value, out);
		assert_memory_equal(in, out, mbshm_type_registers(type) * 2);
	}
}

static void nan_stays_nan(void **state)
{
	static const enum mbshm_type types[] = { MBSHM_F32, MBSHM_F64 };
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t registers[4];
		mbshm_encode(types[i], MBSHM_ABCD, (union mbshm_value){ .f64 = NAN }, registers);
		assert_true(isnan(mbshm_decode(types[i], MBSHM_ABCD, registers).f64));
	}
}

static void truncates(void **state)
{
	uint16_t registers[4];
	(void)state;
	mbshm_encode(MBSHM_U16, MBSHM_ABCD, (union mbshm_value){ .u64 = 0x12345 }, registers);
	assert_int_equal(registers[0], 0x2345);
	mbshm_encode(MBSHM_I32, MBSHM_ABCD, (union mbshm_value){ .i64 = INT64_C(-0x100000001) },
		     registers);
	assert_int_equal(mbshm_decode(MBSHM_I32, MBSHM_ABCD, registers).i64, -1);
}

static void names(void **state)
{
	static const char *const types[MBSHM_TYPES] = { "u16", "i16", "u32", "i32", "u64",
							"i64", "f32", "f64", "bool" };
	static const char *const orders[MBSHM_ORDERS] = { "ABCD", "CDAB", "BADC", "DCBA" };
	(void)state;
	for (unsigned i = 0; i < MBSHM_TYPES; i++) {
		assert_string_equal(mbshm_type_name((enum mbshm_type)i), types[i]);
		assert_int_equal(mbshm_type_registers((enum mbshm_type)i),
				 i == MBSHM_BOOL ? 1 : atoi(types[i] + 1) / 16);
	}
	for (unsigned i = 0; i < MBSHM_ORDERS; i++)
		assert_string_equal(mbshm_order_name((enum mbshm_order)i), orders[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),     cmocka_unit_test(any_registers),
		cmocka_unit_test(nan_stays_nan), cmocka_unit_test(truncates),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
