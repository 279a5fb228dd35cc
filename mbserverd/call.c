/* One request on its way through a handler: what handlers share. */
#include "mbserverd/call.h"

#include "base/log.h"
#include "mbserverd/counters.h"
#include "mbserverd/peer.h"
#include "modbus/exception.h"
#include "modbus/reply.h"
#include "point/address.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int call_exception(int rc)
{
	static struct log_limit damaged;
	switch (rc) {
	case 0:
		return 0;
	case -ERANGE:
		return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	case -EAGAIN:
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_BUSY;
	case -ETIMEDOUT:
		return ANSWER_LATER;
	case -EBADMSG:
		if (log_allowed(&damaged))
			log_error("the image is damaged");
		return ANSWER_REPLACED;
	case -ESTALE:
		return ANSWER_REPLACED;
	default: /* no permission, no memory */
		return MODBUS_EXCEPTION_SLAVE_OR_SERVER_FAILURE;
	}
}

bool call_stale(const struct call *call, const char *name, uint64_t after_ms)
{
	struct mbshm_source source;
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++)
		if (!mbshm_source_get(call->device->image, i, &source) &&
		    !strcmp(source.name, name))
			return call->execution->now_ms - source.mono_ns / 1000000 >=
			       (int64_t)after_ms;
	return true; /* no such producer yet */
}

static bool crosses_seam(const struct plant_server *server, enum mbshm_table table, uint32_t first,
			 uint32_t count)
{
	for (unsigned i = 0; i < server->seam_count; i++) {
		const struct plant_seam *seam = &server->seams[i];
		if (seam->table == table && first < seam->at && seam->at < first + count)
			return true;
	}
	return false;
}

int call_span_answer(const struct call *call, enum mbshm_table table, uint32_t first,
		     uint32_t count)
{
	const struct plant_server *server = &call->device->plant->server;
	if (crosses_seam(server, table, first, count))
		return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	for (unsigned i = 0; i < server->stale_count; i++) {
		const struct plant_stale *rule = &server->stale[i];
		if (rule->answer && rule->span.table == table &&
		    first < rule->span.first + rule->span.count &&
		    rule->span.first < first + count &&
		    call_stale(call, rule->source, rule->after_ms))
			return rule->answer;
	}
	return 0;
}

void call_report_refusal(const struct execution *execution, const struct client *client,
			 uint8_t unit, uint8_t function, const struct mbshm_span *what)
{
	static struct log_limit limit;
	char peer[PEER_TEXT_SIZE], items[ADDRESS_TEXT_SIZE] = "";
	counters_add(&execution->counters->refused_writes, 1);
	if (!log_allowed(&limit))
		return;
	if (what->count)
		address_text(what, items);
	log_warn("%s may not write: unit %u, function %u%s%s", peer_format(&client->origin, peer),
		 unit, function, *items ? ", " : "", items);
}

static void note_undeclared(const struct call *call, const struct items *items)
{
	const struct mbshm_origin *peer = &call->client->origin;
	struct stray_range range = {
		.unit = call->unit,
		.table = (uint8_t)call->request->function->table,
		.first = items->addr,
		.count = items->count,
		.family = peer->family,
	};
	memcpy(range.address, peer->address, sizeof range.address);
	strays_add(&call->execution->counters->strays, &range, 1, call->execution->now_ms);
}

void call_note_undeclared(const struct call *call)
{
	const struct items *both[] = { &call->request->read, &call->request->write };
	bool any = false;
	for (int i = 0; i < 2; i++)
		if (both[i]->count && call->device->image &&
		    !mbshm_declared(call->device->image, call->request->function->table,
				    both[i]->addr, both[i]->count)) {
			note_undeclared(call, both[i]);
			any = true;
		}
	if (any)
		counters_add(&call->execution->counters->undeclared, 1);
}

int call_may_write(const struct call *call, enum mbshm_table table, uint32_t first, uint32_t count)
{
	const struct plant_server *server = &call->device->plant->server;
	/* Before access, as other addresses that are not there. */
	if (server->seam_count && crosses_seam(server, table, first, count))
		return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	int exception = access_write(call->rule, table, first, count);
	if (!exception)
		return call_may_read(call, table, first, count);
	const struct mbshm_span what = { table, first, count };
	call_report_refusal(call->execution, call->client, call->unit, call->request->pdu[0],
			    &what);
	return exception;
}

int call_may_clear(const struct call *call)
{
	const struct mbshm_span what = { .count = 0 };
	if (!call->rule->writes)
		return 0;
	call_report_refusal(call->execution, call->client, call->unit, call->request->pdu[0],
			    &what);
	return MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
}

void call_begin(const struct call *call)
{
	struct mbshm_origin origin = call->client->origin;
	mbshm_txn_begin(call->execution->txn, call->device->image);
	if (!origin.kind)
		return;
	if (origin.family == AF_INET6)
		network_set_zone(origin.address,
				 0); /* an index means nothing to others, or later */
	origin.unit = call->unit;
	origin.function = call->request->pdu[0];
	mbshm_txn_journal(call->execution->txn, &origin);
}

int call_commit(struct call *call, size_t bytes)
{
	call->pdu_bytes = reply_put_echo(call->pdu, call->request, bytes);
	return call_exception(
		mbshm_txn_commit(call->execution->txn, call->execution->lock_wait_us, NULL));
}
