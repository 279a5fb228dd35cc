/* One request on its way through a handler: what handlers share. */
#ifndef MBSERVERD_CALL_H
#define MBSERVERD_CALL_H

#include "mbserverd/execution.h"
#include "mbserverd/policy.h"
#include "modbus/pdu.h"

struct call {
	const struct execution *execution;
	struct client *client;
	const struct device *device;
	uint8_t unit;
	const struct request *request;
	const struct access_rule *rule;
	uint8_t *pdu; /* the answer's, PDU_MAX bytes; its function code is there */
	size_t pdu_bytes;
};

/* The exception for an error of the image, ANSWER_LATER or ANSWER_REPLACED. */
int call_exception(int rc);

/* Is that producer of the image silent for after_ms? */
bool call_stale(const struct call *call, const char *source, uint64_t after_ms);

/* What seams and stale rules say of these declared items: 0 or the exception. */
int call_span_answer(const struct call *call, enum mbshm_table table, uint32_t first,
		     uint32_t count);

/* May these declared items be read, as far as it depends on seams between them and on who produces
 * them?  0 or the exception.  Inline, since most devices have neither. */
static inline int call_may_read(const struct call *call, enum mbshm_table table, uint32_t first,
				uint32_t count)
{
	const struct plant_server *server = &call->device->plant->server;
	return server->stale_count | server->seam_count
		       ? call_span_answer(call, table, first, count)
		       : 0;
}

/* The same for items to be written, which depends on the client as well. */
int call_may_write(const struct call *call, enum mbshm_table table, uint32_t first, uint32_t count);

/* May the client clear counters?  Only if it may write everything.  0 or the exception: 01, since
 * function 8 knows no 02 (V1.1b3 6.8). */
int call_may_clear(const struct call *call);

/* The client may not write that: count it, and log it within limits.  what->count 0: not known. */
void call_report_refusal(const struct execution *execution, const struct client *client,
			 uint8_t unit, uint8_t function, const struct mbshm_span *what);

/* The image does not have what is asked for: if it is not declared, count that, and by whom. */
void call_note_undeclared(const struct call *call);

/* A transaction, journalled in the client's name. */
void call_begin(const struct call *call);

/* Publish it and answer with the first bytes of the request. */
int call_commit(struct call *call, size_t bytes);

#endif
