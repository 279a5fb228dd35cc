/* A worker's connections: their order, their states, their time. */
#include "mbserverd/roster.h"

#include "mbserverd/ending.h"
#include "mbserverd/hosts.h"
#include "mbserverd/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

/* Last uses are this old at most. */
enum { USE_TICK_MS = 4 };

/* ---- by use -------------------------------------------------------------------------------- */

void roster_init(struct roster *r, size_t held_bytes_max)
{
	r->held_bytes_max = held_bytes_max;
	r->oldest_used_ms = r->alarm_ms = INT64_MAX;
	TAILQ_INIT(&r->by_use);
	TAILQ_INIT(&r->kept);
	for (unsigned i = 0; i < CONNECTION_STATES; i++)
		TAILQ_INIT(&r->waiting[i]);
}

bool roster_empty(const struct roster *r)
{
	return TAILQ_EMPTY(&r->by_use) && TAILQ_EMPTY(&r->kept);
}

const struct plant_server *roster_settings(const struct roster *r)
{
	return &r->workspace.execution.policy->plant->server;
}

static void oldest_publish(struct roster *r)
{
	const struct connection *oldest = TAILQ_FIRST(&r->by_use);
	int64_t used_ms = oldest ? oldest->used_ms : INT64_MAX;
	if (r->oldest_used_ms != used_ms)
		r->oldest_used_ms = used_ms;
}

static void list_in(struct roster *r, struct connection *c)
{
	c->used_ms = r->now_ms;
	TAILQ_INSERT_TAIL(c->kept ? &r->kept : &r->by_use, c, by_use);
	oldest_publish(r);
}

static void list_out(struct roster *r, struct connection *c)
{
	if (c->kept)
		TAILQ_REMOVE(&r->kept, c, by_use);
	else
		TAILQ_REMOVE(&r->by_use, c, by_use);
}

void roster_touch(struct roster *r, struct connection *c)
{
	if (r->now_ms - c->used_ms < USE_TICK_MS)
		return;
	list_out(r, c);
	list_in(r, c);
}

/* ---- the end ------------------------------------------------------------------------------- */

void roster_drop(struct roster *r, struct connection *c, enum connection_end end)
{
	c->end = end;
	if (c->state != CONNECTION_INPUT)
		TAILQ_REMOVE(&r->waiting[c->state], c, waiting);
	list_out(r, c);
	connection_close(&r->workspace, c); /* closing takes it out of the epoll set, too */
	r->connections--;                   /* before the host's: begin_round in admission.c */
	if (c->host)
		host_release(c->host, !c->kept);
	oldest_publish(r);
	ending_report(c, r->workspace.execution.counters, roster_settings(r)->log);
	free(c);
}

static void drop_list(struct roster *r, struct connection_list *list, enum connection_end end)
{
	while (!TAILQ_EMPTY(list))
		roster_drop(r, TAILQ_FIRST(list), end);
}

void roster_drop_all(struct roster *r, enum connection_end end)
{
	drop_list(r, &r->by_use, end);
	drop_list(r, &r->kept, end);
}

bool roster_evict(struct roster *r, unsigned least)
{
	struct connection *c;
	TAILQ_FOREACH (c, &r->by_use, by_use)
		if (host_closable(c->host) >= least) {
			roster_drop(r, c, END_EVICTED);
			return true;
		}
	return false;
}

void roster_make_room(struct roster *r)
{
	static const enum connection_state order[] = { CONNECTION_OUTPUT, CONNECTION_PARKED };
	for (unsigned i = 0; i < 2; i++)
		while (r->workspace.held_bytes > r->held_bytes_max &&
		       !TAILQ_EMPTY(&r->waiting[order[i]]))
			roster_drop(r, TAILQ_FIRST(&r->waiting[order[i]]), END_STALLED);
}

/* ---- time ---------------------------------------------------------------------------------- */

/* Have the timer go off at that time at the latest. */
static void wake_by(struct roster *r, int64_t ms)
{
	if (ms >= r->alarm_ms)
		return;
	r->alarm_ms = ms;
	const struct itimerspec at = { .it_value = { ms / 1000, ms % 1000 * 1000000 } };
	timerfd_settime(r->alarm, TFD_TIMER_ABSTIME, &at, NULL);
}

static int64_t frame_end_ms(const struct roster *r, const struct connection *c)
{
	return c->since_ms + (int64_t)roster_settings(r)->frame_timeout_ms;
}

/* INT64_MAX: never. */
static int64_t idle_end_ms(const struct roster *r, const struct connection *c)
{
	int64_t idle_ms = (int64_t)roster_settings(r)->idle_timeout_ms;
	return idle_ms && !c->kept ? c->used_ms + idle_ms : INT64_MAX;
}

void roster_keep(struct roster *r, struct connection *c, bool kept)
{
	list_out(r, c);
	c->kept = kept;
	host_recount(c->host, !kept);
	list_in(r, c);
	wake_by(r, idle_end_ms(r, c));
}

void roster_expire(struct roster *r)
{
	struct connection *c;
	r->alarm_ms = INT64_MAX;
	while ((c = TAILQ_FIRST(&r->waiting[CONNECTION_REST])) && frame_end_ms(r, c) <= r->now_ms)
		roster_drop(r, c, END_LATE);
	if (c)
		wake_by(r, frame_end_ms(r, c));
	while ((c = TAILQ_FIRST(&r->by_use)) && idle_end_ms(r, c) <= r->now_ms)
		roster_drop(r, c, END_IDLE);
	if (c)
		wake_by(r, idle_end_ms(r, c));
}

/* ---- by what they wait for ----------------------------------------------------------------- */

static uint32_t events_of(const struct connection *c, enum connection_state state)
{
	if (state == CONNECTION_PARKED)
		return 0;
	return c->channel.transport->events(
		&c->channel, state == CONNECTION_OUTPUT ? CHANNEL_SEND : CHANNEL_RECEIVE);
}

int roster_enter(struct roster *r, struct connection *c)
{
	struct epoll_event event = { .events = events_of(c, c->state), .data.ptr = c };
	list_in(r, c);
	wake_by(r, idle_end_ms(r, c));
	return epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->channel.fd, &event) ? -errno : 0;
}

static void wait_for(struct roster *r, struct connection *c, enum connection_state state)
{
	if (c->state != CONNECTION_INPUT)
		TAILQ_REMOVE(&r->waiting[c->state], c, waiting);
	c->state = state;
	c->since_ms = state == CONNECTION_REST ? c->frame_ms : r->now_ms;
	if (state != CONNECTION_INPUT)
		TAILQ_INSERT_TAIL(&r->waiting[state], c, waiting);
	if (state == CONNECTION_REST)
		wake_by(r, frame_end_ms(r, c));
}

void roster_set_state(struct roster *r, struct connection *c, enum connection_state state)
{
	if (state == c->state && (state != CONNECTION_REST || c->frame_ms == c->since_ms))
		return;
	if (state == CONNECTION_OVER) {
		roster_drop(r, c, c->end);
		return;
	}
	struct epoll_event event = { .events = events_of(c, state), .data.ptr = c };
	if (event.events != events_of(c, c->state) &&
	    epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->channel.fd, &event))
		roster_drop(r, c, END_MEMORY);
	else
		wait_for(r, c, state);
}

struct connection *roster_next_parked(struct roster *r)
{
	struct connection_list *parked = &r->waiting[CONNECTION_PARKED];
	struct connection *c = TAILQ_FIRST(parked);
	if (c) {
		TAILQ_REMOVE(parked, c, waiting);
		TAILQ_INSERT_TAIL(parked, c, waiting);
	}
	return c;
}
