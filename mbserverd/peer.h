/* Who is at the other end of a connection. */
#ifndef MBSERVERD_PEER_H
#define MBSERVERD_PEER_H

#include "base/network.h"
#include "mbshm.h"

#include <sys/socket.h>

enum { PEER_TEXT_SIZE = NETWORK_TEXT_SIZE };

/* What accept4(2) told, as the journal wants it: IPv4 mapped into IPv6 is IPv4. */
struct mbshm_origin peer_origin(const struct sockaddr_storage *address);

/* "192.0.2.7:49152", "[2001:db8::7]:49152", "unix": text. */
const char *peer_format(const struct mbshm_origin *peer, char text[PEER_TEXT_SIZE]);

#endif
