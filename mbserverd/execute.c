/* A request on its way: device, access, handler, count. */
#include "mbserverd/execute.h"

#include "mbserverd/call.h"
#include "mbserverd/counters.h"
#include "mbserverd/handlers.h"
#include "modbus/exception.h"
#include "modbus/function.h"
#include "modbus/reply.h"

static const struct handler {
	int (*run)(struct call *call);
	bool needs_image; /* the others look themselves whether it is there */
} handlers[256] = {
	[0x01] = { tables_read_bits, true },
	[0x02] = { tables_read_bits, true },
	[0x03] = { tables_read_registers, true },
	[0x04] = { tables_read_registers, true },
	[0x05] = { tables_write_bits, true },
	[0x06] = { tables_write_registers, true },
	[0x07] = { device_read_status, false },
	[FC_DIAGNOSTICS] = { device_diagnose, false },
	[FC_EVENT_COUNTER] = { device_count_events, false },
	[FC_EVENT_LOG] = { device_list_events, false },
	[0x0F] = { tables_write_bits, true },
	[0x10] = { tables_write_registers, true },
	[0x11] = { device_report_id, false },
	[FC_READ_FILE] = { files_read, false },
	[FC_WRITE_FILE] = { files_write, false },
	[0x16] = { tables_mask_register, true },
	[0x17] = { tables_read_write_registers, true },
	[FC_READ_FIFO] = { files_read_fifo, false },
	[FC_ENCAPSULATED] = { device_identify, false },
};

static inline void count(const struct execution *execution, uint8_t function)
{
	counters_add(&execution->counters->requests, 1);
	counters_add(&execution->counters->functions[function % COUNTERS_FUNCTIONS], 1);
}

/* Answer with an exception, or not at all.  The bytes of the answer. */
static int answer_refusal(const struct execution *execution, struct client *client,
			  uint8_t function, int exception, uint8_t *out)
{
	struct counters *counters = execution->counters;
	count(execution, function);
	diagnostics_refused(&client->line, exception);
	if (exception == ANSWER_SILENCE) {
		counters_add(&counters->silent, 1);
		return 0;
	}
	counters_add(&counters->exceptions, 1);
	counters_add(&counters->exception_codes[exception], 1);
	return (int)reply_put_exception(out, function, exception);
}

/* 0 and the answer, the exception, ANSWER_LATER or ANSWER_REPLACED. */
static inline int run(struct call *call)
{
	const struct handler *handler = &handlers[call->request->pdu[0]];
	if (handler->needs_image && !call->device->image)
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	call->pdu[0] = call->request->pdu[0];
	return handler->run(call);
}

/* The function may not be used.  If that is because it writes, say what it would have written. */
static void report_refusal(const struct execution *execution, const struct client *client,
			   const struct access_rule *rule, uint8_t unit, const uint8_t *pdu,
			   size_t bytes)
{
	struct request request;
	struct mbshm_span what = { .count = 0 };
	if (!function_set_has(&rule->refused, pdu[0]))
		return;
	if (!request_decode(pdu, bytes, &request))
		what = (struct mbshm_span){ request.function->table, request.write.addr,
					    request.write.count };
	call_report_refusal(execution, client, unit, pdu[0], &what);
}

int execute(const struct execution *execution, struct client *client, uint8_t unit,
	    const uint8_t *pdu, size_t bytes, uint8_t *out)
{
	const struct policy *policy = execution->policy;
	const struct device *device = policy->units[unit];
	if (!device) {
		counters_add(&execution->counters->unknown_units[unit], 1);
		return answer_refusal(execution, client, pdu[0], policy->unknown_unit, out);
	}
	const struct access_rule *rule = access_rule(&policy->access, client->rules, unit);
	if (!function_set_has(&rule->functions, pdu[0])) {
		report_refusal(execution, client, rule, unit, pdu, bytes);
		return answer_refusal(execution, client, pdu[0], MODBUS_EXCEPTION_ILLEGAL_FUNCTION,
				      out);
	}
	struct request request;
	struct call call = { execution, client, device, unit, &request, rule, out, 0 };
	int exception = request_decode(pdu, bytes, &request);
	if (!exception)
		exception = run(&call);
	if (exception == ANSWER_LATER || exception == ANSWER_REPLACED)
		return exception;
	if (exception) {
		if (exception == MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS &&
		    handlers[pdu[0]].needs_image)
			call_note_undeclared(&call);
		return answer_refusal(execution, client, pdu[0], exception, out);
	}
	count(execution, pdu[0]);
	diagnostics_done(&client->line, pdu[0]);
	return (int)call.pdu_bytes;
}

int execute_refuse(const struct execution *execution, struct client *client, const uint8_t *pdu,
		   int exception, uint8_t *out)
{
	return answer_refusal(execution, client, pdu[0], exception, out);
}
