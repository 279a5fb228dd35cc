/* The end of a connection: counted, and logged with its reason. */
#include "mbserverd/ending.h"

#include "base/log.h"
#include "mbserverd/counters.h"
#include "mbserverd/peer.h"

#include <stddef.h>
#include <stdio.h>

static const struct {
	const char *text;
	size_t counter; /* beside "ended" */
	bool usual;     /* not worth a line: a peer that polls may also reset each connection */
	bool odd;       /* due to what the peer sent, or may be */
} ends[ENDS] = {
#define END(end, text, counter, ...) \
	[end] = { text, offsetof(struct counters, counter), __VA_ARGS__ }
	END(END_PEER, "closed by its peer", ended, true, true),
	END(END_LOST, "lost", lost, true, true),
	END(END_BROKEN, "closed: what it sends is not Modbus", broken, false, true),
	END(END_MEMORY, "closed: out of memory", stalled, false, false),
	END(END_REFUSED, "closed: the access rules have changed", refused, false, false),
	END(END_EVICTED, "closed: unused for longest, and another client needs its place", evicted,
	    false, false),
	END(END_LIMITED, "closed: its address has more connections than server.max_per_address",
	    limited, false, false),
	END(END_IDLE, "closed: unused for server.idle_timeout", idle, false, false),
	END(END_LATE, "closed: a frame was not complete within server.frame_timeout", late, false,
	    true),
	END(END_STALLED, "closed: it does not read its answers, and memory is short", stalled,
	    false, false),
	END(END_STOP, "closed: the server stops", ended, true, false),
};

static void count_end(struct counters *counters, enum connection_end end)
{
	size_t offset = ends[end].counter;
	counters_add(&counters->ended, 1);
	if (offset != offsetof(struct counters, ended))
		counters_add((_Atomic uint64_t *)(void *)((char *)counters + offset), 1);
}

/* ": 47 45 54 20 ... (HTTP?)", or nothing. */
static const char *odd_text(const struct odd *odd, char *text, size_t size)
{
	size_t used = 0;
	*text = '\0';
	for (unsigned i = 0; i < odd->count && i < ODD_SHOWN; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%02x", i ? " " : ": ",
					 odd->bytes[i]);
	if (odd->count > ODD_SHOWN)
		used += (size_t)snprintf(text + used, size - used, " ...");
	if (odd->guess)
		snprintf(text + used, size - used, " (%s?)", odd->guess);
	return text;
}

void ending_report(struct connection *c, struct counters *counters, enum plant_log level)
{
	static struct log_limit limits[ENDS];
	enum connection_end end = c->end;
	char peer[PEER_TEXT_SIZE], odd[6 + 3 * ODD_SHOWN + 32] = "";
	count_end(counters, end);
	if (ends[end].odd && c->state == CONNECTION_REST)
		connection_note_rest(c);
	bool usual = ends[end].usual && !c->odd.guess;
	if ((usual && level < PLANT_LOG_CONNECTIONS) || !log_allowed(&limits[end]))
		return;
	if (ends[end].odd)
		odd_text(&c->odd, odd, sizeof odd);
	(usual ? log_info : log_warn)("%s %s%s", peer_format(&c->client.origin, peer),
				      ends[end].text, odd);
}
