#include "plant/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const table_words[MBSHM_TABLES] = {
	[MBSHM_COILS] = "coil",
	[MBSHM_DISCRETE_INPUTS] = "discrete",
	[MBSHM_HOLDING_REGISTERS] = "holding",
	[MBSHM_INPUT_REGISTERS] = "input",
};

const char *plant_table_word(enum mbshm_table table)
{
	return table_words[table];
}

int plant_parse_address(const char *text, enum mbshm_table *table, uint16_t *addr)
{
	size_t word = strcspn(text, " \t");
	const char *digits = text + word + strspn(text + word, " \t");
	size_t length = strspn(digits, "0123456789");
	unsigned long value = length >= 1 && length <= 5 ? strtoul(digits, NULL, 10) : MBSHM_ITEMS;
	if (digits[length] || value >= MBSHM_ITEMS)
		return -EINVAL;
	for (int i = 0; i < MBSHM_TABLES; i++)
		if (strlen(table_words[i]) == word && !strncmp(table_words[i], text, word) &&
		    digits > text + word) {
			*table = (enum mbshm_table)i;
			*addr = (uint16_t)value;
			return 0;
		}
	return -EINVAL;
}

bool span_declared(const struct mbshm_layout *layout, const struct mbshm_span *wanted)
{
	const struct mbshm_span *span = layout->spans, *end = span + layout->span_count;
	for (; span < end; span++) /* they do not touch one another, so it is one of them */
		if (span->table == wanted->table && wanted->first >= span->first &&
		    wanted->first - span->first + wanted->count <= span->count)
			return true;
	return false;
}

static int read_point(const struct source *source, const config_setting_t *section,
		      struct plant_point *point)
{
	const char *name = config_setting_name(section);
	if (strlen(name) >= sizeof point->name)
		return source_fail(
			source, section,
			"points.%.40s...: a name of %zu characters, expected at most %zu", name,
			strlen(name), sizeof point->name - 1);
	strcpy(point->name, name);
	char path[PLANT_NAME_MAX + 16];
	snprintf(path, sizeof path, "points.%s", name);
	return setting_read_section(source, "points.*", section, path, point);
}

/* owner: point number + 1 of every address of every table, 0: none yet. */
static int check_place(const struct source *source, const config_setting_t *at,
		       const struct plant *plant, unsigned index, uint32_t (*owner)[MBSHM_ITEMS])
{
	const struct plant_point *point = &plant->points[index];
	const char *word = plant_table_word(point->table);
	uint32_t *place = &owner[point->table][point->addr];
	const struct mbshm_span span = { point->table, point->addr, 1 };
	if (!span_declared(&plant->image.layout, &span))
		return source_fail(source, at,
				   "points.%s.address: \"%s %u\" is not declared, expected an "
				   "address in the image's ranges",
				   point->name, word, point->addr);
	if (*place) {
		const struct plant_point *other = &plant->points[*place - 1];
		return source_fail(source, at,
				   "points.%s.address: \"%s %u\" is taken by points.%s (line %u), "
				   "expected an address of its own",
				   point->name, word, point->addr, other->name, other->line);
	}
	*place = index + 1;
	return 0;
}

int points_read(const struct source *source, struct plant *plant)
{
	const config_setting_t *section = config_lookup(&source->config, "points");
	unsigned count = section ? (unsigned)config_setting_length(section) : 0;
	if (!count)
		return 0;
	uint32_t(*owner)[MBSHM_ITEMS] = calloc(MBSHM_TABLES, sizeof *owner);
	plant->points = calloc(count, sizeof *plant->points);
	int rc = owner && plant->points ? 0 : source_fail(source, section, "out of memory");
	for (unsigned i = 0; i < count && !rc; i++) {
		const config_setting_t *each = config_setting_get_elem(section, i);
		rc = read_point(source, each, &plant->points[i]);
		if (rc)
			break;
		const config_setting_t *at = config_setting_get_member(each, "address");
		plant->points[i].line = source_where(source, at).line;
		plant->point_count = i + 1;
		rc = check_place(source, at, plant, i, owner);
	}
	free(owner);
	return rc;
}
