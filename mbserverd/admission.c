/* Connections that were accepted: let in, or closed. */
#include "mbserverd/admission.h"

#include "base/log.h"
#include "mbserverd/access.h"
#include "mbserverd/counters.h"
#include "mbserverd/hosts.h"
#include "mbserverd/peer.h"
#include "mbserverd/policy.h"
#include "mbserverd/workers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Open files beside connections: four a worker, listeners, images, plant file, logs. */
enum { OTHER_FILES = 256 };

struct admission {
	struct workers *workers;
	struct counters *counters;
	unsigned connections_max; /* the policy's, or what the limit of open files allows */
	struct hosts *hosts;
};

/* ---- limits -------------------------------------------------------------------------------- */

/* As many connections as the policy allows and the system has descriptors for. */
static unsigned connections_max(unsigned wanted)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files))
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

/* Close at once: the peer sees a reset or an end, whatever it has sent. */
static void refuse(int fd, _Atomic uint64_t *counter)
{
	counters_add(counter, 1);
	close(fd);
}

/* Is there room for a connection, or could it be made? */
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

/* Do the access rules let the peer in? */
static bool is_welcome(const struct mbshm_origin *peer)
{
	const struct access *access = &policy_present()->access;
	return !access_refused(access, access_rules(access, peer->family, peer->address));
}

/* Do they say that it stays when others need its place? */
static bool is_kept(const struct mbshm_origin *peer)
{
	const struct access *access = &policy_present()->access;
	return access_kept(access, access_rules(access, peer->family, peer->address));
}

/* Give the connection to a worker. */
static void admit(struct admission *admission, int fd, const struct mbshm_origin *peer,
		  struct host *host)
{
	static struct log_limit limit;
	char from[PEER_TEXT_SIZE];
	if (policy_present()->plant->server.log >= PLANT_LOG_CONNECTIONS && log_allowed(&limit))
		log_info("%s connected", peer_format(peer, from));
	counters_add(&admission->counters->opened, 1);
	if (workers_adopt(admission->workers, fd, peer, host, is_kept(peer))) {
		log_error("%s: out of memory", peer_format(peer, from));
		refuse(fd, &admission->counters->ended);
	}
}

/* host is NULL for a unix socket, and when there is no memory: then the connection is not counted
 * on its address. */
void admission_decide(struct admission *admission, int fd, const struct sockaddr_storage *sockaddr)
{
	static struct log_limit refused, limited;
	struct mbshm_origin peer = peer_origin(sockaddr);
	struct host *host = peer.family == AF_UNIX ? NULL : hosts_find(admission->hosts, &peer);
	unsigned max = policy_present()->plant->server.max_per_address;
	char from[PEER_TEXT_SIZE];
	if (!is_welcome(&peer)) {
		if (log_allowed(&refused))
			log_warn("refused %s: server.access", peer_format(&peer, from));
		refuse(fd, &admission->counters->refused);
	} else if (host && max && host_connections(host) >= max) {
		if (log_allowed(&limited))
			log_warn("refused %s: its address has %u connections already",
				 peer_format(&peer, from), max);
		refuse(fd, &admission->counters->limited);
	} else if (!make_room(admission, &peer)) {
		refuse(fd, &admission->counters->crowded);
	} else {
		admit(admission, fd, &peer, host);
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
	struct hosts *hosts = hosts_new();
	if (!admission || !hosts)
		die(EXIT_FAILURE, "out of memory");
	*admission = (struct admission){ workers, counters, 0, hosts };
	admission_refresh(admission);
	return admission;
}

void admission_free(struct admission *admission)
{
	hosts_free(admission->hosts);
	free(admission);
}
