#include "plant/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- networks ------------------------------------------------------------------------------ */

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:0:0/96 */

int plant_unmap_address(int family, uint8_t *address)
{
	if (family != AF_INET6 || memcmp(address, mapped, sizeof mapped) != 0)
		return family;
	memmove(address, address + sizeof mapped, 4);
	memset(address + 4, 0, 12);
	return AF_INET;
}

/* Zero all bits from the first on; were any set? */
static bool clear_from(uint8_t *address, unsigned first)
{
	bool any = false;
	for (unsigned byte = first / 8; byte < 16; byte++) {
		uint8_t kept = byte == first / 8 ? (uint8_t) ~(0xFF >> first % 8) : 0;
		any |= (address[byte] & ~kept) != 0;
		address[byte] &= kept;
	}
	return any;
}

/* "", or "/BITS" up to max. */
static bool parse_bits(const char *text, unsigned max, unsigned *bits)
{
	size_t length = *text ? strspn(text + 1, "0123456789") : 0;
	*bits = *text ? (unsigned)strtoul(text + 1, NULL, 10) : max;
	return !*text || (length >= 1 && length <= 3 && !text[1 + length] && *bits <= max);
}

int plant_parse_network(const char *text, struct plant_network *network, char *why)
{
	char address[INET6_ADDRSTRLEN], canonical[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");
	int family = memchr(text, ':', length) ? AF_INET6 : AF_INET;
	unsigned bits;
	*why = '\0';
	*network = (struct plant_network){ .family = AF_UNIX };
	if (!strcmp(text, "unix"))
		return 0;
	if (length >= sizeof address)
		return -EINVAL;
	snprintf(address, sizeof address, "%.*s", (int)length, text);
	if (inet_pton(family, address, network->address) != 1 ||
	    !parse_bits(text + length, family == AF_INET ? 32 : 128, &bits))
		return -EINVAL;
	if (clear_from(network->address, bits)) {
		inet_ntop(family, network->address, canonical, sizeof canonical);
		snprintf(why, PLANT_NETWORK_WHY_SIZE,
			 "\"%.64s\" has bits set beyond its /%u, expected \"%s/%u\"", text, bits,
			 canonical, bits);
		return -EINVAL;
	}
	network->family = (uint8_t)family;
	if (bits >= 96)
		network->family = (uint8_t)plant_unmap_address(family, network->address);
	network->bits = (uint8_t)(network->family == family ? bits : bits - 96);
	return 0;
}

bool plant_network_has(const struct plant_network *network, int family, const uint8_t *address)
{
	unsigned bytes = network->bits / 8, rest = network->bits % 8;
	if (network->family != family || network->family == 0)
		return false;
	return memcmp(network->address, address, bytes) == 0 &&
	       (rest == 0 || (network->address[bytes] ^ address[bytes]) >> (8 - rest) == 0);
}

/* ---- access rules -------------------------------------------------------------------------- */

/* An empty list could be meant to allow nothing, or to say nothing: neither is done. */
static int check_empty(const struct source *source, const config_setting_t *section,
		       const char *path, const char *key, const char *instead)
{
	const config_setting_t *list = config_setting_get_member(section, key);
	if (!list || config_setting_is_scalar(list) || config_setting_length(list) > 0)
		return 0;
	return source_fail(source, list, "%s.%s: an empty list, expected at least one, or %s", path,
			   key, instead);
}

static int read_rule(const struct source *source, const config_setting_t *section, int index,
		     struct plant_access *rule)
{
	char path[64];
	snprintf(path, sizeof path, "server.access[%d]", index);
	int rc = setting_read_section(source, "server.access.#", section, path, rule);
	rc = rc ? rc
		: check_empty(source, section, path, "units", "no such setting for every unit");
	rc = rc ? rc : check_empty(source, section, path, "functions", "allow = \"none\"");
	return rc ? rc : check_empty(source, section, path, "write", "allow = \"read\"");
}

int rules_read(const struct source *source, struct plant_server *server)
{
	const config_setting_t *list = config_lookup(&source->config, "server.access");
	int count = list ? config_setting_length(list) : 0, rc = 0;
	if (count > PLANT_ACCESS_MAX)
		return source_fail(source, list, "server.access: %d rules, expected at most %d",
				   count, PLANT_ACCESS_MAX);
	if (count == 0)
		return 0;
	server->access = calloc((size_t)count, sizeof *server->access);
	if (!server->access)
		return source_fail(source, list, "out of memory");
	server->access_count = (unsigned)count;
	for (int i = 0; i < count && !rc; i++)
		rc = read_rule(source, config_setting_get_elem(list, (unsigned)i), i,
			       &server->access[i]);
	return rc;
}
