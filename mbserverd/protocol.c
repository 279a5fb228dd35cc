#include "protocol.h"

#include <endian.h>
#include <string.h>

enum { LENGTH_MIN = 2, LENGTH_MAX = 1 + PDU_MAX };	/* of the MBAP length field: unit and PDU */

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

/* ---- decoding ------------------------------------------------------------------------------------------------------------ */

static int span_check(const struct request *request)
{
	return request->addr + request->count <= MBSHM_ITEMS ? 0 : MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
}

/* 1..4: address, quantity. */
static int decode_read(const struct function *function, size_t bytes, struct request *request)
{
	if (bytes != 5)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = wire_get16(request->pdu + 3);
	if (request->count < 1 || request->count > function->max)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	return span_check(request);
}

/* 5, 6: address, value.  "On" is FF 00, so its first byte serves as the one packed bit; "off" is 00 00. */
static int decode_write_single(const struct function *function, size_t bytes, struct request *request)
{
	if (bytes != 5)
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
static int decode_write_multiple(const struct function *function, size_t bytes, struct request *request)
{
	if (bytes < 6)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->addr = wire_get16(request->pdu + 1);
	request->count = wire_get16(request->pdu + 3);
	request->data = request->pdu + 6;
	if (request->count < 1 || request->count > function->max)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	size_t data_bytes = function->action == ACTION_WRITE_BITS ? (request->count + 7U) / 8 : 2U * request->count;
	if (request->pdu[5] != data_bytes || bytes != 6 + data_bytes)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	return span_check(request);
}

/* 43/14: MEI type, read device id code, object id.  Another MEI type is another function. */
static int decode_identify(const struct function *function, size_t bytes, struct request *request)
{
	(void)function;
	if (bytes < 2)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
	if (request->pdu[1] != MEI_IDENTIFICATION)
		return MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
	if (bytes != 4 || request->pdu[2] < 1 || request->pdu[2] > 4)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	request->id_code = request->pdu[2];
	request->id_object = request->pdu[3];
	return 0;
}

const struct function functions[256] = {
	[MODBUS_FC_READ_COILS] = { "read coils",	/* 6.1 */
		decode_read, ACTION_READ_BITS, MBSHM_COILS, MODBUS_MAX_READ_BITS },
	[MODBUS_FC_READ_DISCRETE_INPUTS] = { "read discrete inputs",	/* 6.2 */
		decode_read, ACTION_READ_BITS, MBSHM_DISCRETE_INPUTS, MODBUS_MAX_READ_BITS },
	[MODBUS_FC_READ_HOLDING_REGISTERS] = { "read holding registers",	/* 6.3 */
		decode_read, ACTION_READ_REGISTERS, MBSHM_HOLDING_REGISTERS, MODBUS_MAX_READ_REGISTERS },
	[MODBUS_FC_READ_INPUT_REGISTERS] = { "read input registers",	/* 6.4 */
		decode_read, ACTION_READ_REGISTERS, MBSHM_INPUT_REGISTERS, MODBUS_MAX_READ_REGISTERS },
	[MODBUS_FC_WRITE_SINGLE_COIL] = { "write single coil",	/* 6.5 */
		decode_write_single, ACTION_WRITE_BITS, MBSHM_COILS, 1 },
	[MODBUS_FC_WRITE_SINGLE_REGISTER] = { "write single register",	/* 6.6 */
		decode_write_single, ACTION_WRITE_REGISTERS, MBSHM_HOLDING_REGISTERS, 1 },
	[MODBUS_FC_WRITE_MULTIPLE_COILS] = { "write multiple coils",	/* 6.11 */
		decode_write_multiple, ACTION_WRITE_BITS, MBSHM_COILS, MODBUS_MAX_WRITE_BITS },
	[MODBUS_FC_WRITE_MULTIPLE_REGISTERS] = { "write multiple registers",	/* 6.12 */
		decode_write_multiple, ACTION_WRITE_REGISTERS, MBSHM_HOLDING_REGISTERS, MODBUS_MAX_WRITE_REGISTERS },
	[FC_ENCAPSULATED] = { "read device identification",	/* 6.21 */
		decode_identify, ACTION_IDENTIFY, MBSHM_TABLES, 0 },
};

int request_decode(const uint8_t *adu, size_t bytes, struct request *request)
{
	request->pdu = adu + MBAP_BYTES;
	request->unit = adu[6];
	request->function = &functions[request->pdu[0]];
	if (request->function->decode == NULL)
		return MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
	return request->function->decode(request->function, bytes - MBAP_BYTES, request);
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------ */

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

/* Swap the bytes of four registers at once: on a little-endian host the wire is the other way round. */
static uint64_t swap_bytes(uint64_t word)
{
	const uint64_t low_bytes = 0x00FF00FF00FF00FF;
	return BYTE_ORDER == LITTLE_ENDIAN ? (word & low_bytes) << 8 | (word >> 8 & low_bytes) : word;
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
