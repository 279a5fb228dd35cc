/* The list "server.units", and what other unit ids are answered. */
#include "plant/units.h"

#include "modbus/exception.h"
#include "plant/kinds.h"
#include "plant/lists.h"

#include <string.h>

static bool read_unknown(struct reading *r)
{
	static const struct choice choices[] = {
		{ "0x0B", 0x0B }, { "0x0A", 0x0A }, { "silence", ANSWER_SILENCE }, { 0 }
	};
	return kind_choice(r, choices);
}

static const struct setting_kind kind_unknown = { .expected = "\"0x0B\", \"0x0A\" or \"silence\"",
						  .read = read_unknown };

#define UNIT(member) FIELD(struct plant_unit, member)

static const struct setting_row rows[] = {
	{ "server.units.#.id", &kind_number, .max = 255, UNIT(id), .help = "a unit id" },
	{ "server.units.#.plant", &kind_ascii, .min = 1,
	  .max = sizeof((struct plant_unit *)0)->file - 1, .unit = "bytes",
	  .otherwise = "this plant", UNIT(file),
	  .help = "plant file of the unit, relative to this file's folder" },
	{ "server.own_units", &kind_unit_id, .list = true,
	  .otherwise = "0 and 255; every id if there is no server.units",
	  FIELD(struct plant, server.own_units),
	  .help = "unit ids without entry in server.units that are this plant" },
	{ "server.unknown_unit", &kind_unknown, .preset = "\"0x0B\"",
	  FIELD(struct plant, server.unknown_unit),
	  .help = "exception that answers a unit id that leads to no plant" },
};

/* The unit ids that are this plant when the plant does not say it.  Without other units all are, so
 * that clients need not know one. */
static void own_units_preset(struct plant_server *server)
{
	bool all = server->unit_count == 0;
	for (unsigned i = 0; i < 4; i++)
		server->own_units[i] = all ? UINT64_MAX : 0;
	server->own_units[0] |= 1;
	server->own_units[3] |= UINT64_C(1) << 63;
}

/* An entry without plant is this one, which must have an image then. */
static int check_plants(const struct plant_text *text, const struct setting_list *list,
			const struct plant *plant)
{
	const struct plant_unit *units = list->items;
	for (unsigned i = 0; i < list->count && !plant_has_image(plant); i++)
		if (!units[i].file[0])
			return text_fail(text, list_member(list, i, "plant"),
					 "server.units[%u].plant is missing, expected a plant "
					 "file, as this plant declares no address",
					 i);
	return 0;
}

static int units_finish(const struct plant_text *text, struct plant *plant)
{
	struct setting_list list = { .path = "server.units", .size = sizeof(struct plant_unit) };
	int rc = list_read(text, &units_section, &list);
	rc = rc ? rc : list_check_distinct(text, &list, "id", offsetof(struct plant_unit, id));
	rc = rc ? rc : check_plants(text, &list, plant);
	plant->server.units = list.items;
	plant->server.unit_count = list.count;
	const config_setting_t *own = config_lookup(&text->config, "server.own_units");
	if (!own)
		own_units_preset(&plant->server);
	else if (!rc && !list.count && config_setting_length(own) == 0 &&
		 config_setting_is_aggregate(own))
		rc = text_fail(text, own,
			       "server.own_units: an empty list, expected at least one unit id, as "
			       "there is no server.units");
	return rc;
}

const struct setting_section units_section = { ROWS(rows), units_finish };

void units_map(const struct plant *plant, const struct plant *units[UNIT_IDS])
{
	const struct plant_server *server = &plant->server;
	const struct plant *own = plant_has_image(plant) ? plant : NULL;
	for (unsigned id = 0; id < UNIT_IDS; id++)
		units[id] = own && server->own_units[id / 64] >> id % 64 & 1 ? own : NULL;
	for (unsigned i = 0; i < server->unit_count; i++) {
		const struct plant_unit *unit = &server->units[i];
		units[unit->id] = unit->plant ? unit->plant : own;
	}
}

bool units_same(const struct plant *a, const struct plant *b)
{
	return a && b && (a == b || !strcmp(a->image.name, b->image.name));
}

int unit_fail(const struct plant_text *text, unsigned index, const char *why)
{
	const struct setting_list list = {
		.setting = config_lookup(&text->config, "server.units"),
	};
	return text_fail(text, list_member(&list, index, "plant"), "server.units[%u].plant: %s",
			 index, why);
}
