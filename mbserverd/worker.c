/* A worker's thread: what a connection is ready for, orders, the loop. */
#include "mbserverd/worker.h"

#include "base/clock.h"
#include "mbserverd/access.h"
#include "mbserverd/counters.h"
#include "mbserverd/hosts.h"
#include "mbserverd/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 64, RETRIES_PER_TURN = 64 };

/* Their addresses stand in the epoll set where a connection's would: orders, the alarm. */
static char orders_mark, alarm_mark;

/* The requests since before have been answered; they were noticed at start_ns.  The clock is read
 * once for all of them. */
static void measure(const struct worker *w, uint64_t before, int64_t start_ns)
{
	struct counters *counters = w->roster.workspace.execution.counters;
	uint64_t answered = counters->requests - before;
	if (!answered)
		return;
	unsigned bucket = counters_bucket((uint64_t)(clock_mono_ns() - start_ns));
	counters_add(&counters->latency_ns[bucket], answered);
}

static void ready(struct worker *w, struct connection *c, uint32_t events)
{
	struct roster *roster = &w->roster;
	uint64_t before = roster->workspace.execution.counters->requests;
	roster_touch(roster, c);
	if (c->state == CONNECTION_INPUT || c->state == CONNECTION_REST)
		roster_set_state(roster, c, connection_input(&roster->workspace, c));
	else if (events & (EPOLLERR | EPOLLHUP))
		roster_drop(roster, c, END_LOST);
	else if (c->state == CONNECTION_OUTPUT)
		roster_set_state(roster, c, connection_output(&roster->workspace, c));
	measure(w, before, roster->now_ns);
}

static void retry(struct worker *w, struct connection *c)
{
	struct workspace *workspace = &w->roster.workspace;
	uint64_t before = workspace->execution.counters->requests;
	int64_t start_ns = c->received_ms * 1000000;
	roster_set_state(&w->roster, c, connection_retry(workspace, c));
	measure(w, before, start_ns);
}

/* Once a millisecond, as many as cost next to nothing; together they spend one wait for the lock,
 * unless it becomes free. */
static void retry_parked(struct worker *w)
{
	const struct connection_list *parked = &w->roster.waiting[CONNECTION_PARKED];
	const struct connection *last = TAILQ_LAST(parked, connection_list);
	w->retried_ms = w->roster.now_ms;
	w->roster.workspace.execution.lock_wait_us = last ? LOCK_RETRY_US : LOCK_WAIT_US;
	for (unsigned i = 0; i < RETRIES_PER_TURN && last; i++) {
		struct connection *c = roster_next_parked(&w->roster);
		if (c == last)
			last = NULL;
		retry(w, c);
	}
}

/* ---- orders -------------------------------------------------------------------------------- */

/* Note what the policy says about c.  false: its peer is refused. */
static bool revise(struct worker *w, struct connection *c)
{
	const struct policy *policy = w->roster.workspace.execution.policy;
	const struct mbshm_origin *peer = &c->client.origin;
	c->client.rules = access_rules(&policy->access, peer->family, peer->address);
	c->traced = policy->plant->server.log == PLANT_LOG_REQUESTS ||
		    network_has(&policy->trace, peer->family, peer->address);
	return !access_refused(&policy->access, c->client.rules);
}

/* Has its host more connections than the policy allows now?  Then it is not counted any more. */
static bool is_surplus(const struct worker *w, struct connection *c)
{
	unsigned max = roster_settings(&w->roster)->max_per_address;
	if (!max || c->kept || c->client.origin.family == AF_UNIX ||
	    !host_release_above(c->host, max))
		return false;
	c->host = NULL;
	return true;
}

static void revise_list(struct worker *w, struct connection_list *list)
{
	const struct access *access = &w->roster.workspace.execution.policy->access;
	struct connection *next;
	for (struct connection *c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, by_use);
		if (!revise(w, c))
			roster_drop(&w->roster, c, END_REFUSED);
		else if (is_surplus(w, c))
			roster_drop(&w->roster, c, END_LIMITED);
		else if (c->kept != access_kept(access, c->client.rules))
			roster_keep(&w->roster, c, !c->kept);
	}
}

/* The policy has changed: apply it to all connections before it answers the first request. */
static void revise_all(struct worker *w)
{
	w->generation = w->roster.workspace.execution.policy->generation;
	revise_list(w, &w->roster.by_use);
	revise_list(w, &w->roster.kept);
	roster_expire(&w->roster);
}

static void adopt(struct worker *w, struct connection *c)
{
	bool welcome = revise(w, c);
	bool kept = access_kept(&w->roster.workspace.execution.policy->access, c->client.rules);
	int rc = roster_enter(&w->roster, c);
	if (rc || !welcome)
		roster_drop(&w->roster, c, welcome ? END_MEMORY : END_REFUSED);
	else if (c->kept != kept) /* the policy has changed meanwhile */
		roster_keep(&w->roster, c, kept);
}

static void stop_list(struct worker *w, struct connection_list *list)
{
	struct connection *next;
	for (struct connection *c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, by_use);
		if (c->state == CONNECTION_INPUT || c->state == CONNECTION_REST)
			roster_set_state(&w->roster, c, connection_input(&w->roster.workspace, c));
	}
}

static void begin_stop(struct worker *w)
{
	w->stop_ms = w->roster.now_ms + STOP_GRACE_MS;
	w->roster.workspace.stopping = true;
	stop_list(w, &w->roster.by_use);
	stop_list(w, &w->roster.kept);
}

static void take_orders(struct worker *w)
{
	struct order orders[ORDERS_PER_TURN];
	ssize_t bytes = read(w->order_read, orders, sizeof orders);
	for (ssize_t i = 0; i < bytes / (ssize_t)sizeof *orders; i++) {
		switch (orders[i].kind) {
		case ORDER_ADOPT:
			adopt(w, orders[i].connection);
			break;
		case ORDER_EVICT:
			w->evicted = roster_evict(&w->roster, orders[i].least);
			eventfd_write(w->notices.evicted, 1);
			break;
		case ORDER_REVISE: /* only to wake us: turn() has done it */
			break;
		case ORDER_PING:
			w->pongs++;
			break;
		case ORDER_STOP:
			begin_stop(w);
			break;
		}
	}
}

/* Have the main thread look for the image that took the place of ours: once for each policy, since
 * what it cannot mend at once it tries again by itself. */
static void report_replaced(struct worker *w)
{
	w->roster.workspace.replaced = false;
	if (w->reported == w->generation)
		return;
	w->reported = w->generation;
	eventfd_write(w->notices.replaced, 1);
}

/* ---- the loop ------------------------------------------------------------------------------ */

/* How long to sleep: until events come, but for parked requests and a stop. */
static int patience_ms(const struct worker *w)
{
	if (!TAILQ_EMPTY(&w->roster.waiting[CONNECTION_PARKED]))
		return 1;
	return w->stop_ms != 0 ? 10 : -1;
}

static int sleep_until_ready(struct worker *w, struct epoll_event *events)
{
	policy_reader_sleep();
	/* Not epoll_wait, which is a cancellation point: see tcp.c. */
	int count = (int)syscall(SYS_epoll_pwait, w->roster.epoll, events, EVENTS_PER_TURN,
				 patience_ms(w), NULL, 0);
	policy_reader_wake();
	w->roster.workspace.execution.policy = policy_get();
	w->roster.now_ns = clock_mono_ns();
	w->roster.workspace.execution.now_ms = w->roster.now_ms = w->roster.now_ns / 1000000;
	return count;
}

static void turn(struct worker *w)
{
	struct epoll_event events[EVENTS_PER_TURN];
	bool orders = false, alarmed = false;
	int count = sleep_until_ready(w, events);
	/* Orders, the alarm, a shortage and a new policy free connections that the events may
	 * name, so they come last.  Under a new policy the connections are not served at all: they
	 * are revised, and still ready in the next turn. */
	bool revised = w->generation != w->roster.workspace.execution.policy->generation;
	for (int i = 0; i < count; i++) {
		void *what = events[i].data.ptr;
		if (what == &orders_mark)
			orders = true;
		else if (what == &alarm_mark)
			alarmed = true;
		else if (!revised)
			ready(w, what, events[i].events);
	}
	if (revised)
		revise_all(w);
	if (w->retried_ms != w->roster.now_ms)
		retry_parked(w);
	if (w->roster.workspace.replaced)
		report_replaced(w);
	if (w->roster.workspace.held_bytes > w->roster.held_bytes_max)
		roster_make_room(&w->roster);
	if (alarmed)
		roster_expire(&w->roster);
	if (orders)
		take_orders(w);
}

static void *worker_run(void *context)
{
	struct worker *w = context;
	policy_reader_register();
	do {
		turn(w);
	} while (w->stop_ms == 0 || (!roster_empty(&w->roster) && w->roster.now_ms < w->stop_ms));
	roster_drop_all(&w->roster, END_STOP);
	policy_reader_unregister();
	return NULL;
}

/* ---- start and end ------------------------------------------------------------------------- */

static void worker_free(struct worker *w)
{
	mbshm_txn_free(w->roster.workspace.execution.txn);
	if (w->order_write >= 0)
		close(w->order_write);
	if (w->order_read >= 0)
		close(w->order_read);
	if (w->roster.alarm >= 0)
		close(w->roster.alarm);
	if (w->roster.epoll >= 0)
		close(w->roster.epoll);
	free(w);
}

static void worker_init(struct worker *w, unsigned index, unsigned count)
{
	struct execution *execution = &w->roster.workspace.execution;
	roster_init(&w->roster, HELD_BYTES_MAX / count);
	execution->lock_wait_us = LOCK_WAIT_US;
	execution->counters = counters_block(1 + index);
	execution->txn = mbshm_txn_new(EXECUTE_TXN_WORDS);
}

/* 0 or -errno. */
static int worker_wire(struct worker *w)
{
	int pipe_ends[2] = { -1, -1 };
	struct epoll_event orders = { .events = EPOLLIN, .data.ptr = &orders_mark };
	/* Edge-triggered, so it need not be read. */
	struct epoll_event alarm = { .events = EPOLLIN | EPOLLET, .data.ptr = &alarm_mark };
	w->roster.epoll = epoll_create1(EPOLL_CLOEXEC);
	w->roster.alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int rc = pipe2(pipe_ends, O_CLOEXEC);
	w->order_read = pipe_ends[0];
	w->order_write = pipe_ends[1];
	if (rc || w->roster.epoll < 0 || w->roster.alarm < 0 ||
	    epoll_ctl(w->roster.epoll, EPOLL_CTL_ADD, w->order_read, &orders) ||
	    epoll_ctl(w->roster.epoll, EPOLL_CTL_ADD, w->roster.alarm, &alarm))
		return -errno;
	return 0;
}

int worker_start(unsigned index, unsigned count, struct notices notices, struct worker **worker)
{
	struct worker *w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	worker_init(w, index, count);
	w->notices = notices;
	int rc = worker_wire(w);
	if (!rc && !w->roster.workspace.execution.txn)
		rc = -ENOMEM;
	if (!rc)
		rc = -pthread_create(&w->thread, NULL, worker_run, w);
	if (rc) {
		worker_free(w);
		return rc;
	}
	pthread_setname_np(w->thread, "worker");
	*worker = w;
	return 0;
}

void worker_end(struct worker *w)
{
	pthread_join(w->thread, NULL);
	worker_free(w);
}
