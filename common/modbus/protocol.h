/* Modbus TCP as bytes: framing, decoding of requests, encoding of answers.
 *
 * Pure: no descriptor, no clock, no image; server, fuzzer and tests share it.  Sources: Modbus
 * Application Protocol V1.1b3 (section numbers are its own) and Messaging Implementation Guide
 * V1.0b.
 *
 * Every function code is one row of functions[].  Decoding decides all that can be decided without
 * the image, in the order of the function's flow chart: 01 (function), 03 (length, quantity,
 * value), 02 (past address 65535).  Whether the span is declared (02) and whether the device can
 * (04, 06) is for execute.h. */
#ifndef MODBUS_PROTOCOL_H
#define MODBUS_PROTOCOL_H

#include "plant/plant.h"

#include <modbus.h> /* the protocol's constants only */

enum {
	MBAP_BYTES = 7,                  /* transaction 2, protocol 2, length 2, unit 1 */
	PDU_MAX = MODBUS_MAX_PDU_LENGTH, /* 253: 4.1 */
	ADU_MAX = MBAP_BYTES + PDU_MAX,  /* 260 */
	FC_DIAGNOSTICS = 0x08,           /* those that modbus.h has no name for: 6.8 */
	FC_EVENT_COUNTER = 0x0B,         /* 6.9 */
	FC_EVENT_LOG = 0x0C,             /* 6.10 */
	FC_READ_FILE = 0x14,             /* 6.14 */
	FC_WRITE_FILE = 0x15,            /* 6.15 */
	FC_READ_FIFO = 0x18,             /* 6.18 */
	FC_ENCAPSULATED = 0x2B,          /* 6.19, 6.21 */
	MEI_IDENTIFICATION = 0x0E,
	GROUPS_MAX = 35, /* of a file request: 6.14 */
};

/* Sub-functions of 8 that are served: 6.8.1. */
enum {
	DIAGNOSTIC_ECHO = 0,
	DIAGNOSTIC_REGISTER = 2,
	DIAGNOSTIC_CLEAR = 10,         /* all counters */
	DIAGNOSTIC_FIRST_COUNTER = 11, /* 11..18: in the order of enum diagnostics_counter */
	DIAGNOSTIC_LAST_COUNTER = 18,
	DIAGNOSTIC_CLEAR_OVERRUN = 20,
};

/* ---- framing ------------------------------------------------------------------------------- */

enum frame_kind {
	FRAME_PARTIAL, /* not whole yet: wait for more */
	FRAME_ADU,     /* a request of bytes bytes */
	FRAME_FOREIGN, /* another protocol's, of bytes bytes: skip it without an answer */
	FRAME_BROKEN,  /* no length to go by: the stream is lost, close it */
};

struct frame {
	enum frame_kind kind;
	size_t bytes; /* 0 when partial or broken, else 8..ADU_MAX */
};

/* What the first of len bytes begin. */
struct frame frame_next(const uint8_t *bytes, size_t len);

/* ---- requests ------------------------------------------------------------------------------ */

/* What is to be done; execute.c has one handler for each. */
enum action {
	ACTION_READ_BITS,
	ACTION_READ_REGISTERS,
	ACTION_WRITE_BITS,
	ACTION_WRITE_REGISTERS,
	ACTION_READ_STATUS,
	ACTION_DIAGNOSE,
	ACTION_COUNT_EVENTS,
	ACTION_LIST_EVENTS,
	ACTION_REPORT_ID,
	ACTION_READ_FILES,
	ACTION_WRITE_FILES,
	ACTION_MASK_REGISTER,
	ACTION_READ_WRITE_REGISTERS,
	ACTION_READ_FIFO,
	ACTION_IDENTIFY,
	ACTIONS
};

struct request;

/* A function code. */
struct function {
	const char *name;
	/* Fill request, whose PDU is there already.  0, or the exception that goes on the wire.
	 * NULL: 01. */
	int (*decode)(const struct function *function, struct request *request);
	enum action action;
	enum mbshm_table table;
	uint16_t max; /* items of one request */
};

extern const struct function functions[256];

/* One request.  Points into the ADU it was decoded from. */
struct request {
	const struct function *function;
	const uint8_t *pdu;
	size_t bytes; /* of the PDU */
	uint8_t unit;
	uint16_t addr, count;             /* addr + count <= 65536 */
	uint16_t write_addr, write_count; /* function 23: the other span */
	const uint8_t *data; /* values to write: registers big-endian, bits LSB first (only the
				first count count) */
	uint16_t and_mask, or_mask; /* function 22 */
	uint16_t diagnostic;  /* function 8: one of the sub-functions that there are; its data are
				 data, to the end of the PDU */
	unsigned group_count; /* functions 20, 21: at most GROUPS_MAX */
	uint8_t id_code;      /* function 43/14: 1..4, see identity.h */
	uint8_t id_object;
};

/* A group of a file request: records of a file, a register each.  record + count <= 10000. */
struct group {
	uint16_t file;          /* 1..65535 */
	uint16_t record, count; /* count > 0 */
	const uint8_t *data;    /* function 21: the values */
};

/* Take the group at *at of the request, which has been decoded, and move on. */
struct group group_next(const struct request *request, size_t *at);
enum { GROUPS_AT = 2, GROUP_TYPE = 6 }; /* where the first one is; its first byte */

/* Decode an ADU of bytes bytes (as framed: 8..ADU_MAX).  function, pdu and unit are always set.  0,
 * or the exception. */
int request_decode(const uint8_t *adu, size_t bytes, struct request *request);

/* ---- answers ------------------------------------------------------------------------------- */

/* Put the MBAP header, as the request adu has it, before a PDU that stands at out + MBAP_BYTES. The
 * bytes of the answer. */
size_t answer_frame(const uint8_t *adu, uint8_t *out, size_t pdu_bytes);

/* The whole answer "exception code" to the request adu. */
size_t answer_exception(const uint8_t *adu, uint8_t *out, int exception);

/* Registers between host order and the wire's.  Neither side of the wire needs alignment. */
void registers_to_wire(uint8_t *wire, const uint16_t *values, unsigned count);
void registers_from_wire(uint16_t *values, const uint8_t *wire, unsigned count);

static inline uint16_t wire_get16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void wire_put16(uint8_t *bytes, uint16_t value)
{
	bytes[0] = (uint8_t)(value >> 8);
	bytes[1] = (uint8_t)value;
}

#endif
