/* The handlers of requests.  Each returns 0 and the answer's PDU in the call, the exception,
 * ANSWER_LATER or ANSWER_REPLACED. */
#ifndef MBSERVERD_HANDLERS_H
#define MBSERVERD_HANDLERS_H

struct call;

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

#endif
