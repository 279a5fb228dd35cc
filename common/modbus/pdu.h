/* What PDUs are made of: function codes, requests, replies.  Pure.
 *
 * Sources: Modbus Application Protocol V1.1b3; section numbers are its own. */
#ifndef MODBUS_PDU_H
#define MODBUS_PDU_H

#include "mbshm.h"

#include <modbus.h> /* the protocol's constants only */

enum { PDU_MAX = MODBUS_MAX_PDU_LENGTH }; /* 253: 4.1 */

enum {
	FC_DIAGNOSTICS = 0x08,   /* those that modbus.h has no name for: 6.8 */
	FC_EVENT_COUNTER = 0x0B, /* 6.9 */
	FC_EVENT_LOG = 0x0C,     /* 6.10 */
	FC_READ_FILE = 0x14,     /* 6.14 */
	FC_WRITE_FILE = 0x15,    /* 6.15 */
	FC_READ_FIFO = 0x18,     /* 6.18 */
	FC_ENCAPSULATED = 0x2B,  /* 6.19, 6.21 */
	MEI_IDENTIFICATION = 0x0E,
	FILE_RECORDS = 10000, /* of a file: 6.14 */
	FIFO_VALUES = 31,     /* of a FIFO: 6.18 */
	OBJECT_MAX = 244,     /* bytes of an identification object that fits a reply: 6.21 */
	EVENTS_MAX = 64,      /* of a log: 6.10 */
};

/* Sub-functions of 8 that are served: 6.8.1. */
enum {
	DIAGNOSTIC_ECHO = 0,
	DIAGNOSTIC_REGISTER = 2,
	DIAGNOSTIC_CLEAR = 10,         /* all counters */
	DIAGNOSTIC_FIRST_COUNTER = 11, /* 11..18 */
	DIAGNOSTIC_LAST_COUNTER = 18,
	DIAGNOSTIC_CLEAR_OVERRUN = 20,
};

/* Consecutive items.  addr + count <= 65536. */
struct items {
	uint16_t addr, count;
};

/* A group of a file request: records of a file, a register each.  record + count <= FILE_RECORDS.
 */
struct file_group {
	uint16_t file;          /* 1..65535 */
	uint16_t record, count; /* count > 0 */
	const uint8_t *data;    /* 21: the values, big-endian */
};

enum { GROUPS_MAX = 35, GROUP_TYPE = 6 }; /* 6.14: of a request; the first byte of each */

/* One request.  Points into the PDU it was decoded from, or to what is to be encoded. */
struct request {
	const struct function *function;
	const uint8_t *pdu; /* as received */
	size_t bytes;       /* of the PDU */
	struct items read;  /* 1-4, 23; 24: the count register */
	struct items write; /* 5, 6, 15, 16, 22, 23 */
	/* Values to write: registers big-endian, bits LSB first (only the first count count); for 8
	 * the data, data_bytes of them. */
	const uint8_t *data;
	size_t data_bytes;
	uint16_t and_mask, or_mask; /* 22 */
	uint16_t diagnostic;        /* 8: one of the sub-functions that there are */
	uint8_t id_code;            /* 43/14: 1..4 */
	uint8_t id_object;
	unsigned group_count; /* 20, 21 */
	struct file_group groups[GROUPS_MAX];
};

/* An identification object: 6.21. */
struct object {
	uint8_t id;
	uint8_t bytes;    /* 0..OBJECT_MAX */
	const char *text; /* not terminated */
};

enum reply_verdict {
	REPLY_OK,
	REPLY_EXCEPTION, /* a well-formed exception; was not done, unless the code says otherwise */
	REPLY_VALUE,     /* 5, 6, 22: done, but the device echoes another value */
	/* Not the answer: nothing in it counts. */
	REPLY_FUNCTION, /* another function's */
	REPLY_LENGTH,   /* longer or shorter than it says, or than this function's replies are */
	REPLY_COUNT,    /* its byte count is not that of the items that were asked for */
	REPLY_ECHO,     /* of another address or quantity */
	REPLY_CONTENT,  /* its parts do not fit together */
	REPLY_VERDICTS
};

/* What a reply says.  Points into its PDU. */
struct reply {
	uint8_t exception; /* the code of one, see reply_check */
	/* 1-4, 23, 24: the values, as many as request.read.count (24: count), registers big-endian,
	 * bits LSB first; 7: the status byte; 8: the data; 12: the events; 17: all after the byte
	 * count; 20: the groups; 21: the echo; 43/14: the objects, {id, length, value} each. */
	const uint8_t *data;
	size_t data_bytes;
	uint16_t value;     /* 5, 6, 22 (and-mask): as echoed */
	uint16_t or_mask;   /* 22: as echoed */
	uint16_t status;    /* 11, 12 */
	uint16_t events;    /* 11, 12: event count */
	uint16_t messages;  /* 12: message count */
	uint16_t count;     /* 24: queued values; 43/14: objects */
	uint8_t conformity; /* 43/14 */
	bool more;          /* 43/14: ask again, from object next_object on */
	uint8_t next_object;
};

/* A function code.  decode NULL: there is no such function, 01. */
struct function {
	const char *name;
	/* Fill request, whose function, pdu and bytes are there already.  0, or the exception. */
	int (*decode)(struct request *request);
	/* From pdu[1] on.  The bytes of the PDU. */
	size_t (*encode)(const struct request *request, uint8_t *pdu);
	/* pdu has the request's function code. */
	enum reply_verdict (*check)(const struct request *request, const uint8_t *pdu, size_t bytes,
				    struct reply *reply);
	enum mbshm_table table; /* whose items; MBSHM_TABLES: none */
	uint16_t max;           /* items of one request; 23: to read */
	bool writes;
};

/* Are the function's items bits?  Else they are registers. */
static inline bool function_of_bits(const struct function *function)
{
	return function->table < MBSHM_HOLDING_REGISTERS;
}

/* Bytes of the values of count items of the function's table. */
static inline size_t function_value_bytes(const struct function *function, unsigned count)
{
	return function_of_bits(function) ? (count + 7U) / 8 : 2U * count;
}

#endif
