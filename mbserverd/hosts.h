/* Client hosts: how many connections each address has.
 *
 *   call                              thread
 *   host_release                      any: the worker that closes the connection
 *   everything else                   the main thread only */
#ifndef MBSERVERD_HOSTS_H
#define MBSERVERD_HOSTS_H

struct host;
struct hosts;
struct mbshm_origin;

/* Empty.  NULL: out of memory. */
struct hosts *hosts_new(void);

/* After the last connection has been released. */
void hosts_free(struct hosts *hosts);

/* The host at the address of peer, whatever its port; it belongs to hosts, and is freed by a later
 * hosts_find unless a connection is counted on it.  NULL: out of memory. */
struct host *hosts_find(struct hosts *hosts, const struct mbshm_origin *peer);

/* Connections counted and not released. */
unsigned host_connections(const struct host *host);

/* Count a connection.  The host stays until it is released. */
void host_count(struct host *host);

/* The connection is closed: do not use host again.  NULL: do nothing. */
void host_release(struct host *host);

#endif
