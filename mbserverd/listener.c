#include "listener.h"

#include "log.h"
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	SOCKETS_MAX = 2 * PLANT_LISTEN_MAX,	/* a name may mean an IPv4 and an IPv6 address */
	ACCEPTS_PER_TURN = 64,
	OTHER_FILES = 256,	/* beside connections: three a worker, listeners, image, plant file, logs */
	KEEPALIVE_IDLE_S = 60, KEEPALIVE_EACH_S = 10, KEEPALIVE_COUNT = 3,	/* a vanished peer is gone after 90 s */
};

struct listeners {
	struct workers *workers;
	sd_event *event;
	unsigned connections_max;
	unsigned count;
	struct {
		int fd;
		sd_event_source *source;
	} sockets[SOCKETS_MAX];
};

/* ---- accepting ----------------------------------------------------------------------------------------------------------- */

/* Out of descriptors or memory: make room, and rest until the next refresh, as the socket would stay ready and spin the loop. */
static void shortage(struct listeners *listeners, sd_event_source *source, int error)
{
	static struct log_limit limit;
	if (log_allowed(&limit))
		log_warn("cannot accept a connection: %s", strerror(error));
	workers_evict(listeners->workers);
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

static void admit(struct listeners *listeners, int fd)
{
	static struct log_limit limit;
	if (workers_connections(listeners->workers) >= listeners->connections_max) {
		if (log_allowed(&limit))
			log_warn("all %u connections are taken: closing the one unused longest", listeners->connections_max);
		workers_evict(listeners->workers);
	}
	workers_adopt(listeners->workers, fd);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct listeners *listeners = context;
	(void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (peer >= 0)
			admit(listeners, peer);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			shortage(listeners, source, errno);
		if (peer < 0)	/* none left, or one that was lost before it was accepted: accept(2) */
			break;
	}
	return 0;
}

/* ---- listening ----------------------------------------------------------------------------------------------------------- */

static void option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof value);
}

/* Accepted sockets inherit these from the listening one (tcp(7)), which saves the calls. */
static void options_set(int fd, int family)
{
	option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EACH_S);
	option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	if (family == AF_INET6)
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);	/* so that 0.0.0.0 and [::] can both be listed */
}

_Noreturn static void die_of(const char *text, int error)
{
	if (error == EADDRINUSE)
		die(EXIT_FAILURE, "%s is in use by another program: stop that one, or choose another address in server.listen",
		    text);
	if (error == EADDRNOTAVAIL)
		die(EXIT_FAILURE, "%s is no address of this machine (server.listen)", text);
	if (error == EACCES)
		die(EXIT_FAILURE, "%s: ports below 1024 need CAP_NET_BIND_SERVICE", text);
	die(EXIT_FAILURE, "cannot listen on %s: %s", text, strerror(error));
}

static void log_address(int fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	char host[64], port[8];
	if (getsockname(fd, (struct sockaddr *)&address, &bytes) != 0 ||
	    getnameinfo((struct sockaddr *)&address, bytes, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	log_info(strchr(host, ':') != NULL ? "listening on [%s]:%s" : "listening on %s:%s", host, port);
}

static void accept_from(struct listeners *listeners, int fd, const char *text)
{
	sd_event_source *source;
	int error = sd_event_add_io(listeners->event, &source, fd, EPOLLIN, on_ready, listeners);
	if (error < 0)
		die_of(text, -error);
	listeners->sockets[listeners->count].fd = fd;
	listeners->sockets[listeners->count++].source = source;
	log_address(fd);
}

static void listen_on(struct listeners *listeners, const struct addrinfo *address, const char *text)
{
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die_of(text, errno);
	options_set(fd, address->ai_family);
	if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, SOMAXCONN) != 0)
		die_of(text, errno);
	accept_from(listeners, fd, text);
}

/* Sockets that a service manager listens on for us (sd_listen_fds(3)): clients can connect while no server runs. */
static void adopt_passed(struct listeners *listeners, int count)
{
	log_info("using %d socket%s of the service manager instead of server.listen", count, count == 1 ? "" : "s");
	if (count > SOCKETS_MAX)
		die(EXIT_FAILURE, "the service manager passes %d sockets, expected at most %d", count, SOCKETS_MAX);
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
			die(EXIT_FAILURE, "the service manager passes something else than a listening stream socket");
		options_set(fd, AF_UNSPEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		accept_from(listeners, fd, "a socket of the service manager");
	}
}

struct listeners *listeners_open(struct workers *workers, sd_event *event)
{
	struct listeners *listeners = calloc(1, sizeof *listeners);
	if (listeners == NULL)
		die(EXIT_FAILURE, "out of memory");
	listeners->workers = workers;
	listeners->event = event;
	listeners_refresh(listeners);

	int passed = sd_listen_fds(1);
	if (passed > 0) {
		adopt_passed(listeners, passed);
		return listeners;
	}
	const struct plant_server *server = &policy_present()->plant->server;
	for (unsigned i = 0; i < server->listen_count; i++) {
		const struct plant_listen *wanted = &server->listen[i];
		const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
		struct addrinfo *found;
		int error = getaddrinfo(wanted->host, wanted->port, &hints, &found);
		if (error != 0)
			die(EXIT_FAILURE, "%s: %s (server.listen)", wanted->text, gai_strerror(error));
		for (const struct addrinfo *a = found; a != NULL && listeners->count < SOCKETS_MAX; a = a->ai_next)
			listen_on(listeners, a, wanted->text);
		freeaddrinfo(found);
	}
	return listeners;
}

void listeners_close(struct listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++) {
		sd_event_source_unref(listeners->sockets[i].source);
		close(listeners->sockets[i].fd);
	}
	free(listeners);
}

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

void listeners_refresh(struct listeners *listeners)
{
	unsigned wanted = policy_present()->plant->server.max_connections;
	unsigned max = connections_max(wanted);
	if (max < wanted && max != listeners->connections_max)
		log_warn("the limit of open files leaves room for %u connections only, not %u", max, wanted);
	listeners->connections_max = max;
	for (unsigned i = 0; i < listeners->count; i++)
		sd_event_source_set_enabled(listeners->sockets[i].source, SD_EVENT_ON);
}
