/* Addresses, values and lists of words as text, both ways. */
#include "base/words.h"
#include "image_fixture.h"
#include "point/address.h"
#include "point/value.h"

#include <math.h>

static void one_address(void **state)
{
	static const char *const between[] = { " ", ":", " \t", "  " };
	struct mbshm_span span;
	bool range = true;
	(void)state;
	for (unsigned i = 0; i < MBSHM_TABLES; i++)
		for (unsigned k = 0; k < sizeof between / sizeof *between; k++) {
			char text[32];
			snprintf(text, sizeof text, "%s%s65535",
				 mbshm_table_name((enum mbshm_table)i), between[k]);
			assert_true(address_parse(text, &span, &range));
			assert_int_equal(span.table, i);
			assert_int_equal(span.first, 65535);
			assert_int_equal(span.count, 1);
			assert_false(range);
		}
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"coil",
		"coil ",
		" coil 1",
		"coil -1",
		"coil 1 ",
		"coil 65536",
		"coil 0x1",
		"coi 1",
		"coils 1",
		"Coil 1",
		"coil1",
		"1",
		"1 coil",
		"coil:",
		"coil::1",
		"coil: 1",
		"coil 1-",
		"coil 2-1",
		"coil 1-65536",
		"coil 1-2-3",
		"coil +1",
		"coil:1,2",
		"coil 99999999999999999999",
		"coil 4294967297",
	};
	struct mbshm_span span;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (address_parse(bad[i], &span, NULL))
			fail_msg("\"%s\" was taken for an address", bad[i]);
}

/* The text of any span reads back as the same span. */
static void spans_read_back(void **state)
{
	uint64_t random = test_seed();
	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		struct mbshm_span span = { (enum mbshm_table)random_below(&random, MBSHM_TABLES),
					   random_below(&random, MBSHM_ITEMS), 0 },
				  back;
		char text[ADDRESS_TEXT_SIZE];
		bool range;
		span.count = random_below(&random, 2)
				     ? 1
				     : 1 + random_below(&random, MBSHM_ITEMS - span.first);
		assert_true(address_parse(address_text(&span, text), &back, &range));
		assert_int_equal(range, span.count > 1);
		assert_int_equal(back.table, span.table);
		assert_int_equal(back.first, span.first);
		assert_int_equal(back.count, span.count);
	}
}

/* The text of any value reads back as the same registers, NaN aside. */
static void values_read_back(void **state)
{
	uint64_t random = test_seed();
	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		enum mbshm_type type = (enum mbshm_type)random_below(&random, MBSHM_TYPES);
		enum mbshm_order order = (enum mbshm_order)random_below(&random, MBSHM_ORDERS);
		uint64_t bits = random_next(&random);
		uint16_t in[4], out[4] = { 0 };
		char text[VALUE_TEXT_SIZE];
		memcpy(in, &bits, sizeof in);
		if ((type == MBSHM_F32 || type == MBSHM_F64) &&
		    isnan(mbshm_decode(type, order, in).f64))
			continue;
		const char *expected =
			value_parse(type, order, value_text(type, order, in, 0, text), out, 0);
		if (expected)
			fail_msg("%s %s: expected %s", mbshm_type_name(type), text, expected);
		if (type == MBSHM_BOOL)
			assert_int_equal(in[0] & 1, out[0] & 1);
		else
			assert_memory_equal(in, out, mbshm_type_registers(type) * 2);
	}
}

static void refused_values_say_what_was_expected(void **state)
{
	static const struct {
		enum mbshm_type type;
		const char *text, *expected;
	} cases[] = {
		{ MBSHM_U16, "65536", "0..65535" },      { MBSHM_U16, "-1", "0..65535" },
		{ MBSHM_U16, "", "0..65535" },           { MBSHM_U16, "1x", "0..65535" },
		{ MBSHM_I16, "32768", "-32768..32767" }, { MBSHM_U32, "0x100000000", "4294967295" },
		{ MBSHM_F32, "1e39", "3.4e38" },         { MBSHM_F64, "x", "1.8e308" },
		{ MBSHM_BOOL, "2", "0, 1, off, on" },    { MBSHM_I64, "9223372036854775808", "63" },
	};
	uint16_t data[4] = { 0x1234, 0x5678, 0x9abc, 0xdef0 }, before[4];
	(void)state;
	memcpy(before, data, sizeof data);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *expected =
			value_parse(cases[i].type, MBSHM_ABCD, cases[i].text, data, 0);
		assert_non_null(expected);
		assert_non_null(strstr(expected, cases[i].expected));
		assert_memory_equal(data, before, sizeof data);
	}
}

static const char *table_name(unsigned table)
{
	return mbshm_table_name((enum mbshm_table)table);
}

static void names(void **state)
{
	char text[VALUE_NAMES_SIZE], words[ADDRESS_WORDS_SIZE], little[8];
	enum mbshm_type type;
	enum mbshm_order order;
	(void)state;
	assert_string_equal(value_type_names(text),
			    "u16, i16, u32, i32, u64, i64, f32, f64 or bool");
	assert_string_equal(value_order_names(text), "ABCD, CDAB, BADC or DCBA");
	assert_true(value_type_find("f32", &type) && type == MBSHM_F32);
	assert_true(value_order_find("DCBA", &order) && order == MBSHM_DCBA);
	assert_string_equal(address_table_words(words), "coil, discrete, holding or input");
	assert_string_equal(address_table_title(MBSHM_DISCRETE_INPUTS), "Discrete Input");
	assert_false(value_type_find("u8", &type) || value_order_find("abcd", &order));
	words_list(table_name, 4, little, sizeof little);
	assert_string_equal(little, "coil, d"); /* cut, not overrun */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_address),
		cmocka_unit_test(refuses),
		cmocka_unit_test(spans_read_back),
		cmocka_unit_test(values_read_back),
		cmocka_unit_test(refused_values_say_what_was_expected),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
