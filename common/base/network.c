/* Networks and addresses as text, and which address is in which network. */
#include "base/network.h"

#include <arpa/inet.h>
#include <errno.h>
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

/* "" means max; else "/BITS". */
static bool parse_bits(const char *text, unsigned max, unsigned *bits)
{
	size_t length = *text ? strspn(text + 1, "0123456789") : 0;
	*bits = *text ? (unsigned)strtoul(text + 1, NULL, 10) : max;
	return !*text || (length >= 1 && length <= 3 && !text[1 + length] && *bits <= max);
}

int network_parse(const char *text, struct network *network, char *why)
{
	char address[INET6_ADDRSTRLEN], canonical[INET6_ADDRSTRLEN];
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
	if (inet_pton(family, address, network->address) != 1 ||
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
	if (network->family != family || !network->family)
		return false;
	return memcmp(network->address, address, bytes) == 0 &&
	       (rest == 0 || (network->address[bytes] ^ address[bytes]) >> (8 - rest) == 0);
}

const char *network_host_text(int family, const uint8_t *address, char text[NETWORK_TEXT_SIZE])
{
	if (family == AF_UNIX || !inet_ntop(family, address, text, NETWORK_TEXT_SIZE))
		snprintf(text, NETWORK_TEXT_SIZE, "unix");
	return text;
}

const char *network_peer_text(int family, const uint8_t *address, uint16_t port,
			      char text[NETWORK_TEXT_SIZE])
{
	char host[INET6_ADDRSTRLEN];
	if (family == AF_UNIX || !inet_ntop(family, address, host, sizeof host))
		snprintf(text, NETWORK_TEXT_SIZE, "unix");
	else
		snprintf(text, NETWORK_TEXT_SIZE, family == AF_INET6 ? "[%s]:%u" : "%s:%u", host,
			 port);
	return text;
}
