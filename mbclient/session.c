/* Requests through libmodbus, on a connection that is opened when needed. */
#include "mbclient/session.h"

#include "base/clock.h"
#include "mbclient/wait.h"
#include "modbus/exception.h"
#include "modbus/function.h"
#include "modbus/mbap.h"

#include <errno.h>
#include <modbus.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WHY_SIZE = 512 };

struct session {
	char host[256], port[8];
	double timeout_s;
	modbus_t *modbus;     /* its socket is -1 while there is no connection */
	uint16_t transaction; /* of the last write */
	bool done, failed;    /* has a request ever? */
	char why[WHY_SIZE];
};

/* ---- errors in words ----------------------------------------------------------------------- */

static void close_connection(struct session *session)
{
	modbus_close(session->modbus);
	modbus_set_socket(session->modbus, -1);
}

static enum session_result explain_exception(struct session *session, uint8_t code)
{
	const char *name = exception_name(code);
	if (name) {
		snprintf(session->why, WHY_SIZE, "%s (exception %02X)", name, code);
		return code <= MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE ? SESSION_REFUSED
								   : SESSION_FAILED;
	}
	close_connection(session);
	snprintf(session->why, WHY_SIZE, "the answer was not understood: exception %02X", code);
	return SESSION_LOST;
}

/* A request failed with that errno.  After anything but an exception the connection is closed: a
 * late reply must not be taken for the next one's. */
static enum session_result explain_error(struct session *session, int error)
{
	int code = error - MODBUS_ENOBASE;
	if (code >= 0 && code < MODBUS_EXCEPTION_MAX)
		return explain_exception(session, (uint8_t)code);
	close_connection(session);
	if (error == ETIMEDOUT)
		snprintf(session->why, WHY_SIZE, "timeout: no answer within %g s",
			 session->timeout_s);
	else if (error == ECONNRESET || error == EPIPE)
		snprintf(session->why, WHY_SIZE, "connection lost: the server closed it");
	else if (error > MODBUS_ENOBASE)
		snprintf(session->why, WHY_SIZE, "the answer was not understood: %s",
			 modbus_strerror(error));
	else
		snprintf(session->why, WHY_SIZE, "connection lost: %s", strerror(error));
	return SESSION_LOST;
}

/* ---- the connection ------------------------------------------------------------------------ */

/* Not modbus_connect: it takes an unknown name and an unreachable host for a refusal, a timeout for
 * "in progress" (libmodbus issues 736, 756), and cannot be interrupted.  0, -errno, or -EINTR for
 * Ctrl-C; *fd is open also when it failed. */
static int connect_to(const struct addrinfo *address, double timeout_s, int *fd)
{
	*fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	if (!connect(*fd, address->ai_addr, address->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	enum wait_result result =
		wait_until(*fd, POLLOUT, clock_mono_ns() + (int64_t)(timeout_s * 1e9));
	if (result != WAIT_READY)
		return result == WAIT_TIMEOUT ? -ETIMEDOUT : -EINTR;
	int error = 0;
	getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof error });
	return -error;
}

static enum session_result open_connection(struct session *session)
{
	struct addrinfo *list, hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	int rc = getaddrinfo(session->host, session->port, &hints, &list);
	if (rc) {
		snprintf(session->why, WHY_SIZE, "cannot find %s: %s", session->host,
			 gai_strerror(rc));
		return SESSION_FAILED;
	}
	for (const struct addrinfo *address = list; address; address = address->ai_next) {
		int fd;
		rc = connect_to(address, session->timeout_s, &fd);
		if (!rc)
			modbus_set_socket(session->modbus, fd);
		else if (fd >= 0)
			close(fd);
		if (!rc || rc == -EINTR)
			break;
	}
	freeaddrinfo(list);
	if (rc == -EINTR) {
		snprintf(session->why, WHY_SIZE, "interrupted while connecting");
		return SESSION_INTERRUPTED;
	}
	if (rc)
		snprintf(session->why, WHY_SIZE, "cannot connect to %s port %s: %s", session->host,
			 session->port, strerror(-rc));
	return rc ? SESSION_FAILED : SESSION_OK;
}

/* A connection with nothing to read: an end, or bytes that nobody asked for, would be taken for the
 * next reply. */
static enum session_result ready_connection(struct session *session)
{
	int fd = modbus_get_socket(session->modbus);
	if (fd >= 0 && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 0)
		return SESSION_OK;
	close_connection(session);
	return open_connection(session);
}

/* ---- requests ------------------------------------------------------------------------------ */

struct session *session_new(const char *host, const char *port, int unit, double timeout_s)
{
	struct session *session = calloc(1, sizeof *session);
	if (!session)
		return NULL;
	if (strlen(host) < sizeof session->host && strlen(port) < sizeof session->port) {
		strcpy(session->host, host);
		strcpy(session->port, port);
		session->timeout_s = timeout_s;
		session->modbus = modbus_new_tcp_pi(host, port);
	}
	if (!session->modbus) {
		free(session);
		return NULL;
	}
	modbus_set_slave(session->modbus, unit);
	uint32_t seconds = (uint32_t)timeout_s;
	modbus_set_response_timeout(session->modbus, seconds,
				    (uint32_t)((timeout_s - seconds) * 1e6));
	/* The whole reply within the timeout; by default libmodbus would grant half a second more
	 * after each byte. */
	modbus_set_byte_timeout(session->modbus, 0, 0);
	return session;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	close_connection(session);
	modbus_free(session->modbus);
	free(session);
}

static enum session_result read_item(struct session *session, enum mbshm_table table, uint16_t addr,
				     uint16_t *value)
{
	enum session_result result = ready_connection(session);
	if (result != SESSION_OK)
		return result;
	uint8_t bit = 0;
	int count = -1;
	switch (table) {
	case MBSHM_COILS:
		count = modbus_read_bits(session->modbus, addr, 1, &bit);
		break;
	case MBSHM_DISCRETE_INPUTS:
		count = modbus_read_input_bits(session->modbus, addr, 1, &bit);
		break;
	case MBSHM_HOLDING_REGISTERS:
		count = modbus_read_registers(session->modbus, addr, 1, value);
		break;
	case MBSHM_INPUT_REGISTERS:
		count = modbus_read_input_registers(session->modbus, addr, 1, value);
		break;
	default:
		errno = EINVAL;
	}
	if (count != 1)
		return explain_error(session, errno);
	if (table == MBSHM_COILS || table == MBSHM_DISCRETE_INPUTS)
		*value = bit;
	return SESSION_OK;
}

/* The answer to the request, or what is wrong with these bytes. */
static enum session_result check_answer(struct session *session, const struct request *request,
					struct mbap mbap, const uint8_t *adu, size_t bytes)
{
	const char *wrong = NULL;
	struct reply reply;
	struct frame frame = frame_next(adu, bytes);
	if (frame.kind != FRAME_ADU || frame.bytes != bytes)
		wrong = "an impossible length";
	else if (mbap_get(adu).transaction != mbap.transaction)
		wrong = "another request's";
	else if (mbap_get(adu).unit != mbap.unit)
		wrong = "another unit's";
	if (!wrong) {
		enum reply_verdict verdict =
			reply_check(request, adu + MBAP_BYTES, bytes - MBAP_BYTES, &reply);
		if (verdict == REPLY_OK)
			return SESSION_OK;
		if (verdict == REPLY_EXCEPTION)
			return explain_exception(session, reply.exception);
		if (verdict == REPLY_VALUE) {
			snprintf(session->why, WHY_SIZE, "the device echoes %u", reply.value);
			return SESSION_LOST;
		}
		wrong = reply_words(verdict);
	}
	close_connection(session);
	snprintf(session->why, WHY_SIZE, "the answer was not understood: %s", wrong);
	return SESSION_LOST;
}

/* A write.  Not modbus_write_bit and _register, which take any echo for the right one. */
static enum session_result exchange(struct session *session, uint8_t function,
				    struct request *request)
{
	uint8_t adu[MODBUS_TCP_MAX_ADU_LENGTH];
	const struct mbap mbap = { ++session->transaction,
				   (uint8_t)modbus_get_slave(session->modbus) };
	size_t bytes = request_encode(function, request, adu + MBAP_BYTES);
	bytes = mbap_put(adu, mbap, bytes);
	if (send(modbus_get_socket(session->modbus), adu, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
		return explain_error(session, errno);
	int received = modbus_receive_confirmation(session->modbus, adu);
	if (received < 0)
		return explain_error(session, errno);
	return check_answer(session, request, mbap, adu, (size_t)received);
}

static enum session_result write_item(struct session *session, enum mbshm_table table,
				      uint16_t addr, uint16_t value)
{
	enum session_result result = ready_connection(session);
	if (result != SESSION_OK)
		return result;
	const uint8_t data[] = { table == MBSHM_COILS ? value != 0 : (uint8_t)(value >> 8),
				 (uint8_t)value };
	struct request request = { .write = { addr, 1 }, .data = data };
	return exchange(session,
			table == MBSHM_COILS ? MODBUS_FC_WRITE_SINGLE_COIL
					     : MODBUS_FC_WRITE_SINGLE_REGISTER,
			&request);
}

static enum session_result note(struct session *session, enum session_result result)
{
	session->done |= result == SESSION_OK;
	session->failed |= result != SESSION_OK && result != SESSION_INTERRUPTED;
	return result;
}

enum session_result session_read(struct session *session, enum mbshm_table table, uint16_t addr,
				 uint16_t *value)
{
	return note(session, read_item(session, table, addr, value));
}

enum session_result session_write(struct session *session, enum mbshm_table table, uint16_t addr,
				  uint16_t value)
{
	return note(session, write_item(session, table, addr, value));
}

bool session_all_failed(const struct session *session)
{
	return session->failed && !session->done;
}

const char *session_why(const struct session *session)
{
	return session->why;
}
