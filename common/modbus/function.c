/* The function codes: the table, and what goes by it. */
#include "modbus/function.h"

#include "modbus/exception.h"
#include "modbus/reply.h"
#include "modbus/request.h"

/* clang-format off */
#define CODER(kind) decode_##kind, encode_##kind

const struct function functions[256] = {
	/* 6.1-6.4 */
	[0x01] = { "read coils", CODER(read), check_values,
		   MBSHM_COILS, MODBUS_MAX_READ_BITS, false },
	[0x02] = { "read discrete inputs", CODER(read), check_values,
		   MBSHM_DISCRETE_INPUTS, MODBUS_MAX_READ_BITS, false },
	[0x03] = { "read holding registers", CODER(read), check_values,
		   MBSHM_HOLDING_REGISTERS, MODBUS_MAX_READ_REGISTERS, false },
	[0x04] = { "read input registers", CODER(read), check_values,
		   MBSHM_INPUT_REGISTERS, MODBUS_MAX_READ_REGISTERS, false },
	/* 6.5, 6.6 */
	[0x05] = { "write single coil", CODER(write_single), check_write_single,
		   MBSHM_COILS, 1, true },
	[0x06] = { "write single register", CODER(write_single), check_write_single,
		   MBSHM_HOLDING_REGISTERS, 1, true },
	/* 6.7-6.10 */
	[0x07] = { "read exception status", CODER(nothing), check_status,
		   MBSHM_COILS, 8, false },
	[FC_DIAGNOSTICS] = { "diagnostics", CODER(diagnose), check_diagnose,
		   MBSHM_TABLES, 0, false },
	[FC_EVENT_COUNTER] = { "get comm event counter", CODER(nothing), check_event_counter,
		   MBSHM_TABLES, 0, false },
	[FC_EVENT_LOG] = { "get comm event log", CODER(nothing), check_event_log,
		   MBSHM_TABLES, 0, false },
	/* 6.11, 6.12 */
	[0x0F] = { "write multiple coils", CODER(write_multiple), check_write_multiple,
		   MBSHM_COILS, MODBUS_MAX_WRITE_BITS, true },
	[0x10] = { "write multiple registers", CODER(write_multiple), check_write_multiple,
		   MBSHM_HOLDING_REGISTERS, MODBUS_MAX_WRITE_REGISTERS, true },
	/* 6.13 */
	[0x11] = { "report server id", CODER(nothing), check_id,
		   MBSHM_TABLES, 0, false },
	/* 6.14, 6.15 */
	[FC_READ_FILE] = { "read file record", decode_read_files, encode_files, check_read_files,
		   MBSHM_HOLDING_REGISTERS, 0, false },
	[FC_WRITE_FILE] = { "write file record", decode_write_files, encode_files, check_echo,
		   MBSHM_HOLDING_REGISTERS, 0, true },
	/* 6.16, 6.17 */
	[0x16] = { "mask write register", CODER(mask), check_mask,
		   MBSHM_HOLDING_REGISTERS, 1, true },
	[0x17] = { "read and write multiple registers", CODER(read_write), check_values,
		   MBSHM_HOLDING_REGISTERS, MODBUS_MAX_WR_READ_REGISTERS, true },
	/* 6.18 */
	[FC_READ_FIFO] = { "read FIFO queue", CODER(fifo), check_fifo,
		   MBSHM_HOLDING_REGISTERS, 0, false },
	/* 6.21 */
	[FC_ENCAPSULATED] = { "read device identification", CODER(identify), check_identify,
		   MBSHM_TABLES, 0, false },
};
/* clang-format on */

size_t request_encode(uint8_t code, struct request *request, uint8_t *pdu)
{
	struct request decoded;
	request->function = &functions[code];
	if (!request->function->encode)
		return 0;
	pdu[0] = code;
	size_t bytes = request->function->encode(request, pdu);
	return bytes && !request_decode(pdu, bytes, &decoded) ? bytes : 0;
}

enum reply_verdict reply_check(const struct request *request, const uint8_t *pdu, size_t bytes,
			       struct reply *reply)
{
	uint8_t code = (uint8_t)(request->function - functions);
	*reply = (struct reply){ 0 };
	if (!bytes)
		return REPLY_LENGTH;
	if (pdu[0] == code)
		return request->function->check(request, pdu, bytes, reply);
	bool due = pdu[0] == (code | EXCEPTION_FLAG);
	if (bytes != 2 || !(pdu[0] & EXCEPTION_FLAG))
		return due ? REPLY_LENGTH : REPLY_FUNCTION;
	reply->exception = pdu[1];
	return due ? REPLY_EXCEPTION : REPLY_FUNCTION;
}

const char *reply_words(enum reply_verdict verdict)
{
	static const char *const words[REPLY_VERDICTS] = {
		[REPLY_OK] = "good",
		[REPLY_EXCEPTION] = "an exception",
		[REPLY_VALUE] = "another value than was written",
		[REPLY_FUNCTION] = "another function's",
		[REPLY_LENGTH] = "longer or shorter than its function's replies are",
		[REPLY_COUNT] = "of another number of items than was asked for",
		[REPLY_ECHO] = "of another address or quantity",
		[REPLY_CONTENT] = "contradictory in itself",
	};
	return words[verdict];
}
