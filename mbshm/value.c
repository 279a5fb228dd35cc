#include "mbshm/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- addresses ----------------------------------------------------------------------------- */

/* FIRST or FIRST-LAST. */
static bool range_parse(const char *text, struct place *place)
{
	static const char digits[] = "0123456789";
	size_t length = strspn(text, digits);
	unsigned long first, last;
	if (length < 1 || length > 5)
		return false;
	first = last = strtoul(text, NULL, 10);
	place->range = text[length] == '-';
	if (place->range) {
		text += length + 1;
		length = strspn(text, digits);
		if (length < 1 || length > 5)
			return false;
		last = strtoul(text, NULL, 10);
	}
	if (text[length] || last < first || last >= MBSHM_ITEMS)
		return false;
	place->span.first = (uint32_t)first;
	place->span.count = (uint32_t)(last - first + 1);
	return true;
}

static int table_find(const char *text, size_t length)
{
	for (int table = 0; table < MBSHM_TABLES; table++)
		if (strlen(plant_table_word((enum mbshm_table)table)) == length &&
		    !strncmp(plant_table_word((enum mbshm_table)table), text, length))
			return table;
	return -1;
}

bool place_parse(const char *text, struct place *place)
{
	size_t length = strcspn(text, ": ");
	int table = table_find(text, length);
	place->span.table = (enum mbshm_table)table;
	return table >= 0 && text[length] && range_parse(text + length + 1, place);
}

bool place_ahead(int argc, char **argv)
{
	return argc > 0 && table_find(argv[0], strcspn(argv[0], ": ")) >= 0;
}

struct place place_take(int *argc, char ***argv)
{
	char joined[64];
	const char *text = (*argv)[0];
	struct place place;
	if (*argc > 1 && table_find(text, strlen(text)) >= 0) {
		snprintf(joined, sizeof joined, "%s:%s", text, (*argv)[1]);
		text = joined;
		--*argc, ++*argv;
	}
	--*argc, ++*argv;
	if (!place_parse(text, &place))
		die(EXIT_USAGE,
		    "'%s': expected an address such as holding:1000 or holding:1000-1010; "
		    "tables are coil, discrete, holding, input",
		    text);
	return place;
}

const char *span_text(enum mbshm_table table, uint32_t first, uint32_t count)
{
	static char texts[2][32];
	static unsigned turn;
	char *text = texts[turn++ % 2];
	int used = snprintf(text, sizeof texts[0], "%s:%u", plant_table_word(table), first);
	if (count > 1)
		snprintf(text + used, sizeof texts[0] - (size_t)used, "-%u", first + count - 1);
	return text;
}

/* ---- types --------------------------------------------------------------------------------- */

unsigned value_type(const struct tool *tool, enum mbshm_table table)
{
	bool bits = table < MBSHM_HOLDING_REGISTERS;
	if (tool->type == TYPE_ANY)
		return bits ? TYPE_BOOL : MBSHM_U16;
	if ((tool->type == TYPE_BOOL) != bits)
		die(EXIT_USAGE, "--type %s: expected %s for table %s", value_type_name(tool->type),
		    bits ? "bool" : "a type of registers", plant_table_word(table));
	return tool->type;
}

unsigned value_items(unsigned type)
{
	return type == TYPE_BOOL ? 1 : mbshm_type_registers((enum mbshm_type)type);
}

const char *value_type_name(unsigned type)
{
	return type == TYPE_BOOL ? "bool" : mbshm_type_name((enum mbshm_type)type);
}

int value_type_find(const char *name)
{
	for (unsigned type = 0; type < MBSHM_TYPES; type++)
		if (!strcmp(value_type_name(type), name))
			return (int)type;
	return -1;
}

/* ---- values -------------------------------------------------------------------------------- */

/* The shortest that reads back as the same value. */
static void float_text(double value, bool narrow, char *text)
{
	for (int digits = narrow ? 6 : 15; digits <= (narrow ? 9 : 17); digits++) {
		snprintf(text, VALUE_TEXT, "%.*g", digits, value);
		if (narrow ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
			return;
	}
}

void value_text(unsigned type, enum mbshm_order order, const void *data, uint32_t index,
		char text[VALUE_TEXT])
{
	union mbshm_value value;
	if (type == TYPE_BOOL) {
		snprintf(text, VALUE_TEXT, "%d",
			 ((const uint8_t *)data)[index / 8] >> index % 8 & 1);
		return;
	}
	value = mbshm_decode((enum mbshm_type)type, order, (const uint16_t *)data + index);
	switch (mbshm_type_name((enum mbshm_type)type)[0]) {
	case 'u':
		snprintf(text, VALUE_TEXT, "%" PRIu64, value.u64);
		break;
	case 'i':
		snprintf(text, VALUE_TEXT, "%" PRId64, value.i64);
		break;
	default:
		float_text(value.f64, type == MBSHM_F32, text);
	}
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
static bool whole_parse(unsigned type, const char *text, union mbshm_value *value)
{
	bool is_signed = mbshm_type_name((enum mbshm_type)type)[0] == 'i';
	unsigned bits = 16 * mbshm_type_registers((enum mbshm_type)type);
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

static bool float_parse(unsigned type, const char *text, union mbshm_value *value)
{
	char *end;
	value->f64 = strtod(text, &end);
	if (end == text || *end || *text == ' ')
		return false;
	/* Infinity only where it was asked for. */
	return !isinf(type == MBSHM_F32 ? (float)value->f64 : value->f64) || strpbrk(text, "iI");
}

const char *value_parse(unsigned type, enum mbshm_order order, const char *text, void *data,
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
	if (type == TYPE_BOOL)
		return bool_parse(text, data, index);
	bool is_float = type == MBSHM_F32 || type == MBSHM_F64;
	if (!(is_float ? float_parse(type, text, &value) : whole_parse(type, text, &value)))
		return expected[type];
	mbshm_encode((enum mbshm_type)type, order, value, (uint16_t *)data + index);
	return NULL;
}
