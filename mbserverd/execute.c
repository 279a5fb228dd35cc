#include "execute.h"

#include "log.h"

#include <errno.h>
#include <string.h>

struct call {
	const struct unit *unit;
	struct mbshm_txn *txn;
	uint32_t lock_wait_us;
	const struct request *request;
	uint8_t *pdu;		/* the answer's, PDU_MAX bytes */
	size_t pdu_bytes;
};

/* The exception for an error of the image. */
static int exception_of(int error)
{
	static struct log_limit damaged;
	switch (error) {
	case 0:
		return 0;
	case -ERANGE:
		return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	case -EAGAIN:
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY;
	case -ETIMEDOUT:
		return EXECUTE_BUSY;
	case -EBADMSG:
		if (log_allowed(&damaged))
			log_error("the image is damaged: answering exception 04");
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	default:	/* replaced, no permission, no memory */
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	}
}

static int read_bits(struct call *call)
{
	const struct request *request = call->request;
	size_t bytes = (request->count + 7U) / 8;
	call->pdu[0] = request->pdu[0];
	call->pdu[1] = (uint8_t)bytes;
	call->pdu_bytes = 2 + bytes;
	return exception_of(mbshm_read_bits(call->unit->image, request->function->table, request->addr, request->count,
					    call->pdu + 2, NULL));
}

static int read_registers(struct call *call)
{
	const struct request *request = call->request;
	uint16_t values[MODBUS_MAX_READ_REGISTERS];	/* in an answer they would not be aligned */
	int error = mbshm_read_registers(call->unit->image, request->function->table, request->addr, request->count,
					 values, NULL);
	if (error != 0)
		return exception_of(error);

	call->pdu[0] = request->pdu[0];
	call->pdu[1] = (uint8_t)(2 * request->count);
	registers_to_wire(call->pdu + 2, values, request->count);
	call->pdu_bytes = 2 + 2U * request->count;
	return 0;
}

/* All four writes answer with the first five bytes of the request. */
static int commit(struct call *call)
{
	memcpy(call->pdu, call->request->pdu, 5);
	call->pdu_bytes = 5;
	return exception_of(mbshm_txn_commit(call->txn, call->lock_wait_us, NULL));
}

static int write_bits(struct call *call)
{
	const struct request *request = call->request;
	mbshm_txn_begin(call->txn, call->unit->image);
	int error = mbshm_txn_write_bits(call->txn, request->function->table, request->addr, request->count, request->data);
	return error == 0 ? commit(call) : exception_of(error);
}

static int write_registers(struct call *call)
{
	const struct request *request = call->request;
	uint16_t values[MODBUS_MAX_WRITE_REGISTERS];
	registers_from_wire(values, request->data, request->count);
	mbshm_txn_begin(call->txn, call->unit->image);
	int error = mbshm_txn_write_registers(call->txn, request->function->table, request->addr, request->count, values);
	return error == 0 ? commit(call) : exception_of(error);
}

static int identify(struct call *call)
{
	const struct request *request = call->request;
	return identity_read(&call->unit->identity, request->id_code, request->id_object, call->pdu, &call->pdu_bytes);
}

static const struct {
	int (*run)(struct call *call);
	bool needs_image;
} actions[ACTIONS] = {
	[ACTION_READ_BITS] = { read_bits, true },
	[ACTION_READ_REGISTERS] = { read_registers, true },
	[ACTION_WRITE_BITS] = { write_bits, true },
	[ACTION_WRITE_REGISTERS] = { write_registers, true },
	[ACTION_IDENTIFY] = { identify, false },
};

int execute(const struct policy *policy, struct mbshm_txn *txn, uint32_t lock_wait_us, const uint8_t *adu, size_t bytes,
	    uint8_t *out)
{
	struct request request;
	int exception = request_decode(adu, bytes, &request);
	const struct unit *unit = policy->units[request.unit];
	if (unit == NULL)
		return (int)answer_exception(adu, out, MODBUS_EXCEPTION_GATEWAY_TARGET);

	struct call call = { unit, txn, lock_wait_us, &request, out + MBAP_BYTES, 0 };
	if (exception == 0) {
		enum action action = request.function->action;
		if (actions[action].needs_image && unit->image == NULL)
			exception = MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
		else
			exception = actions[action].run(&call);
	}
	if (exception == EXECUTE_BUSY)
		return EXECUTE_BUSY;
	if (exception != 0)
		return (int)answer_exception(adu, out, exception);
	return (int)answer_frame(adu, out, call.pdu_bytes);
}
