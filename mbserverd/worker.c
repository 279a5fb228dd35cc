#include "mbserverd/worker.h"

#include "base/log.h"
#include "mbserverd/counters.h"
#include "mbserverd/peer.h"
#include "mbserverd/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 64, ORDERS_PER_TURN = 64, RETRIES_PER_TURN = 64, USE_TICK_MS = 4 };

/* A message from the main thread; it is written to a pipe and read from it whole. */
struct order {
	enum { ORDER_ADOPT, ORDER_EVICT, ORDER_REVISE, ORDER_PING, ORDER_STOP } kind;
	struct connection *connection; /* ORDER_ADOPT */
};

struct worker {
	/* set before the start */
	pthread_t thread;
	int epoll, alarm;
	int order_read, order_write;
	size_t held_bytes_max;

	/* main thread only */
	unsigned pings;
	unsigned order_count; /* orders that are not written yet */
	struct order orders[ORDERS_PER_TURN];

	/* any thread */
	_Atomic unsigned pongs;
	_Atomic unsigned connections;   /* main adds, the worker subtracts */
	_Atomic int64_t oldest_used_ms; /* of the connection unused longest; INT64_MAX: none may be
					   closed for it */

	/* this worker only */
	int64_t now_ns, now_ms; /* when this turn began */
	int64_t retried_ms;
	int64_t alarm_ms;    /* when the timer is due; INT64_MAX: it is off */
	int64_t stop_ms;     /* when to stop, peers or not; 0: not stopping */
	uint64_t generation; /* of the policy that connections have been looked at with */
	/* those that may be closed for it, the one unused longest first */
	struct connection_list by_use;
	struct connection_list kept; /* the others */
	/* But for INPUT, where nearly all are: the longest first; of LOCK, who was tried longest
	 * ago. */
	struct connection_list waiting[CONNECTION_STATES];
	struct workspace workspace;
};

struct workers {
	unsigned count;
	struct worker *workers[];
};

/* What waits at these two is given to nobody's connection. */
static char orders_mark, alarm_mark;

/* ---- connections --------------------------------------------------------------------------- */

static const struct plant_server *settings(const struct worker *w)
{
	return &w->workspace.execution.policy->plant->server;
}

static void publish_oldest(struct worker *w)
{
	const struct connection *oldest = TAILQ_FIRST(&w->by_use);
	int64_t used_ms = oldest ? oldest->used_ms : INT64_MAX;
	if (w->oldest_used_ms != used_ms)
		w->oldest_used_ms = used_ms;
}

static void use(struct worker *w, struct connection *c)
{
	c->used_ms = w->now_ms;
	if (c->kept)
		TAILQ_INSERT_TAIL(&w->kept, c, by_use);
	else
		TAILQ_INSERT_TAIL(&w->by_use, c, by_use);
	publish_oldest(w);
}

static void unuse(struct worker *w, struct connection *c)
{
	if (c->kept)
		TAILQ_REMOVE(&w->kept, c, by_use);
	else
		TAILQ_REMOVE(&w->by_use, c, by_use);
}

/* Ages need not be known better than that. */
static void touch(struct worker *w, struct connection *c)
{
	if (w->now_ms - c->used_ms < USE_TICK_MS)
		return;
	unuse(w, c);
	use(w, c);
}

static void report_end(const struct worker *w, const struct connection *c)
{
	struct counters *counters = w->workspace.execution.counters;
	static struct log_limit limits[ENDS];
	static const struct {
		const char *text;
		size_t counter; /* beside "ended" */
	} ends[ENDS] = {
#define END(end, text, counter) [end] = { text, offsetof(struct counters, counter) }
		END(END_PEER, "closed by its peer", ended),
		END(END_LOST, "lost", lost),
		END(END_BROKEN, "closed: what it sends is not Modbus", broken),
		END(END_MEMORY, "closed: out of memory", stalled),
		END(END_REFUSED, "closed: the access rules have changed", refused),
		END(END_EVICTED, "closed: unused longest, and another needs its place", evicted),
		END(END_IDLE, "closed: unused for server.idle_timeout", idle),
		END(END_LATE, "closed: a frame was not complete within server.frame_timeout", late),
		END(END_STALLED, "closed: it does not take its answers, and memory is short",
		    stalled),
		END(END_STOP, "closed: the server stops", ended),
	};
	counters_add(&counters->ended, 1);
	if (ends[c->end].counter != offsetof(struct counters, ended))
		counters_add((_Atomic uint64_t *)(void *)((char *)counters + ends[c->end].counter),
			     1);
	if (!log_allowed(&limits[c->end]))
		return;
	char peer[PEER_TEXT_SIZE];
	bool usual = c->end == END_PEER || c->end == END_STOP;
	(usual ? log_info : log_warn)("%s %s", peer_format(&c->client.origin, peer),
				      ends[c->end].text);
}

/* Give up c, which waits for c->state; c->end says why. */
static void drop(struct worker *w, struct connection *c, enum connection_end end)
{
	c->end = end;
	report_end(w, c);
	if (c->state != CONNECTION_INPUT)
		TAILQ_REMOVE(&w->waiting[c->state], c, waiting);
	unuse(w, c);
	connection_free(&w->workspace, c); /* closing takes it out of the epoll set, too */
	w->connections--;
	publish_oldest(w);
}

/* ---- time ---------------------------------------------------------------------------------- */

static int64_t clock_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Have the timer wake us at that time, unless it does so before.  Only when it goes off the next
 * time is looked for: so requests cost no call for it. */
static void alarm_by(struct worker *w, int64_t ms)
{
	if (ms >= w->alarm_ms)
		return;
	w->alarm_ms = ms;
	const struct itimerspec at = { .it_value = { ms / 1000, ms % 1000 * 1000000 } };
	timerfd_settime(w->alarm, TFD_TIMER_ABSTIME, &at, NULL);
}

static void expire(struct worker *w)
{
	const int64_t idle_ms = (int64_t)settings(w)->idle_timeout_ms,
		      frame_ms = (int64_t)settings(w)->frame_timeout_ms;
	struct connection *c;
	w->alarm_ms = INT64_MAX;
	while ((c = TAILQ_FIRST(&w->waiting[CONNECTION_REST])) != NULL &&
	       c->since_ms + frame_ms <= w->now_ms)
		drop(w, c, END_LATE);
	if (c)
		alarm_by(w, c->since_ms + frame_ms);
	while (idle_ms != 0 && (c = TAILQ_FIRST(&w->by_use)) != NULL &&
	       c->used_ms + idle_ms <= w->now_ms)
		drop(w, c, END_IDLE);
	if (idle_ms != 0 && c)
		alarm_by(w, c->used_ms + idle_ms);
}

/* Requests since before have been answered; they were noticed at start_ns.  One look at the clock
 * for all of them. */
static void measure(struct worker *w, uint64_t before, int64_t start_ns)
{
	struct counters *counters = w->workspace.execution.counters;
	uint64_t answered = counters->requests - before;
	if (answered != 0)
		counters_add(
			&counters->latency_ns[counters_bucket((uint64_t)(clock_ns() - start_ns))],
			answered);
}

/* ---- what a connection waits for ----------------------------------------------------------- */

/* More is held than may be: those that wait for their peer, the longest first, then those for the
 * lock. */
static void make_room(struct worker *w)
{
	static const enum connection_state order[] = { CONNECTION_OUTPUT, CONNECTION_LOCK };
	for (unsigned i = 0; i < 2; i++)
		while (w->workspace.held_bytes > w->held_bytes_max &&
		       !TAILQ_EMPTY(&w->waiting[order[i]]))
			drop(w, TAILQ_FIRST(&w->waiting[order[i]]), END_STALLED);
}

static void wait_for(struct worker *w, struct connection *c, enum connection_state state)
{
	if (c->state != CONNECTION_INPUT)
		TAILQ_REMOVE(&w->waiting[c->state], c, waiting);
	c->state = state;
	if (state != CONNECTION_REST)
		c->since_ms = w->now_ms;
	if (state != CONNECTION_INPUT)
		TAILQ_INSERT_TAIL(&w->waiting[state], c, waiting);
	if (state == CONNECTION_REST)
		alarm_by(w, c->since_ms + (int64_t)settings(w)->frame_timeout_ms);
}

/* Wait for what c waits for now; since_ms: since when before.  It may be gone afterwards. */
static void settle(struct worker *w, struct connection *c, enum connection_state state,
		   int64_t since_ms)
{
	static const uint32_t events[] = {
		[CONNECTION_INPUT] = EPOLLIN,
		[CONNECTION_REST] = EPOLLIN,
		[CONNECTION_OUTPUT] = EPOLLOUT,
		[CONNECTION_LOCK] = 0,
	};
	if (state == c->state && (state != CONNECTION_REST || since_ms == c->since_ms))
		return;
	if (state == CONNECTION_OVER) {
		drop(w, c, c->end);
		return;
	}
	struct epoll_event event = { .events = events[state], .data.ptr = c };
	if (events[state] != events[c->state] &&
	    epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
		drop(w, c, END_MEMORY);
	else
		wait_for(w, c, state);
}

static void ready(struct worker *w, struct connection *c, uint32_t events)
{
	uint64_t before = w->workspace.execution.counters->requests;
	int64_t since_ms = c->since_ms;
	touch(w, c);
	if (c->state == CONNECTION_INPUT || c->state == CONNECTION_REST)
		settle(w, c, connection_input(&w->workspace, c), since_ms);
	else if (events & (EPOLLERR | EPOLLHUP))
		drop(w, c, END_LOST);
	else if (c->state == CONNECTION_OUTPUT)
		settle(w, c, connection_output(&w->workspace, c), since_ms);
	measure(w, before, w->now_ns);
}

static void retry_write(struct worker *w, struct connection *c)
{
	uint64_t before = w->workspace.execution.counters->requests;
	int64_t since_ms = c->since_ms, start_ns = c->busy_since_ms * 1000000;
	TAILQ_REMOVE(&w->waiting[CONNECTION_LOCK], c,
		     waiting); /* the others come before it is tried again */
	TAILQ_INSERT_TAIL(&w->waiting[CONNECTION_LOCK], c, waiting);
	settle(w, c, connection_retry(&w->workspace, c), since_ms);
	measure(w, before, start_ns);
}

/* Once a millisecond, as many as cost next to nothing; together they spend one wait for the lock,
 * unless it becomes free. */
static void retry_writes(struct worker *w)
{
	struct connection_list *parked = &w->waiting[CONNECTION_LOCK];
	const struct connection *last = TAILQ_LAST(parked, connection_list);
	w->retried_ms = w->now_ms;
	w->workspace.execution.lock_wait_us = TAILQ_EMPTY(parked) ? LOCK_WAIT_US : LOCK_RETRY_US;
	for (unsigned i = 0; i < RETRIES_PER_TURN && last; i++) {
		struct connection *c = TAILQ_FIRST(parked);
		if (c == last)
			last = NULL;
		retry_write(w, c);
	}
}

/* ---- orders -------------------------------------------------------------------------------- */

/* What the policy says about c.  false: it may not be here. */
static bool revise(struct worker *w, struct connection *c)
{
	const struct policy *policy = w->workspace.execution.policy;
	const struct mbshm_origin *peer = &c->client.origin;
	c->client.rules = access_rules(&policy->access, peer->family, peer->address);
	c->traced = network_has(&policy->trace, peer->family, peer->address);
	return !access_refused(&policy->access, c->client.rules);
}

static void revise_list(struct worker *w, struct connection_list *list)
{
	struct connection *next;
	for (struct connection *c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, by_use);
		if (!revise(w, c)) {
			drop(w, c, END_REFUSED);
		} else if (c->kept !=
			   access_kept(&w->workspace.execution.policy->access, c->client.rules)) {
			unuse(w, c);
			c->kept = !c->kept;
			use(w, c);
		}
	}
}

/* The policy is another than it was: look at all connections with it before the first request is.
 */
static void revise_all(struct worker *w)
{
	w->generation = w->workspace.execution.policy->generation;
	revise_list(w, &w->by_use);
	revise_list(w, &w->kept);
	expire(w);
}

static void adopt(struct worker *w, struct connection *c)
{
	bool welcome = revise(w, c);
	c->kept = access_kept(&w->workspace.execution.policy->access, c->client.rules);
	use(w, c);
	if (!welcome)
		drop(w, c, END_REFUSED);
	else if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd,
			   &(struct epoll_event){ .events = EPOLLIN, .data.ptr = c }) != 0)
		drop(w, c, END_MEMORY);
	else if (settings(w)->idle_timeout_ms != 0 && !c->kept)
		alarm_by(w, w->now_ms + (int64_t)settings(w)->idle_timeout_ms);
}

static void stop_list(struct worker *w, struct connection_list *list)
{
	struct connection *next;
	for (struct connection *c = TAILQ_FIRST(list); c; c = next) {
		next = TAILQ_NEXT(c, by_use);
		int64_t since_ms = c->since_ms;
		if (c->state == CONNECTION_INPUT || c->state == CONNECTION_REST)
			settle(w, c, connection_input(&w->workspace, c), since_ms);
	}
}

static void begin_stop(struct worker *w)
{
	w->stop_ms = w->now_ms + STOP_GRACE_MS;
	w->workspace.stopping = true;
	stop_list(w, &w->by_use);
	stop_list(w, &w->kept);
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
			if (!TAILQ_EMPTY(&w->by_use))
				drop(w, TAILQ_FIRST(&w->by_use), END_EVICTED);
			break;
		case ORDER_REVISE: /* being awake was all: turn() has done it */
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

/* ---- the loop ------------------------------------------------------------------------------ */

static int patience_ms(const struct worker *w)
{
	if (!TAILQ_EMPTY(&w->waiting[CONNECTION_LOCK]))
		return 1;
	return w->stop_ms != 0 ? 10 : -1;
}

static int sleep_until_ready(struct worker *w, struct epoll_event *events)
{
	policy_reader_sleep();
	int count = epoll_wait(w->epoll, events, EVENTS_PER_TURN, patience_ms(w));
	policy_reader_wake();
	w->workspace.execution.policy = policy_get();
	w->now_ns = clock_ns();
	w->workspace.execution.now_ms = w->now_ms = w->now_ns / 1000000;
	return count;
}

static void turn(struct worker *w)
{
	struct epoll_event events[EVENTS_PER_TURN];
	bool orders = false, alarmed = false;
	int count = sleep_until_ready(w, events);
	/* What frees connections that the events still name comes last: orders, the alarm, a
	 * shortage; and a new policy, which is only for the next turn. */
	bool revised = w->generation != w->workspace.execution.policy->generation;
	for (int i = 0; i < count; i++) {
		void *what = events[i].data.ptr;
		orders |= what == &orders_mark;
		alarmed |= what == &alarm_mark;
		if (what != &orders_mark && what != &alarm_mark && !revised)
			ready(w, what, events[i].events);
	}
	if (revised)
		revise_all(w);
	if (w->retried_ms != w->now_ms)
		retry_writes(w);
	if (w->workspace.held_bytes > w->held_bytes_max)
		make_room(w);
	if (alarmed)
		expire(w);
	if (orders)
		take_orders(w);
}

static void *run(void *context)
{
	struct worker *w = context;
	policy_reader_register();
	do {
		turn(w);
	} while (w->stop_ms == 0 ||
		 ((!TAILQ_EMPTY(&w->by_use) || !TAILQ_EMPTY(&w->kept)) && w->now_ms < w->stop_ms));
	while (!TAILQ_EMPTY(&w->by_use))
		drop(w, TAILQ_FIRST(&w->by_use), END_STOP);
	while (!TAILQ_EMPTY(&w->kept))
		drop(w, TAILQ_FIRST(&w->kept), END_STOP);
	policy_reader_unregister();
	return NULL;
}

/* ---- main thread --------------------------------------------------------------------------- */

static void worker_free(struct worker *w)
{
	mbshm_txn_free(w->workspace.execution.txn);
	if (w->order_write >= 0)
		close(w->order_write);
	if (w->order_read >= 0)
		close(w->order_read);
	if (w->alarm >= 0)
		close(w->alarm);
	if (w->epoll >= 0)
		close(w->epoll);
	free(w);
}

static void worker_init(struct worker *w, unsigned index, unsigned count)
{
	w->oldest_used_ms = w->alarm_ms = INT64_MAX;
	w->held_bytes_max = HELD_BYTES_MAX / count;
	TAILQ_INIT(&w->by_use);
	TAILQ_INIT(&w->kept);
	for (unsigned i = 0; i < CONNECTION_STATES; i++)
		TAILQ_INIT(&w->waiting[i]);
	w->workspace.execution.lock_wait_us = LOCK_WAIT_US;
	w->workspace.execution.counters = counters_block(1 + index);
	w->workspace.execution.txn = mbshm_txn_new(EXECUTE_TXN_WORDS);
}

/* false: errno says why. */
static bool worker_wire(struct worker *w)
{
	int pipe_ends[2] = { -1, -1 };
	struct epoll_event orders = { .events = EPOLLIN, .data.ptr = &orders_mark };
	struct epoll_event alarm = { .events = EPOLLIN | EPOLLET,
				     .data.ptr = &alarm_mark }; /* ET: so it need not be read */
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int rc = pipe2(pipe_ends, O_CLOEXEC);
	w->order_read = pipe_ends[0];
	w->order_write = pipe_ends[1];
	return !rc && w->epoll >= 0 && w->alarm >= 0 &&
	       epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->order_read, &orders) == 0 &&
	       epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->alarm, &alarm) == 0;
}

static int worker_start(unsigned index, unsigned count, struct worker **worker)
{
	struct worker *w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;

	int rc = -ENOMEM;
	worker_init(w, index, count);
	if (!worker_wire(w)) {
		rc = -errno;
		goto fail;
	}
	if (!w->workspace.execution.txn)
		goto fail;
	rc = -pthread_create(&w->thread, NULL, run, w);
	if (rc)
		goto fail;
	pthread_setname_np(w->thread, "worker");
	*worker = w;
	return 0;

fail:
	worker_free(w);
	return rc;
}

_Static_assert(ORDERS_PER_TURN * sizeof(struct order) <= PIPE_BUF, "orders are written whole");

/* Blocks when a worker is 4,000 orders behind: then nobody should accept more for it, and the
 * watchdog may notice. */
static void orders_write(struct worker *w)
{
	while (w->order_count != 0 &&
	       write(w->order_write, w->orders, w->order_count * sizeof *w->orders) < 0 &&
	       errno == EINTR)
		;
	w->order_count = 0;
}

/* To be written with others: a pipe and a thread woken for each of many connections at once took
 * longer than the connections. */
static void order_later(struct worker *w, int kind, struct connection *connection)
{
	w->orders[w->order_count++] = (struct order){ kind, connection };
	if (w->order_count == ORDERS_PER_TURN)
		orders_write(w);
}

static void order(struct worker *w, int kind)
{
	order_later(w, kind, NULL);
	orders_write(w);
}

int workers_start(unsigned count, struct workers **workers)
{
	struct workers *all = calloc(1, sizeof *all + count * sizeof *all->workers);
	if (!all)
		return -ENOMEM;
	for (; all->count < count; all->count++) {
		int rc = worker_start(all->count, count, &all->workers[all->count]);
		if (rc) {
			workers_stop(all);
			return rc;
		}
	}
	*workers = all;
	return 0;
}

void workers_stop(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		order(all->workers[i], ORDER_STOP);
	for (unsigned i = 0; i < all->count; i++) {
		pthread_join(all->workers[i]->thread, NULL);
		worker_free(all->workers[i]);
	}
	free(all);
}

bool workers_adopt(struct workers *all, int fd, const struct mbshm_origin *peer,
		   struct address *address)
{
	struct connection *c = connection_new(fd, peer, address);
	struct worker *least = all->workers[0];
	if (!c)
		return false;
	for (unsigned i = 1; i < all->count; i++)
		if (all->workers[i]->connections < least->connections)
			least = all->workers[i];
	least->connections++;
	if (address)
		address->connections++;
	order_later(least, ORDER_ADOPT, c);
	return true;
}

void workers_hand_over(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		orders_write(all->workers[i]);
}

bool workers_evict(struct workers *all)
{
	struct worker *oldest = all->workers[0];
	for (unsigned i = 1; i < all->count; i++)
		if (all->workers[i]->oldest_used_ms < oldest->oldest_used_ms)
			oldest = all->workers[i];
	if (oldest->oldest_used_ms == INT64_MAX)
		return false;
	order(oldest, ORDER_EVICT);
	return true;
}

void workers_revise(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		order(all->workers[i], ORDER_REVISE);
}

unsigned workers_connections(const struct workers *all)
{
	unsigned sum = 0;
	for (unsigned i = 0; i < all->count; i++)
		sum += all->workers[i]->connections;
	return sum;
}

bool workers_alive(struct workers *all)
{
	bool alive = true;
	for (unsigned i = 0; i < all->count; i++) {
		struct worker *w = all->workers[i];
		if (w->pongs != w->pings) {
			alive = false;
			continue;
		}
		w->pings++;
		order(w, ORDER_PING);
	}
	return alive;
}
