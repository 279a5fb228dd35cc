/* What clients may do: default_access, the list access, functions. */
#include "plant/access.h"

#include "base/network.h"
#include "modbus/function.h"
#include "plant/kinds.h"
#include "plant/lists.h"
#include "plant/units.h"
#include "point/address.h"

#include <stdio.h>

/* ---- kinds --------------------------------------------------------------------------------- */

static bool read_allow(struct reading *r)
{
	static const struct choice choices[] = { { "all", PLANT_ALLOW_ALL },
						 { "read", PLANT_ALLOW_READ },
						 { "none", PLANT_ALLOW_NONE },
						 { 0 } };
	return kind_choice(r, choices);
}

static const struct setting_kind kind_allow = { .expected = "\"all\", \"read\" or \"none\"",
						.read = read_allow };

static bool read_refusal(struct reading *r)
{
	static const struct choice choices[] = { { "01", 1 }, { "02", 2 }, { 0 } };
	return kind_choice(r, choices);
}

static const struct setting_kind kind_refusal = { .expected = "\"01\" or \"02\"",
						  .read = read_refusal };

static bool parse_writes(const char *words, struct mbshm_span *span)
{
	return words && address_parse(words, span, NULL) &&
	       (span->table == MBSHM_COILS || span->table == MBSHM_HOLDING_REGISTERS);
}

static bool read_writes(struct reading *r)
{
	struct mbshm_layout *layout = kind_field(r, sizeof *layout);
	struct mbshm_span span;
	return parse_writes(r->text, &span) &&
	       !mbshm_layout_add(layout, span.table, span.first, span.count);
}

static const struct setting_kind kind_writes = {
	.expected =
		"\"TABLE FIRST-LAST\" (FIRST <= LAST) or \"TABLE ADDRESS\", TABLE coil or holding",
	.read = read_writes
};

static bool read_function(struct reading *r)
{
	struct function_set *set = kind_field(r, sizeof *set);
	int code = kind_small(r, 255);
	if (code < 0 || !functions[code].decode)
		return false;
	function_set_add(set, (uint8_t)code);
	return true;
}

static void function_words(char *words, size_t size)
{
	size_t used = (size_t)snprintf(words, size, "function codes out of");
	const char *comma = "";
	for (unsigned code = 0; code < 256 && used < size; code++)
		if (functions[code].decode) {
			used += (size_t)snprintf(words + used, size - used, "%s %u", comma, code);
			comma = ",";
		}
}

static const struct setting_kind kind_function = { .words = function_words, .read = read_function };

/* ---- rows ---------------------------------------------------------------------------------- */

#define SERVER(member) FIELD(struct plant, server.member)
#define RULE(member)   FIELD(struct plant_access, member)

static const struct setting_row rows[] = {
	{ "server.default_access", &kind_allow, .preset = "\"all\"", SERVER(default_access),
	  .help = "what clients may do if no rule of server.access applies to them" },
	{ "server.access.#.from", &kind_network, .otherwise = "everybody", RULE(from),
	  .help = "clients that the rule applies to" },
	{ "server.access.#.units", &kind_unit_id, .list = true, .otherwise = "every unit",
	  RULE(units), .help = "units that the rule applies to" },
	{ "server.access.#.allow", &kind_allow, .preset = "\"all\"", RULE(allow),
	  .help = "whether they may write, only read, or not even connect" },
	{ "server.access.#.functions", &kind_function, .list = true,
	  .otherwise = "those of server.functions", RULE(functions),
	  .help = "functions allowed; the others are answered with exception 01" },
	{ "server.access.#.write", &kind_writes, .list = true, .otherwise = "everything",
	  RULE(writes), .help = "what may be written" },
	{ "server.access.#.refuse", &kind_refusal, .preset = "\"02\"", RULE(refusal),
	  .help = "exception that answers a write that is not allowed" },
	{ "server.access.#.keep", &kind_flag, .preset = "false", RULE(keep),
	  .help = "their connections are closed neither to make room nor for being idle" },
	{ "server.functions", &kind_function, .list = true, .otherwise = "all of them",
	  SERVER(functions),
	  .help = "functions switched on; the others are answered with exception 01" },
};

/* ---- checks -------------------------------------------------------------------------------- */

/* An empty list could mean nothing or everything, so it is refused. */
static int check_empty(const struct plant_text *text, const struct setting_list *list,
		       unsigned index, const char *key, const char *instead)
{
	const config_setting_t *rule = config_setting_get_elem(list->setting, index);
	const config_setting_t *values = config_setting_get_member(rule, key);
	if (!values || config_setting_is_scalar(values) || config_setting_length(values) > 0)
		return 0;
	return text_fail(text, values, "%s[%u].%s: an empty list, expected at least one, or %s",
			 list->path, index, key, instead);
}

static int check_rule(const struct plant_text *text, const struct setting_list *list,
		      unsigned index)
{
	int rc = check_empty(text, list, index, "units", "no such setting for every unit");
	rc = rc ? rc : check_empty(text, list, index, "functions", "allow = \"none\"");
	return rc ? rc : check_empty(text, list, index, "write", "allow = \"read\"");
}

/* Without the setting all functions are on. */
static void default_functions(const struct plant_text *text, struct function_set *set)
{
	if (config_lookup(&text->config, "server.functions"))
		return;
	for (unsigned code = 0; code < 256; code++)
		if (functions[code].decode)
			function_set_add(set, (uint8_t)code);
}

static int access_finish(const struct plant_text *text, struct plant *plant)
{
	struct setting_list list = { .path = "server.access", .size = sizeof(struct plant_access) };
	const config_setting_t *setting = config_lookup(&text->config, list.path);
	int count = setting ? config_setting_length(setting) : 0;
	if (count > PLANT_ACCESS_MAX)
		return text_fail(text, setting, "server.access: %d rules, expected at most %d",
				 count, PLANT_ACCESS_MAX);
	default_functions(text, &plant->server.functions);
	int rc = list_read(text, &access_section, &list);
	for (unsigned i = 0; i < list.count && !rc; i++)
		rc = check_rule(text, &list, i);
	plant->server.access = list.items;
	plant->server.access_count = list.count;
	return rc;
}

/* ---- remarks ------------------------------------------------------------------------------- */

static bool is_about(const struct plant_access *rule, unsigned id)
{
	const uint64_t *units = rule->units;
	return !(units[0] | units[1] | units[2] | units[3]) || (units[id / 64] >> id % 64 & 1);
}

/* A rule, and the plants that all ids lead to. */
struct reach {
	const struct plant_access *rule;
	const struct plant *units[UNIT_IDS];
};

/* An id that the rule is not about, although it leads to the same values as one that it is. */
static bool is_other_way(const struct reach *reach, unsigned id)
{
	if (is_about(reach->rule, id))
		return false;
	for (unsigned other = 0; other < UNIT_IDS; other++)
		if (is_about(reach->rule, other) &&
		    units_same(reach->units[id], reach->units[other]))
			return true;
	return false;
}

static bool leads_nowhere(const struct reach *reach, unsigned id)
{
	return is_about(reach->rule, id) && !reach->units[id];
}

/* "0, 5-7, 255": the ids for which that is so. */
static void list_ids(const struct reach *reach, bool (*is_so)(const struct reach *, unsigned id),
		     char *words, size_t size)
{
	size_t used = 0;
	words[0] = '\0';
	for (unsigned id = 0, last; id < UNIT_IDS && used < size; id = last + 1) {
		last = id;
		if (!is_so(reach, id))
			continue;
		while (last + 1 < UNIT_IDS && is_so(reach, last + 1))
			last++;
		used += (size_t)snprintf(words + used, size - used, "%s%u", used ? ", " : "", id);
		if (last > id && used < size)
			used += (size_t)snprintf(words + used, size - used, "-%u", last);
	}
}

static void remark_units(const struct plant_text *text, const struct reach *reach, unsigned index,
			 const config_setting_t *at)
{
	char ids[512];
	list_ids(reach, is_other_way, ids, sizeof ids);
	if (*ids)
		text_remark(text, at,
			    "server.access[%u].units: the rule also holds for unit %s, which "
			    "leads to the same values",
			    index, ids);
	list_ids(reach, leads_nowhere, ids, sizeof ids);
	if (*ids)
		text_remark(text, at, "server.access[%u].units: there is no unit %s", index, ids);
}

/* Has one of the rule's units all of it? */
static bool is_declared(const struct reach *reach, const struct mbshm_span *span)
{
	for (unsigned id = 0; id < UNIT_IDS; id++)
		if (reach->units[id] && is_about(reach->rule, id) &&
		    mbshm_layout_has(&reach->units[id]->image.layout, span->table, span->first,
				     span->count))
			return true;
	return false;
}

static void remark_write(const struct plant_text *text, const struct reach *reach, unsigned index,
			 const config_setting_t *at, const config_setting_t *value)
{
	struct mbshm_span span;
	const char *words = config_setting_get_string(value);
	if (parse_writes(words, &span) && !is_declared(reach, &span))
		text_remark(text, at,
			    "server.access[%u].write: \"%s\" is declared by no image that the "
			    "rule is about",
			    index, words);
}

static void remark_rule(const struct plant_text *text, const struct reach *reach, unsigned index)
{
	const config_setting_t *rules = config_lookup(&text->config, "server.access");
	const config_setting_t *rule = config_setting_get_elem(rules, index);
	const config_setting_t *units = config_setting_get_member(rule, "units");
	const config_setting_t *writes = config_setting_get_member(rule, "write");
	if (units)
		remark_units(text, reach, index, units);
	if (writes && reach->rule->allow != PLANT_ALLOW_ALL)
		text_remark(text, writes,
			    "server.access[%u].write: no effect, as allow is not \"all\"", index);
	if (writes && config_setting_is_scalar(writes))
		remark_write(text, reach, index, writes, writes);
	else if (writes)
		for (int i = 0; i < config_setting_length(writes); i++)
			remark_write(text, reach, index, writes,
				     config_setting_get_elem(writes, (unsigned)i));
}

void access_remark(const struct plant_text *text, const struct plant *plant)
{
	struct reach reach;
	units_map(plant, reach.units);
	for (unsigned i = 0; i < plant->server.access_count; i++) {
		reach.rule = &plant->server.access[i];
		remark_rule(text, &reach, i);
	}
}

const struct setting_section access_section = { ROWS(rows), access_finish };
