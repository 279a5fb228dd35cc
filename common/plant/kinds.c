/* The general kinds of values. */
#include "plant/kinds.h"

#include "base/network.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what kinds are made of ---------------------------------------------------------------- */

void kind_format(uint64_t value, char *text)
{
	snprintf(text, FORMAT_SIZE, "%llu", (unsigned long long)value);
}

void *kind_field(const struct reading *reading, size_t size)
{
	assert(reading->row->size == size);
	return reading->to;
}

void kind_store(const struct reading *reading, uint64_t value)
{
	switch (reading->row->size) {
	case 1:
		*(uint8_t *)reading->to = (uint8_t)value;
		break;
	case 2:
		*(uint16_t *)reading->to = (uint16_t)value;
		break;
	case 4:
		*(uint32_t *)reading->to = (uint32_t)value;
		break;
	case 8:
		*(uint64_t *)reading->to = value;
		break;
	default:
		assert(!"a number of 1, 2, 4 or 8 bytes");
	}
}

bool kind_choice(const struct reading *reading, const struct choice *choice)
{
	for (; reading->text && choice->word; choice++)
		if (!strcmp(choice->word, reading->text)) {
			kind_store(reading, (uint64_t)choice->value);
			return true;
		}
	return false;
}

int kind_small(const struct reading *reading, int max)
{
	if (config_setting_type(reading->value) != CONFIG_TYPE_INT)
		return -1;
	int value = config_setting_get_int(reading->value);
	return value >= 0 && value <= max ? value : -1;
}

/* Store a number within the row's limits, which the field must be able to hold. */
static bool store_within(const struct reading *r, uint64_t value)
{
	const struct setting_row *row = r->row;
	assert(row->size == sizeof value || !(row->max >> 8 * row->size));
	if (value < row->min || value > row->max)
		return false;
	kind_store(r, value);
	return true;
}

/* ---- numbers, durations, texts ------------------------------------------------------------- */

static bool read_number(struct reading *r)
{
	int type = config_setting_type(r->value);
	long long value = config_setting_get_int64(r->value);
	if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) || value < 0)
		return false;
	return store_within(r, (uint64_t)value);
}

static const struct time_unit {
	const char *name;
	uint64_t ms;
} time_units[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
enum { TIME_UNITS = sizeof time_units / sizeof *time_units };

static void format_duration(uint64_t ms, char *text)
{
	const struct time_unit *unit = time_units;
	while (ms % unit->ms || (!ms && unit->ms != 1))
		unit++;
	snprintf(text, FORMAT_SIZE, "%llu%s", (unsigned long long)(ms / unit->ms), unit->name);
}

/* Digits, perhaps a point and digits, and a unit, as a whole number of milliseconds.  By hand: no
 * rounding, no locale. */
static bool read_duration(struct reading *r)
{
	static const char digits[] = "0123456789";
	if (!r->text)
		return false;
	size_t whole = strspn(r->text, digits);
	size_t fraction = r->text[whole] == '.' ? strspn(r->text + whole + 1, digits) : 0;
	const char *name = r->text + whole + (r->text[whole] == '.' ? 1 + fraction : 0);
	if (whole < 1 || whole > 9 || fraction > 9 || (r->text[whole] == '.' && !fraction))
		return false;
	for (const struct time_unit *unit = time_units; unit < time_units + TIME_UNITS; unit++) {
		if (strcmp(unit->name, name) != 0)
			continue;
		uint64_t scale = 1, parts = 0;
		for (size_t i = 0; i < fraction; i++, scale *= 10)
			parts = parts * 10 + (uint64_t)(r->text[whole + 1 + i] - '0');
		uint64_t ms = strtoul(r->text, NULL, 10) * unit->ms + parts * unit->ms / scale;
		return parts * unit->ms % scale == 0 && store_within(r, ms);
	}
	return false;
}

static bool read_ascii(struct reading *r)
{
	assert(r->row->max < r->row->size);
	if (!r->text || strlen(r->text) < r->row->min || strlen(r->text) > r->row->max)
		return false;
	for (const char *c = r->text; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	strcpy(r->to, r->text);
	return true;
}

static bool read_flag(struct reading *r)
{
	bool *flag = kind_field(r, sizeof *flag);
	*flag = config_setting_get_bool(r->value);
	return config_setting_type(r->value) == CONFIG_TYPE_BOOL;
}

/* ---- permissions, groups, networks --------------------------------------------------------- */

static bool read_mode(struct reading *r)
{
	mode_t *mode = kind_field(r, sizeof *mode);
	if (!r->text || strlen(r->text) < 3 || strlen(r->text) > 4 ||
	    r->text[strspn(r->text, "01234567")])
		return false;
	*mode = (mode_t)strtoul(r->text, NULL, 8);
	if (*mode & 0002) {
		snprintf(r->why, sizeof r->why,
			 "\"%s\" lets everybody write, expected a mode that does not, such as "
			 "\"0660\"",
			 r->text);
		return false;
	}
	return (*mode & 0600) == 0600 && !(*mode & ~0664U);
}

/* The buffer grows until the group's members fit, up to 16 MiB. */
static bool read_group(struct reading *r)
{
	gid_t *gid = kind_field(r, sizeof *gid);
	*gid = (gid_t)-1;
	if (!r->text || !*r->text)
		return r->text;
	char *buffer = NULL;
	struct group group, *found = NULL;
	int rc = ERANGE;
	for (size_t size = 4096; rc == ERANGE && size <= 16 << 20; size *= 2) {
		free(buffer);
		buffer = malloc(size);
		rc = buffer ? getgrnam_r(r->text, &group, buffer, size, &found) : ENOMEM;
	}
	if (found)
		*gid = group.gr_gid;
	else
		snprintf(r->why, sizeof r->why, "\"%.64s\": %s, expected a group of this system",
			 r->text, rc ? strerror(rc) : "no such group");
	free(buffer);
	return found;
}

static bool read_network(struct reading *r)
{
	struct network *network = kind_field(r, sizeof *network);
	_Static_assert(sizeof r->why >= NETWORK_WHY_SIZE, "room for why");
	return r->text && !network_parse(r->text, network, r->why);
}

/* ---- the kinds ----------------------------------------------------------------------------- */

const struct setting_kind kind_number = { .expected = "a whole number",
					  .format = kind_format,
					  .read = read_number };
const struct setting_kind kind_duration = {
	.expected = "a duration with its unit (\"250ms\", \"1.5s\", \"2m\", \"1h\"),",
	.format = format_duration,
	.read = read_duration
};
const struct setting_kind kind_ascii = { .expected = "printable ASCII in quotes,",
					 .format = kind_format,
					 .read = read_ascii };
const struct setting_kind kind_flag = { .expected = "true or false", .read = read_flag };
const struct setting_kind kind_mode = { .expected = "octal digits of read and write bits in "
						    "quotes, at least \"0600\", such as \"0660\"",
					.read = read_mode };
const struct setting_kind kind_group = { .expected = "a group's name in quotes",
					 .read = read_group };
const struct setting_kind kind_network = {
	.expected = "an address in digits, with or without \"/BITS\", or \"unix\"",
	.read = read_network
};

static bool read_unit_id(struct reading *r)
{
	uint64_t *words = kind_field(r, 4 * sizeof *words);
	int id = kind_small(r, 255);
	if (id < 0)
		return false;
	words[id / 64] |= UINT64_C(1) << id % 64;
	return true;
}

const struct setting_kind kind_unit_id = { .expected = "unit ids 0..255", .read = read_unit_id };
