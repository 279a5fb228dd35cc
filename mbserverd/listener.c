/* The listening sockets: opened, kept in step with the policy, accepted from. */
#include "mbserverd/listener.h"

#include "base/log.h"
#include "mbserverd/admission.h"
#include "mbserverd/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
	SOCKETS_MAX = PLANT_LISTEN_MAX,
	ACCEPTS_PER_TURN = 64,
	KEEPALIVE_IDLE_S = 60,
	KEEPALIVE_EACH_S = 10,
	KEEPALIVE_COUNT = 3,       /* so a vanished peer is gone after 90 s, */
	UNANSWERED_MS = 90 * 1000, /* also one that has not acknowledged its answers */
	/* In each direction, and the kernel keeps up to twice as much.  Without a limit, a client
	 * that does not read its answers has the kernel keep 4 MiB. */
	BUFFER_BYTES = 32 * 1024,
	EXPLANATION_SIZE = 256,
	LOCK_TRIES = 50,
	LOCK_RETRY_US = 20000, /* others hold the lock for some system calls */
};

struct listener {
	int fd;
	sd_event_source *source;
	struct plant_listen wanted; /* as in the plant; empty: passed by the service manager */
	/* What the name of a unix socket leads to, and who may connect. */
	dev_t device;
	ino_t inode;
	mode_t mode;
	gid_t group;
};

struct listeners {
	struct admission *admission;
	sd_event *event;
	bool passed;  /* all of them by the service manager: no other is opened, none closed */
	bool resting; /* short of descriptors or memory, until the next refresh */
	unsigned count;
	struct listener sockets[SOCKETS_MAX];
	struct log_once trouble;
};

/* ---- options -------------------------------------------------------------------------------- */

static void option(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof value);
}

/* Accepted sockets inherit these from the listening one (tcp(7)), which saves the calls; but a unix
 * socket inherits none. */
static void options_set(int fd, int family)
{
	option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EACH_S);
	option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
	option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNANSWERED_MS);
	option(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
	option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES); /* before listen: it sets the window */
	if (family == AF_INET6) /* so that 0.0.0.0 and [::] can both be listed */
		option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

/* ---- accepting ----------------------------------------------------------------------------- */

/* 0, or -errno: none is left, one was lost before it was accepted (accept(2)), or a shortage. */
static int accept_one(struct listeners *listeners, int fd)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	int peer = accept4(fd, (struct sockaddr *)&address, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (peer < 0)
		return -errno;
	if (address.ss_family == AF_UNIX)
		option(peer, SOL_SOCKET, SO_SNDBUF, BUFFER_BYTES);
	admission_decide(listeners->admission, peer, &address);
	return 0;
}

/* As many as that, or as there are and room is for: 0, or the -errno that ended it. */
static int accept_many(struct listeners *listeners, int fd, unsigned most)
{
	int rc = 0;
	while (most-- && !rc && !admission_is_busy(listeners->admission))
		rc = accept_one(listeners, fd);
	admission_done(listeners->admission);
	return rc;
}

static void set_enabled(struct listeners *listeners, int enabled)
{
	for (unsigned i = 0; i < listeners->count; i++)
		sd_event_source_set_enabled(listeners->sockets[i].source, enabled);
}

static void on_room(void *context)
{
	struct listeners *listeners = context;
	if (!listeners->resting && !admission_is_busy(listeners->admission))
		set_enabled(listeners, SD_EVENT_ON);
}

static int on_ready(sd_event_source *source, int fd, uint32_t events, void *context)
{
	struct listeners *listeners = context;
	int rc = accept_many(listeners, fd, ACCEPTS_PER_TURN);
	(void)source, (void)events;
	listeners->resting = rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM;
	if (listeners->resting)
		admission_shortage(listeners->admission, rc);
	/* Until there is room, or the next refresh: it would stay ready and spin the loop. */
	if (listeners->resting || admission_is_busy(listeners->admission))
		set_enabled(listeners, SD_EVENT_OFF);
	return 0;
}

/* ---- one socket ---------------------------------------------------------------------------- */

static int bind_and_listen(int fd, const struct sockaddr *address, socklen_t bytes)
{
	return bind(fd, address, bytes) || listen(fd, SOMAXCONN) ? -errno : 0;
}

/* 0 or -errno.  The plant file's digits are right, so a failure is that of the %scope. */
static int listen_resolve(const struct plant_listen *wanted, struct addrinfo **found)
{
	const struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV | AI_NUMERICHOST,
					.ai_socktype = SOCK_STREAM };
	int rc = getaddrinfo(wanted->host, wanted->port, &hints, found);
	if (!rc)
		return 0;
	return rc == EAI_MEMORY ? -ENOMEM : -EADDRNOTAVAIL;
}

/* The descriptor or -errno. */
static int open_internet(const struct plant_listen *wanted)
{
	struct addrinfo *found;
	int rc = listen_resolve(wanted, &found);
	if (rc)
		return rc;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		rc = -errno;
	if (!rc) {
		options_set(fd, found->ai_family);
		rc = bind_and_listen(fd, found->ai_addr, found->ai_addrlen);
	}
	freeaddrinfo(found);
	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

/* Is the name free?  It is when nothing is there, or a socket on which nobody listens any more.
 * 0 or -errno. */
static int check_name(const struct sockaddr_un *name)
{
	struct stat st;
	if (lstat(name->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	bool stale =
		connect(fd, (const struct sockaddr *)name, sizeof *name) && errno == ECONNREFUSED;
	close(fd);
	return stale ? 0 : -EADDRINUSE;
}

/* Lock the folder of the name, so that of two servers that start at once one finds the other's
 * socket.  Whoever can read the folder can lock it: one who keeps the lock must not keep us from
 * starting.  The descriptor of the lock; -1: without. */
static int lock_folder(const char *path)
{
	char folder[PLANT_SOCKET_MAX + 1];
	size_t length = (size_t)(strrchr(path, '/') + 1 - path);
	snprintf(folder, sizeof folder, "%.*s", (int)length, path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(fd, LOCK_EX | LOCK_NB))
			return fd;
		usleep(LOCK_RETRY_US);
	}
	log_warn("unix:%s: another process keeps the folder locked (flock): continuing without the "
		 "lock",
		 path);
	close(fd);
	return -1;
}

/* Let those connect whom the policy says: path leads to our socket, and nobody else's mode or group
 * is to be changed by a race. */
static int allow(struct listener *listener, const char *path)
{
	const struct plant_server *server = &policy_present()->plant->server;
	gid_t group = server->socket_group == (gid_t)-1 ? getegid() : server->socket_group;
	char link[64];
	struct stat st;
	int rc = 0, fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) || st.st_dev != listener->device || st.st_ino != listener->inode)
		rc = -ENOENT;
	/* The new mode is not for the old group. */
	if (!rc && st.st_gid != group &&
	    (chmod(link, server->socket_mode & 0600) || chown(link, (uid_t)-1, group)))
		rc = -errno;
	if (!rc && chmod(link, server->socket_mode))
		rc = -errno;
	close(fd);
	if (rc)
		return rc;
	listener->mode = server->socket_mode;
	listener->group = server->socket_group;
	return 0;
}

/* Bind and listen under the temporary name first: so nobody can connect before the socket has its
 * mode and group, and a stale socket is replaced without a moment in between. */
static int place_socket(int fd, const struct sockaddr_un *temporary, const struct sockaddr_un *name,
			struct listener *listener)
{
	struct stat st;
	mode_t mask = umask(0777);
	int rc = bind_and_listen(fd, (const struct sockaddr *)temporary, sizeof *temporary);
	umask(mask);
	if (rc)
		return rc;
	rc = stat(temporary->sun_path, &st) ? -errno : 0;
	if (!rc) {
		listener->device = st.st_dev;
		listener->inode = st.st_ino;
		rc = allow(listener, temporary->sun_path);
	}
	if (!rc && rename(temporary->sun_path, name->sun_path))
		rc = -errno;
	if (rc)
		unlink(temporary->sun_path);
	return rc;
}

/* The folder is locked: what has the temporary name was left by a process that was killed. */
static int open_locked(const struct plant_listen *wanted, struct listener *listener)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX }, temporary = name;
	snprintf(name.sun_path, sizeof name.sun_path, "%.*s", PLANT_SOCKET_MAX, wanted->host);
	snprintf(temporary.sun_path, sizeof temporary.sun_path, "%.*s.new", PLANT_SOCKET_MAX,
		 wanted->host);
	int rc = check_name(&name);
	rc = rc ? rc : check_name(&temporary);
	if (rc)
		return rc;
	unlink(temporary.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = place_socket(fd, &temporary, &name, listener);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* The descriptor or -errno. */
static int open_unix(const struct plant_listen *wanted, struct listener *listener)
{
	int lock = lock_folder(wanted->host);
	int fd = open_locked(wanted, listener);
	if (lock >= 0)
		close(lock);
	return fd;
}

static void log_address(int fd, const struct plant_listen *wanted)
{
	struct sockaddr_storage address;
	socklen_t bytes = sizeof address;
	char host[64], port[8];
	if (getsockname(fd, (struct sockaddr *)&address, &bytes))
		return;
	if (address.ss_family == AF_UNIX)
		log_info("listening on unix:%s",
			 wanted ? wanted->host : ((struct sockaddr_un *)&address)->sun_path);
	else if (!getnameinfo((struct sockaddr *)&address, bytes, host, sizeof host, port,
			      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
		log_info(strchr(host, ':') ? "listening on [%s]:%s" : "listening on %s:%s", host,
			 port);
}

/* ---- the set of them ----------------------------------------------------------------------- */

/* 0 or -errno; then fd is still the caller's. */
static int add(struct listeners *listeners, int fd, const struct plant_listen *wanted,
	       const struct listener *like)
{
	struct listener *listener = &listeners->sockets[listeners->count];
	*listener = *like;
	int rc = sd_event_add_io(listeners->event, &listener->source, fd, EPOLLIN, on_ready,
				 listeners);
	if (rc < 0)
		return rc;
	listener->fd = fd;
	if (wanted)
		listener->wanted = *wanted;
	listeners->count++;
	log_address(fd, wanted);
	return 0;
}

static int add_wanted(struct listeners *listeners, const struct plant_listen *wanted)
{
	struct listener listener = { .fd = -1 };
	int fd = wanted->port[0] != '\0' ? open_internet(wanted) : open_unix(wanted, &listener);
	if (fd < 0)
		return fd;
	int rc = add(listeners, fd, wanted, &listener);
	if (rc)
		close(fd);
	return rc;
}

static bool is_unix(const struct listener *listener)
{
	return listener->wanted.text[0] != '\0' && listener->wanted.port[0] == '\0';
}

/* Does the name of a unix socket lead to it? */
static bool has_name(const struct listener *listener)
{
	struct stat st;
	return !lstat(listener->wanted.host, &st) && st.st_dev == listener->device &&
	       st.st_ino == listener->inode;
}

/* Clients in its queue are let in, as far as there is room: to them they are connected. */
static void remove_at(struct listeners *listeners, unsigned index)
{
	struct listener *listener = &listeners->sockets[index];
	if (is_unix(listener) && has_name(listener))
		unlink(listener->wanted.host);
	if (!listeners->passed)
		accept_many(listeners, listener->fd, SOMAXCONN);
	sd_event_source_unref(listener->source);
	close(listener->fd);
	*listener = listeners->sockets[--listeners->count];
}

static const char *explain(const struct plant_listen *wanted, int rc, char text[EXPLANATION_SIZE])
{
	if (rc == -EADDRINUSE)
		snprintf(text, EXPLANATION_SIZE,
			 "%s is in use by another program: stop that one, or choose another "
			 "address (server.listen, --port)",
			 wanted->text);
	else if (rc == -EADDRNOTAVAIL)
		snprintf(text, EXPLANATION_SIZE,
			 "%s is not an address of this machine (server.listen)", wanted->text);
	else if (rc == -EACCES && wanted->port[0] != '\0')
		snprintf(text, EXPLANATION_SIZE, "%s: ports below 1024 need CAP_NET_BIND_SERVICE",
			 wanted->text);
	else if (rc == -EEXIST)
		snprintf(text, EXPLANATION_SIZE,
			 "%s: there is a file of that name, and it is not a socket (server.listen)",
			 wanted->text);
	else
		snprintf(text, EXPLANATION_SIZE, "cannot listen on %s: %s", wanted->text,
			 strerror(-rc));
	return text;
}

/* Which of the sockets is for that address?  Each is for one entry, since an address with port 0
 * may be listed more than once. */
static bool find(const struct listeners *listeners, const struct plant_listen *wanted,
		 const bool *taken, unsigned *index)
{
	for (*index = 0; *index < listeners->count; ++*index)
		if (!taken[*index] && !strcmp(listeners->sockets[*index].wanted.text, wanted->text))
			return true;
	return false;
}

/* A unix socket whose name was removed, or leads to another, can be reached no more. */
static bool is_lost(const struct listener *listener)
{
	return is_unix(listener) && !has_name(listener);
}

/* A socket that stays: with the mode and group that the policy has now.  0 or -errno. */
static int keep(struct listener *listener)
{
	const struct plant_server *server = &policy_present()->plant->server;
	if (!is_unix(listener) ||
	    (listener->mode == server->socket_mode && listener->group == server->socket_group))
		return 0;
	return allow(listener, listener->wanted.host);
}

/* Remove what the policy does not have, then add what it has and we have not.  0, or -errno and
 * which: the first that failed. */
static int synchronize(struct listeners *listeners, const struct plant_listen **which)
{
	const struct plant_server *server = &policy_present()->plant->server;
	bool taken[SOCKETS_MAX] = { false }, have[PLANT_LISTEN_MAX];
	unsigned index;
	int rc = 0;
	for (unsigned i = 0; i < server->listen_count; i++) {
		have[i] = find(listeners, &server->listen[i], taken, &index) &&
			  !is_lost(&listeners->sockets[index]);
		if (!have[i])
			continue;
		taken[index] = true;
		int failed = keep(&listeners->sockets[index]);
		if (failed && !rc) {
			rc = failed;
			*which = &server->listen[i];
		}
	}
	for (index = listeners->count; index-- > 0;)
		if (!taken[index])
			/* The last takes its place, and is one that stays. */
			remove_at(listeners, index);
	for (unsigned i = 0; i < server->listen_count; i++) {
		int failed = have[i] ? 0 : add_wanted(listeners, &server->listen[i]);
		if (failed && !rc) {
			rc = failed;
			*which = &server->listen[i];
		}
	}
	return rc;
}

void listeners_refresh(struct listeners *listeners)
{
	char text[EXPLANATION_SIZE];
	const struct plant_listen *which;
	int rc = listeners->passed ? 0 : synchronize(listeners, &which);
	if (rc)
		log_once(&listeners->trouble, "%s", explain(which, rc, text));
	else
		listeners->trouble = (struct log_once){ 0 };
	listeners->resting = false;
	on_room(listeners);
}

/* Sockets on which a service manager listens for us (sd_listen_fds(3)): clients can connect while
 * no server runs. */
static void adopt_passed(struct listeners *listeners, int count)
{
	const struct listener like = { .fd = -1 };
	log_info("using %d socket%s of the service manager instead of server.listen", count,
		 count == 1 ? "" : "s");
	if (count > SOCKETS_MAX)
		die(EXIT_FAILURE, "the service manager passes %d sockets, expected at most %d",
		    count, SOCKETS_MAX);
	listeners->passed = true;
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
		if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
			die(EXIT_FAILURE, "the service manager passes something other than a "
					  "listening stream socket");
		options_set(fd, AF_UNSPEC);
		fcntl(fd, F_SETFL, O_NONBLOCK);
		int rc = add(listeners, fd, NULL, &like);
		if (rc)
			die(EXIT_FAILURE, "a socket of the service manager: %s", strerror(-rc));
	}
}

struct listeners *listeners_open(struct admission *admission, sd_event *event)
{
	struct listeners *listeners = calloc(1, sizeof *listeners);
	if (!listeners)
		die(EXIT_FAILURE, "out of memory");
	listeners->admission = admission;
	listeners->event = event;
	admission_on_room(admission, on_room, listeners);
	int passed = sd_listen_fds(1);
	if (passed > 0) {
		adopt_passed(listeners, passed);
		return listeners;
	}
	const struct plant_listen *which;
	char text[EXPLANATION_SIZE];
	int rc = synchronize(listeners, &which);
	if (rc) {
		while (listeners->count > 0) /* unix sockets' names go with them */
			remove_at(listeners, 0);
		die(EXIT_FAILURE, "%s", explain(which, rc, text));
	}
	return listeners;
}

void listeners_close(struct listeners *listeners)
{
	while (listeners->count > 0)
		remove_at(listeners, 0);
	free(listeners);
}
