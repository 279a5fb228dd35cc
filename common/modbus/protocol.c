#include "modbus/protocol.h"

#include <endian.h>
#include <string.h>

enum { LENGTH_MIN = 2, LENGTH_MAX = 1 + PDU_MAX }; /* of the MBAP length field: unit and PDU */

struct frame frame_next(const uint8_t *bytes, size_t len)
{
	if (len < 6)
		return (struct frame){ FRAME_PARTIAL, 0 };

	size_t length = wire_get16(bytes + 4);
	if (length < LENGTH_MIN || length > LENGTH_MAX)
		return (struct frame){ FRAME_BROKEN, 0 };
	if (len < 6 + length)
		return (struct frame){ FRAME_PARTIAL, 0 };
	return (struct frame){ wire_get16(bytes + 2) == 0 ? FRAME_ADU : FRAME_FOREIGN, 6 + length };
}

/* ---- decoding ------------------------------------------------------------------------------ */

static int span_check(uint16_t addr, uint16_t count)
{
	return addr + count <= MBSHM_ITEMS ? 0 : MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
}

/* 1..4: address, quantity. */
static int decode_read(const struct function *function, struct request *request)
{
	if (request->bytes != 5)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = wire_get16(request->pdu + 3);
	if (request->count < 1 || request->count > function->max)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	return span_check(request->addr, request->count);
}

/* 5, 6: address, value.  "On" is FF 00, so its first byte serves as the one packed bit; "off" is 00
 * 00. */
static int decode_write_single(const struct function *function, struct request *request)
{
	if (request->bytes != 5)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	uint16_t value = wire_get16(request->pdu + 3);
	if (function->action == ACTION_WRITE_BITS && value != 0x0000 && value != 0xFF00)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	request->addr = wire_get16(request->pdu + 1);
	request->count = 1;
	request->data = request->pdu + 3;
	return 0;
}

/* 15, 16: address, quantity, byte count, values. */
static int decode_write_multiple(const struct function *function, struct request *request)
{
	if (request->bytes < 6)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = wire_get16(request->pdu + 3);
	request->data = request->pdu + 6;
	if (request->count < 1 || request->count > function->max)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	size_t data_bytes = function->action == ACTION_WRITE_BITS ? (request->count + 7U) / 8
								  : 2U * request->count;
	if (request->pdu[5] != data_bytes || request->bytes != 6 + data_bytes)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	return span_check(request->addr, request->count);
}

/* 7, 11, 12, 17: nothing. */
static int decode_nothing(const struct function *function, struct request *request)
{
	(void)function;
	return request->bytes == 1 ? 0 : MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
}

/* 8: sub-function, data.  1, 3 and 4, restart and silence at a client's word, are not for a server
 * of many clients. */
static int decode_diagnose(const struct function *function, struct request *request)
{
	(void)function;
	if (request->bytes < 3)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	uint16_t sub = wire_get16(request->pdu + 1);
	if (sub != DIAGNOSTIC_ECHO && sub != DIAGNOSTIC_REGISTER &&
	    sub != DIAGNOSTIC_CLEAR_OVERRUN &&
	    (sub < DIAGNOSTIC_CLEAR || sub > DIAGNOSTIC_LAST_COUNTER))
		return MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
	request->diagnostic = sub;
	request->data = request->pdu + 3;
	if (request->bytes < 5 || request->bytes % 2 == 0)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	if (sub != DIAGNOSTIC_ECHO && (request->bytes != 5 || wire_get16(request->data) != 0))
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	return 0;
}

/* ---- 20, 21: groups of reference type, file, record, length -------------------------------- */

enum { GROUP_BYTES = 7 };

struct group group_next(const struct request *request, size_t *at)
{
	const uint8_t *bytes = request->pdu + *at;
	struct group group = { wire_get16(bytes + 1), wire_get16(bytes + 3), wire_get16(bytes + 5),
			       bytes + GROUP_BYTES };
	*at += GROUP_BYTES +
	       (request->function->action == ACTION_WRITE_FILES ? 2U * group.count : 0);
	return group;
}

/* All lengths have been found good; 02 is decided on every group. */
static int groups_check(const struct request *request)
{
	for (size_t at = GROUPS_AT; at < request->bytes;) {
		uint8_t type = request->pdu[at];
		struct group group = group_next(request, &at);
		if (type != GROUP_TYPE || group.file == 0 ||
		    group.record + group.count > PLANT_FILE_RECORDS)
			return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	}
	return 0;
}

/* 20: byte count, groups.  The answer has to fit as well. */
static int decode_read_files(const struct function *function, struct request *request)
{
	(void)function;
	size_t bytes = request->bytes < 2 ? 0 : request->pdu[1], answer = 0;
	if (bytes < GROUP_BYTES || bytes > 0xF5 || bytes % GROUP_BYTES != 0 ||
	    request->bytes != 2 + bytes)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	for (size_t at = GROUPS_AT; at < request->bytes; request->group_count++) {
		struct group group = group_next(request, &at);
		if (group.count == 0)
			return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
		answer += 2 + 2U * group.count;
	}
	return answer <= 0xF5 ? groups_check(request) : MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
}

/* 21: byte count, groups with their values. */
static int decode_write_files(const struct function *function, struct request *request)
{
	(void)function;
	size_t bytes = request->bytes < 2 ? 0 : request->pdu[1], at = GROUPS_AT;
	if (bytes < GROUP_BYTES + 2 || bytes > 0xFB || request->bytes != 2 + bytes)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	for (; at < request->bytes; request->group_count++) {
		if (request->bytes - at < GROUP_BYTES || group_next(request, &at).count == 0)
			return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	}
	return at == request->bytes ? groups_check(request) : MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
}

/* 22: address, and, or. */
static int decode_mask(const struct function *function, struct request *request)
{
	(void)function;
	if (request->bytes != 7)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = 1;
	request->and_mask = wire_get16(request->pdu + 3);
	request->or_mask = wire_get16(request->pdu + 5);
	return 0;
}

/* 23: address and quantity to read, address and quantity to write, byte count, values. */
static int decode_read_write(const struct function *function, struct request *request)
{
	if (request->bytes < 10)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = wire_get16(request->pdu + 3);
	request->write_addr = wire_get16(request->pdu + 5);
	request->write_count = wire_get16(request->pdu + 7);
	request->data = request->pdu + 10;
	if (request->count < 1 || request->count > function->max || request->write_count < 1 ||
	    request->write_count > MODBUS_MAX_WR_WRITE_REGISTERS)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	if (request->pdu[9] != 2 * request->write_count ||
	    request->bytes != 10 + 2U * request->write_count)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	int exception = span_check(request->addr, request->count);
	return exception ? exception : span_check(request->write_addr, request->write_count);
}

/* 24: address of the count register. */
static int decode_fifo(const struct function *function, struct request *request)
{
	(void)function;
	if (request->bytes != 3)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = 1;
	return 0;
}

/* ---- the table ----------------------------------------------------------------------------- */

/* 43/14: MEI type, read device id code, object id.  Another MEI type is another function. */
static int decode_identify(const struct function *function, struct request *request)
{
	(void)function;
	if (request->bytes < 2)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	if (request->pdu[1] != MEI_IDENTIFICATION)
		return MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
	if (request->bytes != 4 || request->pdu[2] < 1 || request->pdu[2] > 4)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->id_code = request->pdu[2];
	request->id_object = request->pdu[3];
	return 0;
}

const struct function functions[256] = {
	[MODBUS_FC_READ_COILS] = { "read coils", /* 6.1 */
				   decode_read, ACTION_READ_BITS, MBSHM_COILS,
				   MODBUS_MAX_READ_BITS },
	[MODBUS_FC_READ_DISCRETE_INPUTS] = { "read discrete inputs", /* 6.2 */
					     decode_read, ACTION_READ_BITS, MBSHM_DISCRETE_INPUTS,
					     MODBUS_MAX_READ_BITS },
	[MODBUS_FC_READ_HOLDING_REGISTERS] = { "read holding registers", /* 6.3 */
					       decode_read, ACTION_READ_REGISTERS,
					       MBSHM_HOLDING_REGISTERS, MODBUS_MAX_READ_REGISTERS },
	[MODBUS_FC_READ_INPUT_REGISTERS] = { "read input registers", /* 6.4 */
					     decode_read, ACTION_READ_REGISTERS,
					     MBSHM_INPUT_REGISTERS, MODBUS_MAX_READ_REGISTERS },
	[MODBUS_FC_WRITE_SINGLE_COIL] = { "write single coil", /* 6.5 */
					  decode_write_single, ACTION_WRITE_BITS, MBSHM_COILS, 1 },
	[MODBUS_FC_WRITE_SINGLE_REGISTER] = { "write single register", /* 6.6 */
					      decode_write_single, ACTION_WRITE_REGISTERS,
					      MBSHM_HOLDING_REGISTERS, 1 },
	[MODBUS_FC_READ_EXCEPTION_STATUS] = { "read exception status", /* 6.7 */
					      decode_nothing, ACTION_READ_STATUS, MBSHM_COILS, 8 },
	[FC_DIAGNOSTICS] = { "diagnostics", /* 6.8 */
			     decode_diagnose, ACTION_DIAGNOSE, MBSHM_TABLES, 0 },
	[FC_EVENT_COUNTER] = { "get comm event counter", /* 6.9 */
			       decode_nothing, ACTION_COUNT_EVENTS, MBSHM_TABLES, 0 },
	[FC_EVENT_LOG] = { "get comm event log", /* 6.10 */
			   decode_nothing, ACTION_LIST_EVENTS, MBSHM_TABLES, 0 },
	[MODBUS_FC_WRITE_MULTIPLE_COILS] = { "write multiple coils", /* 6.11 */
					     decode_write_multiple, ACTION_WRITE_BITS, MBSHM_COILS,
					     MODBUS_MAX_WRITE_BITS },
	[MODBUS_FC_WRITE_MULTIPLE_REGISTERS] = { "write multiple registers", /* 6.12 */
						 decode_write_multiple, ACTION_WRITE_REGISTERS,
						 MBSHM_HOLDING_REGISTERS,
						 MODBUS_MAX_WRITE_REGISTERS },
	[MODBUS_FC_REPORT_SLAVE_ID] = { "report server id", /* 6.13 */
					decode_nothing, ACTION_REPORT_ID, MBSHM_TABLES, 0 },
	[FC_READ_FILE] = { "read file record", /* 6.14 */
			   decode_read_files, ACTION_READ_FILES, MBSHM_HOLDING_REGISTERS, 0 },
	[FC_WRITE_FILE] = { "write file record", /* 6.15 */
			    decode_write_files, ACTION_WRITE_FILES, MBSHM_HOLDING_REGISTERS, 0 },
	[MODBUS_FC_MASK_WRITE_REGISTER] = { "mask write register", /* 6.16 */
					    decode_mask, ACTION_MASK_REGISTER,
					    MBSHM_HOLDING_REGISTERS, 1 },
	[MODBUS_FC_WRITE_AND_READ_REGISTERS] = { "read and write multiple registers", /* 6.17 */
						 decode_read_write, ACTION_READ_WRITE_REGISTERS,
						 MBSHM_HOLDING_REGISTERS,
						 MODBUS_MAX_WR_READ_REGISTERS },
	[FC_READ_FIFO] = { "read FIFO queue", /* 6.18 */
			   decode_fifo, ACTION_READ_FIFO, MBSHM_HOLDING_REGISTERS, 0 },
	[FC_ENCAPSULATED] = { "read device identification", /* 6.21 */
			      decode_identify, ACTION_IDENTIFY, MBSHM_TABLES, 0 },
};

int request_decode(const uint8_t *adu, size_t bytes, struct request *request)
{
	request->pdu = adu + MBAP_BYTES;
	request->bytes = bytes - MBAP_BYTES;
	request->unit = adu[6];
	request->group_count = 0;
	request->function = &functions[request->pdu[0]];
	if (request->function->decode == NULL)
		return MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
	return request->function->decode(request->function, request);
}

/* ---- encoding ------------------------------------------------------------------------------ */

size_t answer_frame(const uint8_t *adu, uint8_t *out, size_t pdu_bytes)
{
	memcpy(out, adu, 4);
	wire_put16(out + 4, (uint16_t)(1 + pdu_bytes));
	out[6] = adu[6];
	return MBAP_BYTES + pdu_bytes;
}

size_t answer_exception(const uint8_t *adu, uint8_t *out, int exception)
{
	out[MBAP_BYTES] = adu[MBAP_BYTES] | 0x80;
	out[MBAP_BYTES + 1] = (uint8_t)exception;
	return answer_frame(adu, out, 2);
}

/* Swap the bytes of four registers at once: on a little-endian host the wire is the other way
 * round. */
static uint64_t swap_bytes(uint64_t word)
{
	const uint64_t low_bytes = 0x00FF00FF00FF00FF;
	return BYTE_ORDER == LITTLE_ENDIAN ? (word & low_bytes) << 8 | (word >> 8 & low_bytes)
					   : word;
}

static void registers_swap(void *to, const void *from, size_t bytes)
{
	uint8_t *out = to;
	const uint8_t *in = from;
	uint64_t word;
	for (; bytes >= sizeof word; bytes -= sizeof word, in += sizeof word, out += sizeof word) {
		memcpy(&word, in, sizeof word);
		word = swap_bytes(word);
		memcpy(out, &word, sizeof word);
	}
	word = 0;
	memcpy(&word, in, bytes);
	word = swap_bytes(word);
	memcpy(out, &word, bytes);
}

void registers_to_wire(uint8_t *wire, const uint16_t *values, unsigned count)
{
	registers_swap(wire, values, 2 * (size_t)count);
}

void registers_from_wire(uint16_t *values, const uint8_t *wire, unsigned count)
{
	registers_swap(values, wire, 2 * (size_t)count);
}
