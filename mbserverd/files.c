/* Files and FIFOs, which are holding registers under other names: 20, 21, 24. */
#include "mbserverd/call.h"
#include "mbserverd/handlers.h"
#include "modbus/reply.h"
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

/* Look all groups up, into addrs, and ask whether they are allowed, before anything is done. */
static int groups_locate(const struct call *call, bool write, int *addrs)
{
	const struct request *request = call->request;
	for (unsigned i = 0; i < request->group_count; i++) {
		addrs[i] = locate(call, &request->groups[i]);
		if (addrs[i] < 0)
			return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	}
	if (!call->device->image)
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	int exception = 0;
	for (unsigned i = 0; i < request->group_count && !exception; i++)
		exception = (write ? call_may_write : call_may_read)(call, MBSHM_HOLDING_REGISTERS,
								     (uint32_t)addrs[i],
								     request->groups[i].count);
	return exception;
}

int files_read(struct call *call)
{
	const struct request *request = call->request;
	int addrs[GROUPS_MAX];
	struct mbshm_read reads[GROUPS_MAX];
	uint16_t values[PDU_MAX / 2], *next = values;
	int exception = groups_locate(call, false, addrs);
	if (exception)
		return exception;
	for (unsigned i = 0; i < request->group_count; next += request->groups[i++].count)
		reads[i] = (struct mbshm_read){ MBSHM_HOLDING_REGISTERS, (uint32_t)addrs[i],
						request->groups[i].count, next };
	int rc = mbshm_read(call->device->image, reads, request->group_count, NULL);
	if (rc)
		return call_exception(rc);
	call->pdu_bytes = 2;
	for (unsigned i = 0; i < request->group_count; i++)
		call->pdu_bytes =
			reply_put_group(call->pdu, call->pdu_bytes, reads[i].out, reads[i].count);
	return 0;
}

int files_write(struct call *call)
{
	const struct request *request = call->request;
	int addrs[GROUPS_MAX];
	uint16_t values[PDU_MAX / 2];
	int exception = groups_locate(call, true, addrs);
	if (exception)
		return exception;
	call_begin(call);
	for (unsigned i = 0; i < request->group_count; i++) {
		const struct file_group *group = &request->groups[i];
		registers_from_wire(values, group->data, group->count);
		int rc = mbshm_txn_write_registers(call->execution->txn, MBSHM_HOLDING_REGISTERS,
						   (uint16_t)addrs[i], group->count, values);
		if (rc)
			return call_exception(rc);
	}
	return call_commit(call, request->bytes);
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
	call->pdu_bytes = reply_put_fifo(call->pdu, values);
	return 0;
}
