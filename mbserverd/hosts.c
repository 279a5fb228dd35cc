/* Client hosts: a hash table of the main thread; workers only count. */
#include "mbserverd/hosts.h"

#include "mbshm.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BUCKET_BITS = 10 };

struct host {
	struct host *next;
	struct mbshm_origin key; /* only family and address are set */
	_Atomic unsigned connections, closable;
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

static struct mbshm_origin host_key(const struct mbshm_origin *peer, int fd)
{
	struct mbshm_origin key = { .family = peer->family };
	struct ucred user = { .uid = 0 };
	socklen_t bytes = sizeof user;
	if (peer->family == AF_UNIX && !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &bytes))
		memcpy(key.address, &user.uid, sizeof user.uid);
	else
		memcpy(key.address, peer->address, peer->family == AF_INET6 ? 8 : 4);
	return key;
}

static struct host **bucket_of(struct hosts *hosts, const struct mbshm_origin *key)
{
	uint64_t word;
	memcpy(&word, key->address, sizeof word);
	return &hosts->buckets[word * UINT64_C(0x9E3779B97F4A7C15) >> (64 - BUCKET_BITS)];
}

struct host *hosts_find(struct hosts *hosts, const struct mbshm_origin *peer, int fd)
{
	const struct mbshm_origin key = host_key(peer, fd);
	struct host **link = bucket_of(hosts, &key), *host;
	while ((host = *link) && memcmp(&host->key, &key, sizeof key)) {
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
		host->key = key;
		*link = host;
	}
	return host;
}

unsigned hosts_most(const struct hosts *hosts)
{
	unsigned most = 0;
	for (unsigned i = 0; i < 1 << BUCKET_BITS; i++)
		for (const struct host *host = hosts->buckets[i]; host; host = host->next)
			if (host->closable > most)
				most = host->closable;
	return most;
}

unsigned host_connections(const struct host *host)
{
	return host->connections;
}

unsigned host_closable(const struct host *host)
{
	return host->closable;
}

void host_count(struct host *host, bool closable)
{
	host->connections++;
	host->closable += closable;
}

void host_recount(struct host *host, bool closable)
{
	host->closable += closable ? 1 : -1u;
}

void host_release(struct host *host, bool closable)
{
	host->closable -= closable;
	host->connections--; /* the last use: it may be freed */
}

bool host_release_above(struct host *host, unsigned max)
{
	unsigned now = host->connections;
	host->closable--; /* first: without our connection it may be freed */
	while (now > max)
		if (atomic_compare_exchange_weak(&host->connections, &now, now - 1))
			return true;
	host->closable++;
	return false;
}
