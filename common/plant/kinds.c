#include "plant/kinds.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- whole numbers, durations, texts ------------------------------------------------------- */

void value_format(uint64_t value, char *text)
{
	snprintf(text, FORMAT_SIZE, "%llu", (unsigned long long)value);
}

static bool read_number(struct reading *r)
{
	int type = config_setting_type(r->value);
	long long value = config_setting_get_int64(r->value);
	if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) || value < 0)
		return false;
	if ((uint64_t)value < r->row->min || (uint64_t)value > r->row->max)
		return false;
	if (r->row->size == sizeof(uint32_t))
		*(uint32_t *)r->to = (uint32_t)value;
	else
		*(uint64_t *)r->to = (uint64_t)value;
	return true;
}

static const struct unit {
	const char *name;
	uint64_t ms;
} units[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
enum { UNITS = sizeof units / sizeof *units };

static void format_duration(uint64_t ms, char *text)
{
	const struct unit *unit = units;
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
	for (const struct unit *unit = units; unit < units + UNITS; unit++) {
		if (strcmp(unit->name, name) != 0)
			continue;
		uint64_t scale = 1, parts = 0;
		for (size_t i = 0; i < fraction; i++, scale *= 10)
			parts = parts * 10 + (uint64_t)(r->text[whole + 1 + i] - '0');
		uint64_t ms = strtoul(r->text, NULL, 10) * unit->ms + parts * unit->ms / scale;
		*(uint64_t *)r->to = ms;
		return parts * unit->ms % scale == 0 && ms >= r->row->min && ms <= r->row->max;
	}
	return false;
}

static bool read_text(struct reading *r)
{
	if (!r->text || strlen(r->text) < r->row->min || strlen(r->text) > r->row->max)
		return false;
	for (const char *c = r->text; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	snprintf(r->to, r->row->size, "%s", r->text);
	return true;
}

static bool read_flag(struct reading *r)
{
	if (config_setting_type(r->value) != CONFIG_TYPE_BOOL)
		return false;
	*(bool *)r->to = config_setting_get_bool(r->value);
	return true;
}

/* ---- the image ----------------------------------------------------------------------------- */

static bool read_name(struct reading *r)
{
	if (!r->text || r->text[0] != '/' || strlen(r->text) < 2 ||
	    strlen(r->text) >= MBSHM_NAME_SIZE)
		return false;
	if (!strcmp(r->text, "/.") || !strcmp(r->text, "/.."))
		return false;
	for (const char *c = r->text + 1; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/')
			return false;
	strcpy(r->to, r->text);
	return true;
}

static bool read_mode(struct reading *r)
{
	if (!r->text || strlen(r->text) < 3 || strlen(r->text) > 4 ||
	    r->text[strspn(r->text, "01234567")])
		return false;
	unsigned long mode = strtoul(r->text, NULL, 8);
	if (mode & 0002) {
		snprintf(r->why, sizeof r->why,
			 "\"%s\" lets everybody write, expected a mode that does not, such as "
			 "\"0660\"",
			 r->text);
		return false;
	}
	*(mode_t *)r->to = (mode_t)mode;
	return (mode & 0600) == 0600 && !(mode & ~0664ul);
}

static bool read_group(struct reading *r)
{
	*(gid_t *)r->to = (gid_t)-1;
	if (!r->text || !*r->text)
		return r->text;
	char *buffer = NULL;
	struct group group, *found = NULL;
	int rc = ERANGE;
	for (size_t size = 4096; rc == ERANGE && size <= 16 << 20;
	     size *= 2) { /* a group's members all go in here */
		free(buffer);
		buffer = malloc(size);
		rc = buffer ? getgrnam_r(r->text, &group, buffer, size, &found) : ENOMEM;
	}
	if (found)
		*(gid_t *)r->to = group.gr_gid;
	else
		snprintf(r->why, sizeof r->why, "\"%.64s\": %s, expected a group of this system",
			 r->text, rc ? strerror(rc) : "no such group");
	free(buffer);
	return found;
}

bool value_digits(const char **text, uint32_t max, uint32_t *value)
{
	size_t length = strspn(*text, "0123456789");
	if (length < 1 || length > 5)
		return false;
	*value = (uint32_t)strtoul(*text, NULL, 10);
	*text += length;
	return *value <= max;
}

bool value_span_parse(const char *text, struct mbshm_span *span)
{
	uint32_t last;
	if (!value_digits(&text, MBSHM_ITEMS - 1, &span->first))
		return false;
	last = span->first;
	if (*text == '-' && (text++, !value_digits(&text, MBSHM_ITEMS - 1, &last)))
		return false;
	span->count = last - span->first + 1;
	return !*text && last >= span->first;
}

static bool read_span(struct reading *r)
{
	struct mbshm_span span = { .count = 1 };
	if (config_setting_type(r->value) == CONFIG_TYPE_INT) {
		int value = config_setting_get_int(r->value);
		if (value < 0 || value >= MBSHM_ITEMS)
			return false;
		span.first = (uint32_t)value;
	} else if (!r->text || !value_span_parse(r->text, &span)) {
		return false;
	}
	int rc = mbshm_layout_add(r->to, r->row->table, span.first, span.count);
	if (rc)
		snprintf(r->why, sizeof r->why,
			 "too many spans, expected at most %d in all four lists together",
			 MBSHM_SPANS_MAX);
	return !rc;
}

/* ---- points -------------------------------------------------------------------------------- */

/* In enum plant_type's order. */
static const struct point_type {
	const char *name;
	double high; /* it holds 0..high */
} point_types[] = { { "bool", 1 }, { "u16", 65535 } };

static bool read_address(struct reading *r)
{
	struct plant_point *point = r->base;
	if (!r->text || plant_parse_address(r->text, &point->table, &point->addr))
		return false;
	point->type = point->table == MBSHM_COILS || point->table == MBSHM_DISCRETE_INPUTS
			      ? PLANT_BOOL
			      : PLANT_U16;
	return true;
}

/* The table has decided already; the setting is there to be read by people, and must agree. */
static bool read_type(struct reading *r)
{
	const struct plant_point *point = r->base;
	const char *fits = point_types[point->type].name;
	if (!r->text || (strcmp(r->text, "bool") != 0 && strcmp(r->text, "u16") != 0))
		return false;
	if (strcmp(r->text, fits) != 0)
		snprintf(r->why, sizeof r->why,
			 "\"%s\" does not fit address \"%s %u\", expected \"%s\"", r->text,
			 plant_table_word(point->table), point->addr, fits);
	return !strcmp(r->text, fits);
}

static bool read_model(struct reading *r)
{
	struct plant_point *point = r->base;
	return r->text &&
	       model_parse(r->text, 0, point_types[point->type].high, &point->model, r->why) == 0;
}

/* ---- the kinds ----------------------------------------------------------------------------- */

const struct setting_kind kind_number = { "a whole number", value_format, read_number };
const struct setting_kind kind_duration = {
	"a duration with its unit (\"250ms\", \"1.5s\", \"2m\", \"1h\"),", format_duration,
	read_duration
};
const struct setting_kind kind_ascii = { "printable ASCII in quotes,", value_format, read_text };
const struct setting_kind kind_name = {
	"\"/NAME\" without another slash, printable, up to 254 characters", NULL, read_name
};
const struct setting_kind kind_mode = {
	"octal digits of read and write bits in quotes, \"0600\" included, such as \"0660\"", NULL,
	read_mode
};
const struct setting_kind kind_group = { "a group's name in quotes", NULL, read_group };
const struct setting_kind kind_span = { "\"FIRST-LAST\" or one address,", value_format, read_span };
const struct setting_kind kind_flag = { "true or false", NULL, read_flag };
const struct setting_kind kind_address = {
	"\"TABLE ADDRESS\", TABLE coil, discrete, holding or input, ADDRESS 0..65535", NULL,
	read_address
};
const struct setting_kind kind_type = { "\"bool\" or \"u16\"", NULL, read_type };
const struct setting_kind kind_model = {
	"a model and its parameters in quotes, such as \"uniform 0 100\"", NULL, read_model
};
