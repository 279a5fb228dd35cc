/* Connections that were accepted: let in, or closed. */
#include "mbserverd/admission.h"

#include "base/log.h"
#include "mbserverd/access.h"
#include "mbserverd/connection.h"
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

enum {
	OWN_FILES = 48, /* standard ones, event loop, counters, plant file with nested includes */
	WORKER_FILES = 4,
	WORKERS_LIKELY = 4, /* if the plant leaves their number to us */
};

struct admission {
	struct workers *workers;
	struct counters *counters;
	struct hosts *hosts;
	sd_event_source *evicted;
	unsigned connections_max; /* the policy's, or what the limit of open files allows */

	/* Without a place yet, but counted on its host; NULL: none.  An eviction is under way then.
	 */
	struct connection *newcomer;
	bool evicting;
	unsigned least;      /* what the workers are asked for in this round; 0: none has begun */
	bool short_of_files; /* and a connection is to be closed for that */
	void (*on_room)(void *context);
	void *context;
};

/* ---- limits -------------------------------------------------------------------------------- */

/* Open files beside connections.  While a reload opens all listeners and images anew, the old ones
 * are open, too. */
static rlim_t other_files(void)
{
	const struct policy *policy = policy_present();
	const struct plant_server *server = &policy->plant->server;
	unsigned workers = server->workers ? server->workers : WORKERS_LIKELY;
	return OWN_FILES + WORKER_FILES * workers +
	       2 * (server->listen_count + policy->device_count);
}

/* As many connections as the policy allows and the system has descriptors for.  The limit is raised
 * as far as it may be: the next plant may have more units. */
static unsigned connections_max(unsigned wanted)
{
	struct rlimit files;
	rlim_t others = other_files();
	if (getrlimit(RLIMIT_NOFILE, &files))
		return wanted;
	if (files.rlim_cur < files.rlim_max) {
		const struct rlimit raised = { files.rlim_max, files.rlim_max };
		if (!setrlimit(RLIMIT_NOFILE, &raised))
			files = raised;
	}
	if (files.rlim_cur >= wanted + others)
		return wanted;
	return files.rlim_cur > others ? (unsigned)(files.rlim_cur - others) : 1;
}

/* Close at once: the peer sees a reset or an end, whatever it has sent. */
static void refuse(int fd, _Atomic uint64_t *counter)
{
	counters_add(counter, 1);
	close(fd);
}

/* ---- places -------------------------------------------------------------------------------- */

static bool is_full(const struct admission *admission)
{
	return workers_connections(admission->workers) >= admission->connections_max;
}

/* Are there more connections than there may be, once the newcomer is in, or too few files? */
static bool is_crowded(const struct admission *admission)
{
	unsigned count = workers_connections(admission->workers) + (admission->newcomer != NULL);
	return count > admission->connections_max || admission->short_of_files;
}

static void let_in(struct admission *admission)
{
	workers_adopt(admission->workers, admission->newcomer);
	admission->newcomer = NULL;
}

static void drop_newcomer(struct admission *admission)
{
	struct connection *c = admission->newcomer;
	host_release(c->host, !c->kept);
	connection_close(NULL, c);
	free(c);
	admission->newcomer = NULL;
}

/* Nobody may be closed for it. */
static void turn_away(struct admission *admission)
{
	static struct log_limit limit;
	char from[PEER_TEXT_SIZE];
	if (log_allowed(&limit))
		log_warn("all %u connections are taken and none may be closed: refusing %s",
			 admission->connections_max,
			 peer_format(&admission->newcomer->client.origin, from));
	counters_add(&admission->counters->crowded, 1);
	drop_newcomer(admission);
}

/* Numbers before places: a connection that ends gives up its place first, so a host is never taken
 * for one with few connections while their places look taken. */
static void begin_round(struct admission *admission)
{
	unsigned most = hosts_most(admission->hosts);
	admission->least = most ? most : 1;
	workers_evict_again(admission->workers);
}

/* Have one worker after the other close a connection of the host that has most, the newcomer
 * included: so a host that takes many only displaces its own.  false: all have tried. */
static bool evict(struct admission *admission)
{
	static struct log_limit limit;
	char from[PEER_TEXT_SIZE];
	admission->evicting = workers_evict(admission->workers, admission->least);
	if (admission->evicting && admission->newcomer && log_allowed(&limit))
		log_warn("all %u connections are taken: closing one of the host with the most, "
			 "for %s",
			 admission->connections_max,
			 peer_format(&admission->newcomer->client.origin, from));
	return admission->evicting;
}

/* Give the newcomer its place, if there is one; otherwise have room made. */
static void make_room(struct admission *admission)
{
	unsigned tried;
	if (admission->evicting)
		return;
	if (is_crowded(admission) && !admission->least)
		begin_round(admission);
	do {
		if (admission->newcomer && !is_full(admission))
			let_in(admission);
		if (!is_crowded(admission)) {
			admission->least = 0;
			return;
		}
		if (evict(admission))
			return;
		tried = admission->least;
		begin_round(admission);
	} while (admission->least < tried); /* some have ended by themselves */
	admission->least = 0;
	admission->short_of_files = false;
	if (admission->newcomer && is_full(admission))
		turn_away(admission);
	else if (admission->newcomer)
		let_in(admission);
}

static int on_evicted(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct admission *admission = context;
	(void)source, (void)fd, (void)events;
	admission->evicting = false;
	if (workers_evicted(admission->workers)) {
		admission->least = 0;
		admission->short_of_files = false;
	}
	make_room(admission);
	workers_hand_over(admission->workers);
	if (!admission_is_busy(admission))
		admission->on_room(admission->context);
	return 0;
}

bool admission_is_busy(const struct admission *admission)
{
	return admission->newcomer;
}

void admission_on_room(struct admission *admission, void (*on_room)(void *context), void *context)
{
	admission->on_room = on_room;
	admission->context = context;
}

void admission_refresh(struct admission *admission)
{
	unsigned wanted = policy_present()->plant->server.max_connections;
	unsigned max = connections_max(wanted);
	if (max < wanted && max != admission->connections_max)
		log_warn("the limit of open files leaves room for %u connections only, not %u", max,
			 wanted);
	admission->connections_max = max;
	make_room(admission);
}

/* ---- newcomers ----------------------------------------------------------------------------- */

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

/* It gets a place, or waits for one. */
static void admit(struct admission *admission, int fd, const struct mbshm_origin *peer,
		  struct host *host)
{
	static struct log_limit limit;
	char from[PEER_TEXT_SIZE];
	struct connection *c = host ? connection_new(fd, peer, host) : NULL;
	if (!c) {
		log_error("%s: out of memory", peer_format(peer, from));
		refuse(fd, &admission->counters->ended);
		return;
	}
	if (policy_present()->plant->server.log >= PLANT_LOG_CONNECTIONS && log_allowed(&limit))
		log_info("%s connected", peer_format(peer, from));
	counters_add(&admission->counters->opened, 1);
	c->kept = is_kept(peer);
	host_count(host, !c->kept);
	admission->newcomer = c;
	make_room(admission);
}

void admission_decide(struct admission *admission, int fd, const struct sockaddr_storage *sockaddr)
{
	static struct log_limit refused, limited;
	struct mbshm_origin peer = peer_origin(sockaddr);
	struct host *host = hosts_find(admission->hosts, &peer, fd);
	unsigned max = policy_present()->plant->server.max_per_address;
	char from[PEER_TEXT_SIZE];
	if (!is_welcome(&peer)) {
		if (log_allowed(&refused))
			log_warn("refused %s: server.access", peer_format(&peer, from));
		refuse(fd, &admission->counters->refused);
	} else if (host && max && peer.family != AF_UNIX && host_connections(host) >= max) {
		if (log_allowed(&limited))
			log_warn("refused %s: its address has %u connections already",
				 peer_format(&peer, from), max);
		refuse(fd, &admission->counters->limited);
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
	admission->short_of_files = true;
	make_room(admission);
}

/* ---- open and close ------------------------------------------------------------------------ */

struct admission *admission_new(struct workers *workers, struct counters *counters, sd_event *event)
{
	struct admission *admission = calloc(1, sizeof *admission);
	struct hosts *hosts = hosts_new();
	if (!admission || !hosts ||
	    sd_event_add_io(event, &admission->evicted, workers_evicted_fd(workers), EPOLLIN,
			    on_evicted, admission) < 0)
		die(EXIT_FAILURE, "out of memory");
	admission->workers = workers;
	admission->counters = counters;
	admission->hosts = hosts;
	admission_refresh(admission);
	return admission;
}

void admission_close(struct admission *admission)
{
	sd_event_source_unref(admission->evicted);
	if (admission->newcomer)
		drop_newcomer(admission);
}

void admission_free(struct admission *admission)
{
	hosts_free(admission->hosts);
	free(admission);
}
