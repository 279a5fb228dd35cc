/* The section "points". */
#include "plant/points.h"

#include "plant/kinds.h"
#include "plant/lists.h"
#include "point/address.h"
#include "point/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds --------------------------------------------------------------------------------- */

/* A point holds 0..high. */
static double type_high(enum mbshm_type type)
{
	return type == MBSHM_BOOL ? 1 : UINT16_MAX;
}

static bool read_address(struct reading *r)
{
	struct plant_point *point = r->base;
	struct mbshm_span span;
	bool range;
	if (!r->text || !address_parse(r->text, &span, &range) || range)
		return false;
	point->table = span.table;
	point->addr = (uint16_t)span.first;
	point->type = value_type_usual(point->table);
	return true;
}

static const struct setting_kind kind_address = {
	.expected = "\"TABLE ADDRESS\", TABLE coil, discrete, holding or input, ADDRESS 0..65535",
	.read = read_address
};

/* The table has decided already; the setting is there to be read by people, and must agree. */
static bool read_type(struct reading *r)
{
	const struct plant_point *point = r->base;
	const char *fits = mbshm_type_name(point->type);
	if (!r->text || (strcmp(r->text, "bool") != 0 && strcmp(r->text, "u16") != 0))
		return false;
	if (strcmp(r->text, fits) != 0)
		snprintf(r->why, sizeof r->why,
			 "\"%s\" does not fit address \"%s %u\", expected \"%s\"", r->text,
			 mbshm_table_name(point->table), point->addr, fits);
	return !strcmp(r->text, fits);
}

static const struct setting_kind kind_type = { .expected = "\"bool\" or \"u16\"",
					       .read = read_type };

static bool read_model(struct reading *r)
{
	const struct plant_point *point = r->base;
	struct model_config *model = kind_field(r, sizeof *model);
	_Static_assert(sizeof r->why >= MODEL_ERROR_SIZE, "room for why");
	return r->text && !model_parse(r->text, 0, type_high(point->type), model, r->why);
}

static const struct setting_kind kind_model = {
	.expected = "a model and its parameters in quotes, such as \"uniform 0 100\"",
	.read = read_model
};

/* ---- rows ---------------------------------------------------------------------------------- */

#define POINT(member) FIELD(struct plant_point, member)

/* In this order: the type must fit the address, and the model the type. */
static const struct setting_row rows[] = {
	{ "points.*.address", &kind_address, POINT(table),
	  .help = "table and address of the point" },
	{ "points.*.type", &kind_type,
	  .otherwise = "the table's: bool for coils and discrete inputs, u16 for registers",
	  POINT(type), .help = "type of the value" },
	{ "points.*.model", &kind_model, POINT(model), .help = "what makes the value move" },
};

/* ---- checks -------------------------------------------------------------------------------- */

static int name_point(const struct plant_text *text, const config_setting_t *group,
		      struct plant_point *point)
{
	const char *name = config_setting_name(group);
	if (strlen(name) >= sizeof point->name)
		return text_fail(text, group,
				 "points.%.40s...: a name of %zu characters, expected at most %zu",
				 name, strlen(name), sizeof point->name - 1);
	strcpy(point->name, name);
	return 0;
}

/* owner: point number + 1 of every address of every table, 0: none yet. */
static int claim_address(const struct plant_text *text, const config_setting_t *at,
			 const struct plant *plant, unsigned index, uint32_t (*owner)[MBSHM_ITEMS])
{
	const struct plant_point *point = &plant->points[index];
	const char *word = mbshm_table_name(point->table);
	uint32_t *claimed = &owner[point->table][point->addr];
	if (!mbshm_layout_has(&plant->image.layout, point->table, point->addr, 1))
		return text_fail(text, at,
				 "points.%s.address: \"%s %u\" is not declared, expected an "
				 "address in the image's ranges",
				 point->name, word, point->addr);
	if (*claimed) {
		const struct plant_point *other = &plant->points[*claimed - 1];
		return text_fail(text, at,
				 "points.%s.address: \"%s %u\" is taken by points.%s (line %u), "
				 "expected an address of its own",
				 point->name, word, point->addr, other->name, other->line);
	}
	*claimed = index + 1;
	return 0;
}

static int check_points(const struct plant_text *text, const struct setting_list *list,
			struct plant *plant)
{
	uint32_t(*owner)[MBSHM_ITEMS] = calloc(MBSHM_TABLES, sizeof *owner);
	int rc = owner ? 0 : text_fail(text, list->setting, "out of memory");
	for (unsigned i = 0; i < list->count && !rc; i++) {
		const config_setting_t *at = list_member(list, i, "address");
		plant->points[i].line = text_where(text, at).line;
		rc = name_point(text, config_setting_get_elem(list->setting, i), &plant->points[i]);
		rc = rc ? rc : claim_address(text, at, plant, i, owner);
	}
	free(owner);
	return rc;
}

static int points_finish(const struct plant_text *text, struct plant *plant)
{
	struct setting_list list = { .path = "points", .size = sizeof(struct plant_point) };
	int rc = list_read(text, &points_section, &list);
	plant->points = list.items;
	plant->point_count = list.count;
	return rc || !list.count ? rc : check_points(text, &list, plant);
}

const struct setting_section points_section = { ROWS(rows), points_finish };
