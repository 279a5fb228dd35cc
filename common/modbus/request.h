/* Requests as PDUs, by kind: decoding for servers, encoding for masters.  Pure.
 *
 * Decoding decides all that can be decided without the image, in the order of the function's flow
 * chart: 01 (function), 03 (length, quantity, value), 02 (past address 65535). */
#ifndef MODBUS_REQUEST_H
#define MODBUS_REQUEST_H

#include "modbus/pdu.h"

/* How one kind of request is decoded: fill request, whose function, pdu and bytes are there
 * already. 0, or the exception that goes on the wire. */
int decode_read(struct request *request);
int decode_write_single(struct request *request);
int decode_write_multiple(struct request *request);
int decode_nothing(struct request *request);
int decode_diagnose(struct request *request);
int decode_read_files(struct request *request);
int decode_write_files(struct request *request);
int decode_mask(struct request *request);
int decode_read_write(struct request *request);
int decode_fifo(struct request *request);
int decode_identify(struct request *request);

/* How it is encoded, from pdu[1] on.  Returns the bytes of the PDU, at most PDU_MAX whatever the
 * request says; function.h's request_encode checks the result by decoding it. */
size_t encode_read(const struct request *request, uint8_t *pdu);
size_t encode_write_single(const struct request *request, uint8_t *pdu);
size_t encode_write_multiple(const struct request *request, uint8_t *pdu);
size_t encode_nothing(const struct request *request, uint8_t *pdu);
size_t encode_diagnose(const struct request *request, uint8_t *pdu);
size_t encode_files(const struct request *request, uint8_t *pdu);
size_t encode_mask(const struct request *request, uint8_t *pdu);
size_t encode_read_write(const struct request *request, uint8_t *pdu);
size_t encode_fifo(const struct request *request, uint8_t *pdu);
size_t encode_identify(const struct request *request, uint8_t *pdu);

#endif
