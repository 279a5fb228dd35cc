/* What clients may do: default_access, the list access, functions. */
#include "plant/access.h"

#include "base/network.h"
#include "modbus/function.h"
#include "plant/kinds.h"
#include "plant/lists.h"
#include "point/address.h"

#include <stdio.h>

/* ---- kinds --------------------------------------------------------------------------------- */

/* Unit ids, as a set. */
static bool read_unit_id(struct reading *r)
{
	uint64_t *words = kind_field(r, 4 * sizeof *words);
	int id = kind_small(r, 255);
	if (id < 0)
		return false;
	words[id / 64] |= UINT64_C(1) << id % 64;
	return true;
}

static const struct setting_kind kind_unit_id = { .expected = "unit ids 0..255",
						  .read = read_unit_id };

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

static bool read_writes(struct reading *r)
{
	struct mbshm_layout *layout = kind_field(r, sizeof *layout);
	struct mbshm_span span;
	return r->text && address_parse(r->text, &span, NULL) &&
	       (span.table == MBSHM_COILS || span.table == MBSHM_HOLDING_REGISTERS) &&
	       !mbshm_layout_add(layout, span.table, span.first, span.count);
}

static const struct setting_kind kind_writes = {
	.expected = "\"TABLE FIRST-LAST\" or \"TABLE ADDRESS\", TABLE coil or holding",
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

const struct setting_section access_section = { ROWS(rows), access_finish };
