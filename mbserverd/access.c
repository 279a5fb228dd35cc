/* Access rules made ready for use. */
#include "mbserverd/access.h"

#include "modbus/exception.h"
#include "modbus/function.h"
#include "plant/units.h"

static const struct mbshm_layout nothing; /* without spans: nothing may be written */

/* Move the functions that write from those allowed to those refused. */
static void refuse_writing(struct access_rule *rule)
{
	for (unsigned code = 0; code < 256; code++) {
		uint64_t bit = UINT64_C(1) << code % 64, *word = &rule->functions.words[code / 64];
		if (!functions[code].writes)
			continue;
		rule->refused.words[code / 64] |= *word & bit;
		*word &= ~bit;
	}
}

static bool is_empty(const uint64_t words[4])
{
	return (words[0] | words[1] | words[2] | words[3]) == 0;
}

static struct access_rule make_rule(const struct plant_server *server,
				    const struct plant_access *from)
{
	struct access_rule rule = {
		.functions = server->functions,
		.writes = from->writes.span_count != 0 ? &from->writes : NULL,
		.none = from->allow == PLANT_ALLOW_NONE,
		.keep = from->keep,
		.refusal = from->refusal,
	};
	if (!is_empty(from->functions.words))
		for (int i = 0; i < 4; i++)
			rule.functions.words[i] &= from->functions.words[i];
	if (from->allow != PLANT_ALLOW_ALL || server->read_only)
		rule.writes = &nothing;
	if (rule.writes == &nothing && rule.refusal == MODBUS_EXCEPTION_ILLEGAL_FUNCTION)
		refuse_writing(&rule); /* so that 01 comes before all other exceptions */
	if (rule.none)
		rule.functions = (struct function_set){ { 0 } };
	return rule;
}

/* What is forbidden under one id must not be allowed under another one of the same values. */
static void rules_share(struct access *access, const struct plant *plant)
{
	const struct plant *units[UNIT_IDS];
	units_map(plant, units);
	for (unsigned a = 0; a < UNIT_IDS; a++)
		for (unsigned b = 0; b < a; b++)
			if (units_same(units[a], units[b])) {
				access->by_unit[a] |= access->by_unit[b];
				access->by_unit[b] = access->by_unit[a];
			}
}

void access_init(struct access *access, const struct plant *plant)
{
	const struct plant_server *server = &plant->server;
	const struct plant_access otherwise = {
		.allow = server->default_access,
		.refusal = MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS,
	};
	*access = (struct access){ .server = server };
	access->rules[ACCESS_DEFAULT] = make_rule(server, &otherwise);
	for (unsigned i = 0; i < server->access_count; i++) {
		const struct plant_access *from = &server->access[i];
		access->rules[i] = make_rule(server, from);
		for (unsigned unit = 0; unit < 256; unit++)
			if (is_empty(from->units) || (from->units[unit / 64] >> unit % 64 & 1))
				access->by_unit[unit] |= UINT64_C(1) << i;
	}
	rules_share(access, plant);
}

uint64_t access_rules(const struct access *access, int family, const uint8_t *address)
{
	const struct plant_server *server = access->server;
	uint64_t rules = 0;
	for (unsigned i = 0; i < server->access_count; i++) {
		const struct network *from = &server->access[i].from;
		if (from->family == 0 || network_has(from, family, address))
			rules |= UINT64_C(1) << i;
	}
	return rules;
}

bool access_refused(const struct access *access, uint64_t rules)
{
	for (unsigned unit = 0; unit < 256; unit++)
		if (!access_rule(access, rules, (uint8_t)unit)->none)
			return false;
	return true;
}

bool access_kept(const struct access *access, uint64_t rules)
{
	return rules != 0 && access->rules[__builtin_ctzll(rules)].keep;
}

int access_write(const struct access_rule *rule, enum mbshm_table table, uint32_t addr,
		 uint32_t count)
{
	if (!rule->writes)
		return 0;
	if (mbshm_layout_has(rule->writes, table, addr, count))
		return 0;
	return rule->refusal;
}
