/* Functions on the four tables: 1-6, 15, 16, 22, 23. */
#include "mbserverd/call.h"
#include "mbserverd/handlers.h"
#include "modbus/reply.h"
#include "modbus/wire.h"

int tables_read_bits(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	size_t bytes = (request->read.count + 7U) / 8;
	int rc = mbshm_read_bits(call->device->image, table, request->read.addr,
				 request->read.count, call->pdu + 2, NULL);
	if (rc)
		return call_exception(rc);
	call->pdu_bytes = reply_put_count(call->pdu, bytes);
	return call_may_read(call, table, request->read.addr, request->read.count);
}

int tables_read_registers(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	uint16_t values[MODBUS_MAX_READ_REGISTERS]; /* in an answer they would not be aligned */
	int rc = mbshm_read_registers(call->device->image, table, request->read.addr,
				      request->read.count, values, NULL);
	if (rc)
		return call_exception(rc);
	call->pdu_bytes = reply_put_registers(call->pdu, values, request->read.count);
	return call_may_read(call, table, request->read.addr, request->read.count);
}

int tables_write_bits(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	call_begin(call);
	int rc = mbshm_txn_write_bits(call->execution->txn, table, request->write.addr,
				      request->write.count, request->data);
	int exception = rc ? call_exception(rc)
			   : call_may_write(call, table, request->write.addr, request->write.count);
	return exception ? exception : call_commit(call, 5);
}

int tables_write_registers(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	uint16_t values[MODBUS_MAX_WRITE_REGISTERS];
	registers_from_wire(values, request->data, request->write.count);
	call_begin(call);
	int rc = mbshm_txn_write_registers(call->execution->txn, table, request->write.addr,
					   request->write.count, values);
	int exception = rc ? call_exception(rc)
			   : call_may_write(call, table, request->write.addr, request->write.count);
	return exception ? exception : call_commit(call, 5);
}

int tables_mask_register(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	call_begin(call);
	int rc = mbshm_txn_mask_register(call->execution->txn, table, request->write.addr,
					 request->and_mask, request->or_mask);
	int exception =
		rc ? call_exception(rc) : call_may_write(call, table, request->write.addr, 1);
	return exception ? exception : call_commit(call, 7);
}

/* 23: the values are read out of the version that the write publishes. */
int tables_read_write_registers(struct call *call)
{
	const struct request *request = call->request;
	enum mbshm_table table = request->function->table;
	uint16_t written[MODBUS_MAX_WR_WRITE_REGISTERS], values[MODBUS_MAX_WR_READ_REGISTERS];
	const struct mbshm_read read = { table, request->read.addr, request->read.count, values };
	registers_from_wire(written, request->data, request->write.count);
	call_begin(call);
	int rc = mbshm_txn_read(call->execution->txn, &read);
	if (!rc)
		rc = mbshm_txn_write_registers(call->execution->txn, table, request->write.addr,
					       request->write.count, written);
	int exception = call_exception(rc);
	if (!exception)
		exception = call_may_read(call, table, request->read.addr, request->read.count);
	if (!exception)
		exception = call_may_write(call, table, request->write.addr, request->write.count);
	if (!exception)
		exception = call_commit(call, 0);
	if (!exception)
		call->pdu_bytes = reply_put_registers(call->pdu, values, request->read.count);
	return exception;
}
