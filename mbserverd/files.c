/* Files and FIFOs, which are holding registers under other names: 20, 21, 24. */
#include "mbserverd/call.h"
#include "mbserverd/handlers.h"
#include "modbus/request.h"
#include "modbus/wire.h"

/* Where the group's registers are.  -1: there is no such file, or it ends before. */
static int locate(const struct call *call, const struct file_group *group)
{
	const struct plant_server *server = &call->device->plant->server;
	for (unsigned i = 0; i < server->file_count; i++) {
		const struct plant_file *file = &server->files[i];
		if (file->number != group->file)
			continue;
		if (group->record + group->count > (int)file->registers.count)
			break;
		return (int)file->registers.first + group->record;
	}
	return -1;
}

/* All groups are looked up before anything is done. */
static int groups_allowed(const struct call *call, bool write)
{
	for (size_t at = GROUPS_AT; at < call->request->bytes;) {
		struct file_group group = group_next(call->request, &at);
		if (locate(call, &group) < 0)
			return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	}
	if (!call->device->image)
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	for (size_t at = GROUPS_AT; at < call->request->bytes;) {
		struct file_group group = group_next(call->request, &at);
		uint32_t addr = (uint32_t)locate(call, &group);
		int exception = (write ? call_may_write : call_may_read)(
			call, MBSHM_HOLDING_REGISTERS, addr, group.count);
		if (exception)
			return exception;
	}
	return 0;
}

int files_read(struct call *call)
{
	struct mbshm_read reads[GROUPS_MAX];
	uint16_t values[PDU_MAX / 2];
	unsigned count = 0, used = 0;
	int exception = groups_allowed(call, false);
	if (exception)
		return exception;

	for (size_t at = GROUPS_AT; at < call->request->bytes; used += reads[count++].count) {
		struct file_group group = group_next(call->request, &at);
		uint32_t addr = (uint32_t)locate(call, &group);
		reads[count] = (struct mbshm_read){ MBSHM_HOLDING_REGISTERS, addr, group.count,
						    &values[used] };
	}
	int rc = mbshm_read(call->device->image, reads, count, NULL);
	if (rc)
		return call_exception(rc);

	uint8_t *out = call->pdu + 2;
	for (unsigned i = 0; i < count; i++) {
		*out++ = (uint8_t)(1 + 2 * reads[i].count);
		*out++ = GROUP_TYPE;
		registers_to_wire(out, reads[i].out, reads[i].count);
		out += 2 * reads[i].count;
	}
	call->pdu_bytes = (size_t)(out - call->pdu);
	call->pdu[1] = (uint8_t)(call->pdu_bytes - 2);
	return 0;
}

int files_write(struct call *call)
{
	uint16_t values[PDU_MAX / 2];
	int exception = groups_allowed(call, true);
	if (exception)
		return exception;

	call_begin(call);
	for (size_t at = GROUPS_AT; at < call->request->bytes;) {
		struct file_group group = group_next(call->request, &at);
		uint16_t addr = (uint16_t)locate(call, &group);
		registers_from_wire(values, group.data, group.count);
		int rc = mbshm_txn_write_registers(call->execution->txn, MBSHM_HOLDING_REGISTERS,
						   addr, group.count, values);
		if (rc)
			return call_exception(rc);
	}
	return call_commit(call, call->request->bytes);
}

int files_read_fifo(struct call *call)
{
	const struct plant_server *server = &call->device->plant->server;
	uint16_t values[1 + FIFO_VALUES];
	unsigned i = 0;
	while (i < server->fifo_count &&
	       server->fifos[i].registers.first != call->request->read.addr)
		i++;
	if (i == server->fifo_count)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	if (!call->device->image)
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;

	const struct mbshm_span *span = &server->fifos[i].registers;
	int rc = mbshm_read_registers(call->device->image, span->table, (uint16_t)span->first,
				      (uint16_t)span->count, values, NULL);
	int exception = rc ? call_exception(rc)
			   : call_may_read(call, span->table, span->first, span->count);
	if (exception)
		return exception;
	if (values[0] >= span->count)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;

	unsigned queued = values[0];
	wire_put16(call->pdu + 1, (uint16_t)(2 + 2 * queued));
	registers_to_wire(call->pdu + 3, values, 1 + queued);
	call->pdu_bytes = 5 + 2 * queued;
	return 0;
}
