#include "base/log.h"
#include "mbserverd/call.h"
#include "mbserverd/peer.h"

#include <errno.h>
#include <string.h>

/* ---- for the handlers ---------------------------------------------------------------------- */

int call_exception(int error)
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
	default: /* replaced, no permission, no memory */
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	}
}

bool call_stale(const struct call *call, const char *name, uint64_t after_ms)
{
	struct mbshm_source source;
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++)
		if (mbshm_source_get(call->unit->image, i, &source) == 0 &&
		    strcmp(source.name, name) == 0)
			return call->with->now_ms - source.mono_ns / 1000000 >= (int64_t)after_ms;
	return true; /* it never was there */
}

int call_may_read(const struct call *call, enum mbshm_table table, uint32_t first, uint32_t count)
{
	const struct plant_server *server = &call->unit->plant->server;
	for (unsigned i = 0; i < server->stale_count; i++) {
		const struct plant_stale *rule = &server->stale[i];
		if (rule->answer != 0 && rule->span.table == table &&
		    first < rule->span.first + rule->span.count &&
		    rule->span.first < first + count &&
		    call_stale(call, rule->source, rule->after_ms))
			return rule->answer;
	}
	return 0;
}

static void report_refusal(const struct execution *with, const struct client *client,
			   const struct request *request)
{
	static struct log_limit limit;
	char peer[PEER_TEXT_SIZE];
	counters_add(&with->counters->refused_writes, 1);
	if (log_allowed(&limit))
		log_warn("%s may not write: unit %u, function %u",
			 peer_format(&client->origin, peer), request->unit, request->pdu[0]);
}

int call_may_write(const struct call *call, enum mbshm_table table, uint32_t first, uint32_t count)
{
	int exception = access_write(call->rule, table, first, count);
	if (exception == 0)
		return call_may_read(call, table, first, count);
	report_refusal(call->with, call->client, call->request);
	return exception;
}

void call_begin(const struct call *call)
{
	struct mbshm_origin origin = call->client->origin;
	mbshm_txn_begin(call->with->txn, call->unit->image);
	if (origin.kind == 0)
		return;
	origin.unit = call->request->unit;
	origin.function = call->request->pdu[0];
	mbshm_txn_journal(call->with->txn, &origin);
}

int call_commit(struct call *call, size_t bytes)
{
	memcpy(call->pdu, call->request->pdu, bytes);
	call->pdu_bytes = bytes;
	return call_exception(mbshm_txn_commit(call->with->txn, call->with->lock_wait_us, NULL));
}

/* ---- dispatch ------------------------------------------------------------------------------ */

static const struct {
	int (*run)(struct call *call);
	bool needs_image; /* the others look themselves whether it is there */
} actions[ACTIONS] = {
	[ACTION_READ_BITS] = { tables_read_bits, true },
	[ACTION_READ_REGISTERS] = { tables_read_registers, true },
	[ACTION_WRITE_BITS] = { tables_write_bits, true },
	[ACTION_WRITE_REGISTERS] = { tables_write_registers, true },
	[ACTION_MASK_REGISTER] = { tables_mask_register, true },
	[ACTION_READ_WRITE_REGISTERS] = { tables_read_write_registers, true },
	[ACTION_READ_FILES] = { files_read, false },
	[ACTION_WRITE_FILES] = { files_write, false },
	[ACTION_READ_FIFO] = { files_read_fifo, false },
	[ACTION_READ_STATUS] = { device_read_status, false },
	[ACTION_DIAGNOSE] = { device_diagnose, false },
	[ACTION_COUNT_EVENTS] = { device_count_events, false },
	[ACTION_LIST_EVENTS] = { device_list_events, false },
	[ACTION_REPORT_ID] = { device_report_id, false },
	[ACTION_IDENTIFY] = { device_identify, false },
};

/* 0 and the answer, the exception, EXECUTE_BUSY or PLANT_SILENCE. */
static int run(struct call *call, int exception)
{
	if (exception != 0)
		return exception;
	enum action action = call->request->function->action;
	if (actions[action].needs_image && call->unit->image == NULL)
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	return actions[action].run(call);
}

static int finish(const struct execution *with, struct client *client, const uint8_t *adu,
		  int exception, size_t pdu_bytes, uint8_t *out)
{
	uint8_t function = adu[MBAP_BYTES];
	struct counters *counters = with->counters;
	counters_add(&counters->requests, 1);
	counters_add(&counters->functions[function % COUNTERS_FUNCTIONS], 1);
	diagnostics_answered(&client->line, function, exception);
	if (exception == 0)
		return (int)answer_frame(adu, out, pdu_bytes);
	if (exception == PLANT_SILENCE) {
		counters_add(&counters->silent, 1);
		return 0;
	}
	counters_add(&counters->exceptions, 1);
	counters_add(&counters->exception_codes[exception], 1);
	return (int)answer_exception(adu, out, exception);
}

int execute(const struct execution *with, struct client *client, const uint8_t *adu, size_t bytes,
	    uint8_t *out)
{
	struct request request;
	int exception = request_decode(adu, bytes, &request);
	const struct device *unit = with->policy->units[request.unit];
	if (unit == NULL)
		return finish(with, client, adu, with->policy->unknown_unit, 0, out);
	const struct access_rule *rule =
		access_rule(&with->policy->access, client->rules, request.unit);
	if (!function_set_has(&rule->functions, request.pdu[0])) {
		exception = MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
		if (function_set_has(&rule->refused, request.pdu[0]))
			report_refusal(with, client, &request);
	}

	struct call call = { with, client, unit, &request, rule, out + MBAP_BYTES, 0 };
	exception = run(&call, exception);
	if (exception == EXECUTE_BUSY)
		return EXECUTE_BUSY;
	return finish(with, client, adu, exception, call.pdu_bytes, out);
}

int execute_refuse(const struct execution *with, struct client *client, const uint8_t *adu,
		   uint8_t *out)
{
	return finish(with, client, adu, MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY, 0, out);
}
