/* Networks and addresses as text, and which address is in which network. */
#include "base/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }; /* ::ffff:0:0/96 */

int network_unmap(int family, uint8_t *address)
{
	if (family != AF_INET6 || memcmp(address, mapped, sizeof mapped) != 0)
		return family;
	memmove(address, address + sizeof mapped, 4);
	memset(address + 4, 0, 12);
	return AF_INET;
}

/* ---- zones --------------------------------------------------------------------------------- */

enum { ZONE_AT = 4, ZONE_BYTES = 4 };

static bool is_link_local(const uint8_t *address)
{
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

void network_set_zone(uint8_t *address, uint32_t interface)
{
	if (!is_link_local(address))
		return;
	for (int i = 0; i < ZONE_BYTES; i++)
		address[ZONE_AT + i] = (uint8_t)(interface >> (24 - 8 * i));
}

/* Copy the address without its zone; returns that. */
static uint32_t take_zone(const uint8_t *address, uint8_t plain[16])
{
	uint32_t interface = 0;
	memcpy(plain, address, 16);
	for (int i = 0; is_link_local(address) && i < ZONE_BYTES; i++)
		interface = interface << 8 | address[ZONE_AT + i];
	network_set_zone(plain, 0);
	return interface;
}

/* Its name, or its index in digits when it is gone. */
static void zone_text(uint32_t interface, char text[NETWORK_ZONE_SIZE])
{
	if (!if_indextoname(interface, text))
		snprintf(text, NETWORK_ZONE_SIZE, "%u", interface);
}

static bool is_zone(const char *zone, uint32_t interface)
{
	char name[NETWORK_ZONE_SIZE], digits[NETWORK_ZONE_SIZE];
	zone_text(interface, name);
	snprintf(digits, sizeof digits, "%u", interface);
	return interface && (!strcmp(zone, name) || !strcmp(zone, digits));
}

/* ---- networks ------------------------------------------------------------------------------ */

/* Zero all bits from the first on.  Was one of them set? */
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

/* Cut "%ZONE" off an address. */
static bool parse_zone(char *address, char zone[NETWORK_ZONE_SIZE])
{
	char *percent = strchr(address, '%');
	if (!percent)
		return true;
	*percent = '\0';
	snprintf(zone, NETWORK_ZONE_SIZE, "%s", percent + 1);
	return percent[1] && strlen(percent + 1) < NETWORK_ZONE_SIZE;
}

/* "" means max; else "/BITS". */
static bool parse_bits(const char *text, unsigned max, unsigned *bits)
{
	size_t length = *text ? strspn(text + 1, "0123456789") : 0;
	*bits = *text ? (unsigned)strtoul(text + 1, NULL, 10) : max;
	return !*text || (length >= 1 && length <= 3 && !text[1 + length] && *bits <= max);
}

int network_parse(const char *text, struct network *network, char *why)
{
	char address[INET6_ADDRSTRLEN + NETWORK_ZONE_SIZE], canonical[INET6_ADDRSTRLEN];
	size_t length = strcspn(text, "/");
	int family = memchr(text, ':', length) ? AF_INET6 : AF_INET;
	unsigned bits;
	*why = '\0';
	*network = (struct network){ .family = AF_UNIX };
	if (!strcmp(text, "unix"))
		return 0;
	if (length >= sizeof address)
		return -EINVAL;
	snprintf(address, sizeof address, "%.*s", (int)length, text);
	if (!parse_zone(address, network->zone) ||
	    inet_pton(family, address, network->address) != 1 ||
	    (*network->zone && (family != AF_INET6 || !is_link_local(network->address))) ||
	    !parse_bits(text + length, family == AF_INET ? 32 : 128, &bits))
		return -EINVAL;
	if (clear_from(network->address, bits)) {
		inet_ntop(family, network->address, canonical, sizeof canonical);
		snprintf(why, NETWORK_WHY_SIZE,
			 "\"%.64s\" has bits set beyond its /%u, expected \"%s/%u\"", text, bits,
			 canonical, bits);
		return -EINVAL;
	}
	network->family = (uint8_t)family;
	if (bits >= 96)
		network->family = (uint8_t)network_unmap(family, network->address);
	network->bits = (uint8_t)(network->family == family ? bits : bits - 96);
	return 0;
}

bool network_has(const struct network *network, int family, const uint8_t *address)
{
	unsigned bytes = network->bits / 8, rest = network->bits % 8;
	uint8_t plain[16];
	if (network->family != family || !network->family)
		return false;
	if (family == AF_INET6) {
		uint32_t interface = take_zone(address, plain);
		if (*network->zone && !is_zone(network->zone, interface))
			return false;
		address = plain;
	}
	return memcmp(network->address, address, bytes) == 0 &&
	       (rest == 0 || (network->address[bytes] ^ address[bytes]) >> (8 - rest) == 0);
}

const char *network_host_text(int family, const uint8_t *address, char text[NETWORK_TEXT_SIZE])
{
	char zone[NETWORK_ZONE_SIZE];
	uint8_t plain[16];
	uint32_t interface = family == AF_INET6 ? take_zone(address, plain) : 0;
	if (family == AF_UNIX ||
	    !inet_ntop(family, interface ? plain : address, text, INET6_ADDRSTRLEN))
		snprintf(text, NETWORK_TEXT_SIZE, "unix");
	if (interface) {
		zone_text(interface, zone);
		strcat(strcat(text, "%"), zone);
	}
	return text;
}

const char *network_peer_text(int family, const uint8_t *address, uint16_t port,
			      char text[NETWORK_TEXT_SIZE])
{
	char host[NETWORK_TEXT_SIZE];
	network_host_text(family, address, host);
	if (family != AF_INET && family != AF_INET6)
		snprintf(text, NETWORK_TEXT_SIZE, "unix");
	else
		snprintf(text, NETWORK_TEXT_SIZE, family == AF_INET6 ? "[%.71s]:%u" : "%.72s:%u",
			 host, port);
	return text;
}
