/* Which server: an operand, or the plant's own. */
#ifndef MBCLIENT_TARGET_H
#define MBCLIENT_TARGET_H

#include "plant/plant.h"

struct target {
	char host[256];
	char port[8];
};

/* Take "HOST", "HOST:PORT", "[IPV6]", "[IPV6]:PORT" or a bare IPV6 apart; without a port,
 * default_port. NULL, or what was expected. */
const char *target_parse(const char *text, const char *default_port, struct target *target);

/* Where a client on this machine reaches that listener: a wildcard address becomes the loopback
 * address. */
void target_from_listen(const struct plant_listen *listen, struct target *target);

#endif
