/* Functions about the device itself: 7, 8, 11, 12, 17, 43/14. */
#include "mbserverd/call.h"
#include "mbserverd/handlers.h"
#include "modbus/reply.h"
#include "modbus/wire.h"

#include <string.h>

int device_read_status(struct call *call)
{
	const struct plant_status *status = &call->device->plant->server.status;
	struct mbshm_read reads[8];
	uint8_t bits[8] = { 0 }, byte = 0;
	unsigned count = 0;
	for (unsigned i = 0; i < status->count; i++)
		if (status->coils[i] >= 0)
			reads[count++] =
				(struct mbshm_read){ MBSHM_COILS, (uint32_t)status->coils[i], 1,
						     &bits[i] };
	if (count > 0 && !call->device->image)
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;

	int rc = count > 0 ? mbshm_read(call->device->image, reads, count, NULL) : 0;
	int exception = call_exception(rc);
	for (unsigned i = 0; i < count && !exception; i++)
		exception = call_may_read(call, MBSHM_COILS, reads[i].first, 1);
	for (unsigned i = 0; i < 8; i++)
		byte |= (uint8_t)(bits[i] << i);
	call->pdu_bytes = reply_put_status(call->pdu, byte);
	return exception;
}

/* Is what this device should do being done? */
static bool running(const struct call *call)
{
	const struct plant_server_id *id = &call->device->plant->server.server_id;
	return !id->source[0] ||
	       (call->device->image && !call_stale(call, id->source, id->after_ms));
}

/* The diagnostic register: bit 0, the image cannot be used; bit 1, run status off. */
static uint16_t diagnostic_register(const struct call *call)
{
	return (uint16_t)((!call->device->image) | !running(call) << 1);
}

static void clear(struct call *call)
{
	for (unsigned sub = DIAGNOSTIC_FIRST_COUNTER; sub <= DIAGNOSTIC_LAST_COUNTER; sub++)
		diagnostics_clear(sub);
	call->client->line.completed = 0;
}

int device_diagnose(struct call *call)
{
	uint16_t sub = call->request->diagnostic;
	bool clears = sub == DIAGNOSTIC_CLEAR || sub == DIAGNOSTIC_CLEAR_OVERRUN;
	int exception = clears ? call_may_clear(call) : 0;
	if (exception)
		return exception;
	call->pdu_bytes = reply_put_echo(call->pdu, call->request, call->request->bytes);
	if (sub == DIAGNOSTIC_REGISTER)
		wire_put16(call->pdu + 3, diagnostic_register(call));
	else if (sub == DIAGNOSTIC_CLEAR)
		clear(call);
	else if (sub == DIAGNOSTIC_CLEAR_OVERRUN)
		diagnostics_clear(DIAGNOSTIC_LAST_COUNTER);
	else if (sub != DIAGNOSTIC_ECHO)
		wire_put16(call->pdu + 3, diagnostics_counter(sub));
	return 0;
}

int device_count_events(struct call *call)
{
	call->pdu_bytes = reply_put_event_counter(call->pdu, call->client->line.completed);
	return 0;
}

int device_list_events(struct call *call)
{
	const struct diagnostics_line *line = &call->client->line;
	size_t log_bytes = diagnostics_events(line, call->pdu + EVENTS_AT);
	uint16_t messages = diagnostics_counter(DIAGNOSTIC_FIRST_COUNTER);
	call->pdu_bytes = reply_put_event_log(call->pdu, line->completed, messages, log_bytes);
	return 0;
}

_Static_assert(2 + PLANT_ID_MAX + 1 + PLANT_ID_TEXT_MAX <= PDU_MAX, "the reply to 17 fits");

int device_report_id(struct call *call)
{
	const struct plant_server_id *id = &call->device->plant->server.server_id;
	size_t text_bytes = strlen(id->text);
	uint8_t *out = call->pdu + 2;
	memcpy(out, id->id.bytes, id->id.count);
	out += id->id.count;
	*out++ = running(call) ? 0xFF : 0x00;
	memcpy(out, id->text, text_bytes);
	call->pdu_bytes = reply_put_count(call->pdu, id->id.count + 1 + text_bytes);
	return 0;
}

int device_identify(struct call *call)
{
	return identity_read(&call->device->identity, call->request, call->pdu, &call->pdu_bytes);
}
