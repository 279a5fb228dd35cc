/* lmserver: a Modbus TCP server in the pattern that users of libmodbus write, following its
 * documentation: one context, one mapping, select() over all connections, modbus_receive() and
 * modbus_reply() for whichever is readable.
 *
 *   lmserver      holding registers and coils 0-1999, prints "ready PORT" */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ITEMS = 2000, BACKLOG = 128 };

static fd_set connections;
static int highest;

static int listen_loopback(modbus_t *modbus)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	int fd = modbus_tcp_listen(modbus, BACKLOG);
	if (fd < 0 || getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		errx(1, "listen: %s", modbus_strerror(errno));
	printf("ready %u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void accept_one(modbus_t *modbus, int listener)
{
	int fd = modbus_tcp_accept(modbus, &listener);
	if (fd < 0)
		return;
	if (fd >= FD_SETSIZE) {
		close(fd);
		return;
	}
	FD_SET(fd, &connections);
	if (fd > highest)
		highest = fd;
}

static void serve(modbus_t *modbus, modbus_mapping_t *mapping, int fd)
{
	uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
	modbus_set_socket(modbus, fd);
	int size = modbus_receive(modbus, query);
	if (size > 0) {
		modbus_reply(modbus, query, size, mapping);
	} else if (size < 0) {
		close(fd);
		FD_CLR(fd, &connections);
	}
}

int main(void)
{
	modbus_t *modbus = modbus_new_tcp("127.0.0.1", 0);
	modbus_mapping_t *mapping = modbus_mapping_new(ITEMS, ITEMS, ITEMS, ITEMS);
	if (!modbus || !mapping)
		errx(1, "%s", modbus_strerror(errno));
	int listener = highest = listen_loopback(modbus);
	FD_SET(listener, &connections);
	for (;;) {
		fd_set readable = connections;
		if (select(highest + 1, &readable, NULL, NULL, NULL) < 0)
			err(1, "select");
		for (int fd = 0; fd <= highest; fd++) {
			if (!FD_ISSET(fd, &readable))
				continue;
			if (fd == listener)
				accept_one(modbus, listener);
			else
				serve(modbus, mapping, fd);
		}
	}
}
