/* The other end of a connection, as the journal and the log want it.  Any thread. */
#ifndef MBSERVERD_PEER_H
#define MBSERVERD_PEER_H

#include "base/network.h"
#include "mbshm.h"

struct sockaddr_storage;

enum { PEER_TEXT_SIZE = NETWORK_TEXT_SIZE };

/* The origin of what comes from an address that accept4(2) gave.  IPv4 mapped into IPv6 is IPv4; a
 * link-local address has its zone (base/network.h). */
struct mbshm_origin peer_origin(const struct sockaddr_storage *address);

/* "192.0.2.7:49152", "[2001:db8::7]:49152", "[fe80::7%eth0]:49152", "unix": text. */
const char *peer_format(const struct mbshm_origin *peer, char text[PEER_TEXT_SIZE]);

#endif
