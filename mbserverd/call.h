/* Inside of execute.h: one request on its way through a handler. */
#ifndef MBSERVERD_CALL_H
#define MBSERVERD_CALL_H

#include "mbserverd/execute.h"

struct call {
	const struct execution *with;
	struct client *client;
	const struct device *unit;
	const struct request *request;
	const struct access_rule *rule;
	uint8_t *pdu; /* the answer's, PDU_MAX bytes */
	size_t pdu_bytes;
};

/* Handlers.  0 and the answer, the exception, or EXECUTE_BUSY. */

/* tables.c: 1-6, 15, 16, 22, 23 */
int tables_read_bits(struct call *call);
int tables_read_registers(struct call *call);
int tables_write_bits(struct call *call);
int tables_write_registers(struct call *call);
int tables_mask_register(struct call *call);
int tables_read_write_registers(struct call *call);

/* files.c: 20, 21, 24 */
int files_read(struct call *call);
int files_write(struct call *call);
int files_read_fifo(struct call *call);

/* device.c: 7, 8, 11, 12, 17, 43/14 */
int device_read_status(struct call *call);
int device_diagnose(struct call *call);
int device_count_events(struct call *call);
int device_list_events(struct call *call);
int device_report_id(struct call *call);
int device_identify(struct call *call);

/* ---- what they share: execute.c ------------------------------------------------------------ */

/* The exception for an error of the image. */
int call_exception(int error);

/* Is that producer of the image silent for after_ms? */
bool call_stale(const struct call *call, const char *source, uint64_t after_ms);

/* May these declared items be read, as far as it depends on who produces them?  0 or the exception.
 */
int call_may_read(const struct call *call, enum mbshm_table table, uint32_t first, uint32_t count);

/* The same for items to be written, which depends on who writes as well. */
int call_may_write(const struct call *call, enum mbshm_table table, uint32_t first, uint32_t count);

/* A transaction, journalled in the client's name. */
void call_begin(const struct call *call);

/* Publish it and answer with the first bytes of the request. */
int call_commit(struct call *call, size_t bytes);

#endif
