#include "mbserverd/admission.h"

#include "base/log.h"
#include "mbserverd/address.h"
#include "mbserverd/counters.h"
#include "mbserverd/peer.h"
#include "mbserverd/policy.h"
#include "mbserverd/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	ADDRESSES = 1024, /* buckets of the hash table */
	OTHER_FILES =
		256, /* beside connections: four a worker, listeners, images, plant file, logs */
};

struct admission {
	struct workers *workers;
	struct counters *counters;
	unsigned connections_max;
	struct address *addresses[ADDRESSES];
};

/* ---- addresses ----------------------------------------------------------------------------- */

static struct address **bucket_of(struct admission *admission, const struct mbshm_origin *peer)
{
	uint64_t words[2];
	memcpy(words, peer->address, sizeof words);
	uint64_t hash = (words[0] ^ words[1] * 3) * UINT64_C(0x9E3779B97F4A7C15);
	return &admission->addresses[hash >> 54]; /* 10 bits */
}

/* How many there are of this peer's address; NULL: no memory.  Those that have gone are freed on
 * the way. */
static struct address *address_find(struct admission *admission, const struct mbshm_origin *peer)
{
	struct address **link = bucket_of(admission, peer), *each;
	while ((each = *link) != NULL) {
		if (each->family == peer->family &&
		    memcmp(each->bytes, peer->address, sizeof each->bytes) == 0)
			return each;
		if (each->connections ==
		    0) { /* its connections have forgotten it, and new ones come through here */
			*link = each->next;
			free(each);
		} else {
			link = &each->next;
		}
	}
	each = calloc(1, sizeof *each);
	if (each) {
		each->family = peer->family;
		memcpy(each->bytes, peer->address, sizeof each->bytes);
		*link = each;
	}
	return each;
}

/* ---- limits -------------------------------------------------------------------------------- */

/* As many connections as the policy allows and the system has descriptors for. */
static unsigned connections_max(unsigned wanted)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return wanted;
	rlim_t needed = (rlim_t)wanted + OTHER_FILES;
	if (files.rlim_cur < needed) {
		files.rlim_cur = needed < files.rlim_max ? needed : files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur >= needed)
		return wanted;
	return files.rlim_cur > OTHER_FILES ? (unsigned)(files.rlim_cur - OTHER_FILES) : 1;
}

void admission_refresh(struct admission *admission)
{
	unsigned wanted = policy_present()->plant->server.max_connections;
	unsigned max = connections_max(wanted);
	if (max < wanted && max != admission->connections_max)
		log_warn("the limit of open files leaves room for %u connections only, not %u", max,
			 wanted);
	admission->connections_max = max;
}

/* Close at once: the peer is told by a reset or an end, whatever it has sent. */
static void refuse(int fd, _Atomic uint64_t *counter)
{
	counters_add(counter, 1);
	close(fd);
}

/* Is there room, or could it be made? */
static bool make_room(struct admission *admission, const struct mbshm_origin *peer)
{
	static struct log_limit limit, none;
	char from[PEER_TEXT_SIZE];
	if (workers_connections(admission->workers) < admission->connections_max)
		return true;
	if (workers_evict(admission->workers)) {
		if (log_allowed(&limit))
			log_warn("all %u connections are taken: closing the one unused longest for "
				 "%s",
				 admission->connections_max, peer_format(peer, from));
		return true;
	}
	if (log_allowed(&none))
		log_warn("all %u connections are taken and none may be closed: refusing %s",
			 admission->connections_max, peer_format(peer, from));
	return false;
}

void admission_decide(struct admission *admission, int fd, const struct sockaddr_storage *sockaddr)
{
	static struct log_limit opened, refused, limited;
	const struct policy *policy = policy_present();
	struct mbshm_origin peer = peer_origin(sockaddr);
	struct address *address = peer.family == AF_UNIX ? NULL : address_find(admission, &peer);
	unsigned max = policy->plant->server.max_per_address;
	char from[PEER_TEXT_SIZE];
	if (access_refused(&policy->access,
			   access_rules(&policy->access, peer.family, peer.address))) {
		if (log_allowed(&refused))
			log_warn("refused %s: server.access", peer_format(&peer, from));
		refuse(fd, &admission->counters->refused);
		return;
	}
	if (address && max != 0 && address->connections >= max) {
		if (log_allowed(&limited))
			log_warn("refused %s: its address has %u connections already",
				 peer_format(&peer, from), max);
		refuse(fd, &admission->counters->limited);
		return;
	}
	if (!make_room(admission, &peer)) {
		refuse(fd, &admission->counters->crowded);
		return;
	}
	if (log_allowed(&opened))
		log_info("%s connected", peer_format(&peer, from));
	counters_add(&admission->counters->opened, 1);
	if (workers_adopt(admission->workers, fd, &peer, address)) {
		log_error("%s: out of memory", peer_format(&peer, from));
		counters_add(&admission->counters->ended, 1);
		close(fd);
	}
}

void admission_done(struct admission *admission)
{
	workers_hand_over(admission->workers);
}

void admission_shortage(struct admission *admission, int rc)
{
	static struct log_limit limit;
	if (log_allowed(&limit))
		log_warn("cannot accept a connection: %s", strerror(-rc));
	workers_evict(admission->workers);
}

/* ---- open and close ------------------------------------------------------------------------ */

struct admission *admission_new(struct workers *workers, struct counters *counters)
{
	struct admission *admission = calloc(1, sizeof *admission);
	if (!admission)
		die(EXIT_FAILURE, "out of memory");
	admission->workers = workers;
	admission->counters = counters;
	admission_refresh(admission);
	return admission;
}

void admission_free(struct admission *admission)
{
	for (unsigned i = 0; i < ADDRESSES; i++)
		for (struct address *each = admission->addresses[i], *next; each; each = next) {
			next = each->next;
			free(each);
		}
	free(admission);
}
