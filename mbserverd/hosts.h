/* Client hosts: how many connections each has.  A host is an IPv4 address, the first 64 bits of an
 * IPv6 address (RFC 4291 2.5.4: who has one address has them all), or a user at unix sockets.
 *
 *   call                              thread
 *   hosts_*, host_count               the main thread only
 *   everything else                   any: the worker that has the connection */
#ifndef MBSERVERD_HOSTS_H
#define MBSERVERD_HOSTS_H

#include <stdbool.h>

struct host;
struct hosts;
struct mbshm_origin;

/* Empty.  NULL: out of memory. */
struct hosts *hosts_new(void);

/* After the last connection has been released. */
void hosts_free(struct hosts *hosts);

/* The host of peer, whose connection is fd; it belongs to hosts, and is freed by a later hosts_find
 * unless a connection is counted on it.  NULL: out of memory. */
struct host *hosts_find(struct hosts *hosts, const struct mbshm_origin *peer, int fd);

/* The largest number of connections of one host that may be closed to make room. */
unsigned hosts_most(const struct hosts *hosts);

/* Connections counted and not released, and those of them that may be closed to make room. */
unsigned host_connections(const struct host *host);
unsigned host_closable(const struct host *host);

/* Count a connection; may it be closed to make room?  The host stays until it is released. */
void host_count(struct host *host, bool closable);

/* What it was counted as has changed. */
void host_recount(struct host *host, bool closable);

/* The connection is closed: do not use host again. */
void host_release(struct host *host, bool closable);

/* Release a closable one if the host has more than max.  Of several threads that ask, only as many
 * get true as there are too many.  Then do not use host again. */
bool host_release_above(struct host *host, unsigned max);

#endif
