/* The other end of a connection. */
#include "mbserverd/peer.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

struct mbshm_origin peer_origin(const struct sockaddr_storage *address)
{
	struct mbshm_origin peer = { .kind = MBSHM_ORIGIN_NETWORK,
				     .family = (uint8_t)address->ss_family };
	if (address->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
		peer.port = ntohs(v4->sin_port);
		memcpy(peer.address, &v4->sin_addr, 4);
	} else if (address->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
		peer.port = ntohs(v6->sin6_port);
		memcpy(peer.address, &v6->sin6_addr, 16);
		network_set_zone(peer.address, v6->sin6_scope_id);
		peer.family = (uint8_t)network_unmap(AF_INET6, peer.address);
	}
	return peer;
}

const char *peer_format(const struct mbshm_origin *peer, char text[PEER_TEXT_SIZE])
{
	return network_peer_text(peer->family, peer->address, peer->port, text);
}
