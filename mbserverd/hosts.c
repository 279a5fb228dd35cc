/* Client hosts: a hash table of the main thread; workers only count down. */
#include "mbserverd/hosts.h"

#include "mbshm.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKET_BITS = 10 };

struct host {
	struct host *next;
	uint8_t family, address[16];
	_Atomic unsigned connections;
};

struct hosts {
	struct host *buckets[1 << BUCKET_BITS];
};

struct hosts *hosts_new(void)
{
	return calloc(1, sizeof(struct hosts));
}

void hosts_free(struct hosts *hosts)
{
	for (unsigned i = 0; i < 1 << BUCKET_BITS; i++)
		for (struct host *host = hosts->buckets[i], *next; host; host = next) {
			next = host->next;
			free(host);
		}
	free(hosts);
}

static struct host **bucket_of(struct hosts *hosts, const struct mbshm_origin *peer)
{
	uint64_t words[2];
	memcpy(words, peer->address, sizeof words);
	uint64_t hash = (words[0] ^ words[1] * 3) * UINT64_C(0x9E3779B97F4A7C15);
	return &hosts->buckets[hash >> (64 - BUCKET_BITS)];
}

static bool host_is(const struct host *host, const struct mbshm_origin *peer)
{
	return host->family == peer->family &&
	       !memcmp(host->address, peer->address, sizeof host->address);
}

struct host *hosts_find(struct hosts *hosts, const struct mbshm_origin *peer)
{
	struct host **link = bucket_of(hosts, peer), *host;
	while ((host = *link) && !host_is(host, peer)) {
		if (host->connections) {
			link = &host->next;
		} else { /* No connection knows it, and a new one would come through here. */
			*link = host->next;
			free(host);
		}
	}
	if (host)
		return host;
	host = calloc(1, sizeof *host);
	if (host) {
		host->family = peer->family;
		memcpy(host->address, peer->address, sizeof host->address);
		*link = host;
	}
	return host;
}

unsigned host_connections(const struct host *host)
{
	return host->connections;
}

void host_count(struct host *host)
{
	host->connections++;
}

void host_release(struct host *host)
{
	if (host)
		host->connections--;
}
