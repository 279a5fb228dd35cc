/* The transport of plain stream sockets: TCP and unix. */
#ifndef MBSERVERD_TCP_H
#define MBSERVERD_TCP_H

struct transport;

extern const struct transport tcp_transport;

#endif
