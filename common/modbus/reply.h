/* Replies as PDUs, for masters: is this the answer to that request, and what does it say?  Pure. */
#ifndef MODBUS_REPLY_H
#define MODBUS_REPLY_H

#include "modbus/pdu.h"

/* How one kind of reply is checked and taken apart.  pdu has the request's function code and bytes
 * bytes, at least 1. */
enum reply_verdict check_values(const struct request *request, const uint8_t *pdu, size_t bytes,
				struct reply *reply);
enum reply_verdict check_write_single(const struct request *request, const uint8_t *pdu,
				      size_t bytes, struct reply *reply);
enum reply_verdict check_write_multiple(const struct request *request, const uint8_t *pdu,
					size_t bytes, struct reply *reply);
enum reply_verdict check_status(const struct request *request, const uint8_t *pdu, size_t bytes,
				struct reply *reply);
enum reply_verdict check_diagnose(const struct request *request, const uint8_t *pdu, size_t bytes,
				  struct reply *reply);
enum reply_verdict check_event_counter(const struct request *request, const uint8_t *pdu,
				       size_t bytes, struct reply *reply);
enum reply_verdict check_event_log(const struct request *request, const uint8_t *pdu, size_t bytes,
				   struct reply *reply);
enum reply_verdict check_id(const struct request *request, const uint8_t *pdu, size_t bytes,
			    struct reply *reply);
enum reply_verdict check_read_files(const struct request *request, const uint8_t *pdu, size_t bytes,
				    struct reply *reply);
enum reply_verdict check_echo(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply);
enum reply_verdict check_mask(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply);
enum reply_verdict check_fifo(const struct request *request, const uint8_t *pdu, size_t bytes,
			      struct reply *reply);
enum reply_verdict check_identify(const struct request *request, const uint8_t *pdu, size_t bytes,
				  struct reply *reply);

#endif
