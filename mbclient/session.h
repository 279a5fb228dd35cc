/* A session with one Modbus TCP server: a libmodbus connection that is opened when it is needed and
 * again when it was lost.
 *
 * One thread.  After an error session_why has the reason in words. */
#ifndef MBCLIENT_SESSION_H
#define MBCLIENT_SESSION_H

#include "mbshm.h"

#include <stdbool.h>
#include <stdint.h>

struct session;

enum session_result {
	SESSION_OK,
	SESSION_REFUSED, /* the server will not do it, now or later: exceptions 01, 02, 03 */
	SESSION_FAILED,  /* not done, but may be the next time: busy, no connection */
	SESSION_LOST, /* sent, and no answer that could be used: nobody knows whether it was done */
	SESSION_INTERRUPTED, /* Ctrl-C while connecting */
};

enum { SESSION_UNIT_DEVICE = 255 }; /* units: 0..247, or 255, the device itself */

/* host: a name or an address; port: a number; both copied.  Nothing is sent yet.  NULL: no memory,
 * or host too long. */
struct session *session_new(const char *host, const char *port, int unit, double timeout_s);

/* Close the connection, if there is one. */
void session_free(struct session *session);

/* Read one item of any table; of the bit tables 0 or 1. */
enum session_result session_read(struct session *session, enum mbshm_table table, uint16_t addr,
				 uint16_t *value);

/* Write one coil (0 or 1) or holding register. */
enum session_result session_write(struct session *session, enum mbshm_table table, uint16_t addr,
				  uint16_t value);

/* Were there requests, and did none succeed?  Interrupted ones do not count. */
bool session_all_failed(const struct session *session);

/* Why the last call did not succeed; valid until the next. */
const char *session_why(const struct session *session);

#endif
