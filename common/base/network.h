/* Networks and addresses, as settings, options and messages write them.
 *
 * An address is 4 bytes (AF_INET) or 16 (AF_INET6) in network order, and none for AF_UNIX.  Pure:
 * names are not looked up, so a network means the same everywhere.
 *
 * A link-local address (fe80::/10) may have a zone: the interface that it is behind, without which
 * it names nobody.  Bytes 4..7 of such an address, always 0 on the wire (RFC 4291 2.5.6), hold the
 * interface's index, as inside the BSD kernels.  The texts show its name. */
#ifndef BASE_NETWORK_H
#define BASE_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

enum {
	NETWORK_WHY_SIZE = 160,
	NETWORK_TEXT_SIZE = 80,
	NETWORK_ZONE_SIZE = 16, /* of an interface's name */
};

/* "10.0.0.0/8", "2001:db8::/32", "fe80::/10", one address, "fe80::1%eth0", or "unix": every peer on
 * a unix socket. */
struct network {
	uint8_t family;      /* 0: not set; AF_INET, AF_INET6, AF_UNIX */
	uint8_t bits;        /* of address that count: 0..32, 0..128 */
	uint8_t address[16]; /* the rest are 0.  IPv4 mapped into IPv6 is IPv4 */
	/* Name or index, as written; "": any.  Looked up by network_has, since interfaces come and
	 * go. */
	char zone[NETWORK_ZONE_SIZE];
};

/* Parse a network.  0, or -EINVAL and why: what is wrong and what was expected, or "" for a text
 * that is no network at all.  why: NETWORK_WHY_SIZE bytes. */
int network_parse(const char *text, struct network *network, char *why);

/* Is the address in the network?  A network that is not set has none. */
bool network_has(const struct network *network, int family, const uint8_t *address);

/* Make IPv4 of IPv4 mapped into IPv6, in place.  Returns the family that it is now. */
int network_unmap(int family, uint8_t *address);

/* Note in a link-local address of AF_INET6 which interface it is behind; 0: none.  Other addresses
 * have no zone and are left alone. */
void network_set_zone(uint8_t *address, uint32_t interface);

/* Its address: "192.0.2.7", "2001:db8::7", "fe80::7%eth0", or "unix" for every other family.
 * Returns text. */
const char *network_host_text(int family, const uint8_t *address, char text[NETWORK_TEXT_SIZE]);

/* A peer: "192.0.2.7:49152", "[2001:db8::7]:49152", or "unix" for every other family.  Returns
 * text. */
const char *network_peer_text(int family, const uint8_t *address, uint16_t port,
			      char text[NETWORK_TEXT_SIZE]);

#endif
