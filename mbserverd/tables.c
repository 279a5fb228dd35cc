/* Functions on the four tables: 1-6, 15, 16, 22, 23. */
#include "mbserverd/call.h"

int tables_read_bits(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	size_t bytes = (request->count + 7U) / 8;
	int error = mbshm_read_bits(call->unit->image, table, request->addr, request->count,
				    call->pdu + 2, NULL);
	if (error != 0)
		return call_exception(error);

	call->pdu[0] = request->pdu[0];
	call->pdu[1] = (uint8_t)bytes;
	call->pdu_bytes = 2 + bytes;
	return call_may_read(call, table, request->addr, request->count);
}

static int answer_registers(struct call *call, const uint16_t *values)
{
	const struct request *request = call->request;
	call->pdu[0] = request->pdu[0];
	call->pdu[1] = (uint8_t)(2 * request->count);
	registers_to_wire(call->pdu + 2, values, request->count);
	call->pdu_bytes = 2 + 2U * request->count;
	return 0;
}

int tables_read_registers(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	uint16_t values[MODBUS_MAX_READ_REGISTERS]; /* in an answer they would not be aligned */
	int error = mbshm_read_registers(call->unit->image, table, request->addr, request->count,
					 values, NULL);
	if (error != 0)
		return call_exception(error);
	answer_registers(call, values);
	return call_may_read(call, table, request->addr, request->count);
}

int tables_write_bits(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	call_begin(call);
	int error = mbshm_txn_write_bits(call->with->txn, table, request->addr, request->count,
					 request->data);
	int exception = error != 0 ? call_exception(error)
				   : call_may_write(call, table, request->addr, request->count);
	return exception != 0 ? exception : call_commit(call, 5);
}

int tables_write_registers(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	uint16_t values[MODBUS_MAX_WRITE_REGISTERS];
	registers_from_wire(values, request->data, request->count);
	call_begin(call);
	int error = mbshm_txn_write_registers(call->with->txn, table, request->addr, request->count,
					      values);
	int exception = error != 0 ? call_exception(error)
				   : call_may_write(call, table, request->addr, request->count);
	return exception != 0 ? exception : call_commit(call, 5);
}

int tables_mask_register(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	call_begin(call);
	int error = mbshm_txn_mask_register(call->with->txn, table, request->addr,
					    request->and_mask, request->or_mask);
	int exception =
		error != 0 ? call_exception(error) : call_may_write(call, table, request->addr, 1);
	return exception != 0 ? exception : call_commit(call, 7);
}

/* 23: the values are read out of the version that the write publishes. */
int tables_read_write_registers(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	uint16_t written[MODBUS_MAX_WR_WRITE_REGISTERS], values[MODBUS_MAX_WR_READ_REGISTERS];
	const struct mbshm_read read = { table, request->addr, request->count, values };
	registers_from_wire(written, request->data, request->write_count);
	call_begin(call);
	int error = mbshm_txn_read(call->with->txn, &read);
	if (error == 0)
		error = mbshm_txn_write_registers(call->with->txn, table, request->write_addr,
						  request->write_count, written);
	int exception = call_exception(error);
	if (exception == 0)
		exception = call_may_read(call, table, request->addr, request->count);
	if (exception == 0)
		exception = call_may_write(call, table, request->write_addr, request->write_count);
	if (exception == 0)
		exception = call_commit(call, 0);
	return exception != 0 ? exception : answer_registers(call, values);
}
