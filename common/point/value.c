/* Typed values as text, to and from the registers or bits that hold them. */
#include "point/value.h"

#include "base/words.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *type_name(unsigned type)
{
	return mbshm_type_name((enum mbshm_type)type);
}

static const char *order_name(unsigned order)
{
	return mbshm_order_name((enum mbshm_order)order);
}

bool value_type_find(const char *name, enum mbshm_type *type)
{
	for (unsigned i = 0; i < MBSHM_TYPES; i++)
		if (!strcmp(type_name(i), name)) {
			*type = (enum mbshm_type)i;
			return true;
		}
	return false;
}

bool value_order_find(const char *name, enum mbshm_order *order)
{
	for (unsigned i = 0; i < MBSHM_ORDERS; i++)
		if (!strcmp(order_name(i), name)) {
			*order = (enum mbshm_order)i;
			return true;
		}
	return false;
}

const char *value_type_names(char text[VALUE_NAMES_SIZE])
{
	return words_list(type_name, MBSHM_TYPES, text, VALUE_NAMES_SIZE);
}

const char *value_order_names(char text[VALUE_NAMES_SIZE])
{
	return words_list(order_name, MBSHM_ORDERS, text, VALUE_NAMES_SIZE);
}

enum mbshm_type value_type_usual(enum mbshm_table table)
{
	return table < MBSHM_HOLDING_REGISTERS ? MBSHM_BOOL : MBSHM_U16;
}

/* The shortest that reads back as the same value. */
static void float_text(double value, bool narrow, char *text)
{
	for (int digits = narrow ? 6 : 15; digits <= (narrow ? 9 : 17); digits++) {
		snprintf(text, VALUE_TEXT_SIZE, "%.*g", digits, value);
		if (narrow ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			return;
	}
}

const char *value_text(enum mbshm_type type, enum mbshm_order order, const void *data,
		       uint32_t index, char text[VALUE_TEXT_SIZE])
{
	union mbshm_value value;
	if (type == MBSHM_BOOL) {
		snprintf(text, VALUE_TEXT_SIZE, "%d",
			 ((const uint8_t *)data)[index / 8] >> index % 8 & 1);
		return text;
	}
	value = mbshm_decode(type, order, (const uint16_t *)data + index);
	switch (mbshm_type_name(type)[0]) {
	case 'u':
		snprintf(text, VALUE_TEXT_SIZE, "%" PRIu64, value.u64);
		break;
	case 'i':
		snprintf(text, VALUE_TEXT_SIZE, "%" PRId64, value.i64);
		break;
	default:
		float_text(value.f64, type == MBSHM_F32, text);
	}
	return text;
}

static const char *bool_parse(const char *text, uint8_t *bits, uint32_t index)
{
	static const char *const words[2][4] = { { "0", "false", "off", NULL },
						 { "1", "true", "on", NULL } };
	for (int bit = 0; bit < 2; bit++)
		for (unsigned i = 0; words[bit][i]; i++)
			if (!strcmp(words[bit][i], text)) {
				bits[index / 8] = (uint8_t)((bits[index / 8] & ~(1 << index % 8)) |
							    bit << index % 8);
				return NULL;
			}
	return "0, 1, off, on, false or true";
}

/* A whole number, decimal or 0x hexadecimal, that fits. */
static bool whole_parse(enum mbshm_type type, const char *text, union mbshm_value *value)
{
	bool is_signed = mbshm_type_name(type)[0] == 'i';
	unsigned bits = 16 * mbshm_type_registers(type);
	const char *digits = text + (*text == '-' || *text == '+');
	int base = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X') ? 16 : 10;
	char *end;
	if (*digits < '0' || *digits > '9' || (*text == '-' && !is_signed))
		return false;
	errno = 0;
	if (is_signed) {
		int64_t most = (int64_t)(UINT64_MAX >> (65 - bits));
		value->i64 = strtoll(text, &end, base);
		return !*end && !errno && value->i64 <= most && value->i64 >= -most - 1;
	}
	value->u64 = strtoull(text, &end, base);
	return !*end && !errno && value->u64 <= UINT64_MAX >> (64 - bits);
}

static bool float_parse(enum mbshm_type type, const char *text, union mbshm_value *value)
{
	char *end;
	value->f64 = strtod(text, &end);
	if (end == text || *end || *text == ' ')
		return false;
	/* Infinity only where it was asked for. */
	return !isinf(type == MBSHM_F32 ? (float)value->f64 : value->f64) || strpbrk(text, "iI");
}

const char *value_parse(enum mbshm_type type, enum mbshm_order order, const char *text, void *data,
			uint32_t index)
{
	static const char *const expected[MBSHM_TYPES] = {
		[MBSHM_U16] = "a whole number 0..65535",
		[MBSHM_I16] = "a whole number -32768..32767",
		[MBSHM_U32] = "a whole number 0..4294967295",
		[MBSHM_I32] = "a whole number -2147483648..2147483647",
		[MBSHM_U64] = "a whole number of 64 bits",
		[MBSHM_I64] = "a whole number of 63 bits and sign",
		[MBSHM_F32] = "a number up to 3.4e38",
		[MBSHM_F64] = "a number up to 1.8e308",
	};
	union mbshm_value value;
	if (type == MBSHM_BOOL)
		return bool_parse(text, data, index);
	bool is_float = type == MBSHM_F32 || type == MBSHM_F64;
	if (!(is_float ? float_parse(type, text, &value) : whole_parse(type, text, &value)))
		return expected[type];
	mbshm_encode(type, order, value, (uint16_t *)data + index);
	return NULL;
}
