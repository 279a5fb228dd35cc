#include "worker.h"

#include "connection.h"
#include "execute.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 64, ORDERS_PER_TURN = 64 };

/* A message from the main thread; 8 bytes are written to a pipe and read from it whole. */
struct order {
	enum { ORDER_ADOPT, ORDER_EVICT, ORDER_PING, ORDER_STOP } kind;
	int fd;		/* ORDER_ADOPT */
};

struct worker {
	/* set before the start */
	pthread_t thread;
	int epoll;
	int order_read, order_write;

	/* main thread only */
	unsigned pings;

	/* any thread */
	_Atomic unsigned pongs;
	_Atomic unsigned connections;		/* main adds, the worker subtracts */
	_Atomic int64_t oldest_used_ms;		/* of the connection unused longest; INT64_MAX: there is none */

	/* this worker only */
	int64_t now_ms;				/* once per turn */
	int64_t retried_ms;
	int64_t stop_ms;			/* when to stop, peers or not; 0: not stopping */
	struct connection_list by_use;		/* all of them, the one unused longest first */
	struct connection_list by_lock;		/* those that wait for the writer lock, the first come first */
	struct bench bench;
};

struct workers {
	unsigned count;
	struct worker *workers[];
};

/* ---- connections --------------------------------------------------------------------------------------------------------- */

static void publish_oldest(struct worker *w)
{
	const struct connection *oldest = TAILQ_FIRST(&w->by_use);
	int64_t used_ms = oldest != NULL ? oldest->used_ms : INT64_MAX;
	if (w->oldest_used_ms != used_ms)
		w->oldest_used_ms = used_ms;
}

static void touch(struct worker *w, struct connection *c)
{
	if (c->used_ms == w->now_ms)
		return;
	c->used_ms = w->now_ms;
	TAILQ_REMOVE(&w->by_use, c, by_use);
	TAILQ_INSERT_TAIL(&w->by_use, c, by_use);
	publish_oldest(w);
}

static void drop(struct worker *w, struct connection *c)
{
	if (c->state == CONNECTION_LOCK)
		TAILQ_REMOVE(&w->by_lock, c, by_lock);
	TAILQ_REMOVE(&w->by_use, c, by_use);
	connection_free(c);	/* closing takes it out of the epoll set, too */
	w->connections--;
	publish_oldest(w);
}

/* Wait for what c waits for now. */
static void settle(struct worker *w, struct connection *c, enum connection_state state)
{
	static const uint32_t events[] = {
		[CONNECTION_INPUT] = EPOLLIN, [CONNECTION_OUTPUT] = EPOLLOUT, [CONNECTION_LOCK] = 0,
	};
	if (state == c->state)
		return;
	if (state == CONNECTION_OVER ||
	    epoll_ctl(w->epoll, EPOLL_CTL_MOD, c->fd, &(struct epoll_event){ .events = events[state], .data.ptr = c }) != 0) {
		drop(w, c);
		return;
	}
	if (c->state == CONNECTION_LOCK)
		TAILQ_REMOVE(&w->by_lock, c, by_lock);
	if (state == CONNECTION_LOCK)
		TAILQ_INSERT_TAIL(&w->by_lock, c, by_lock);
	c->state = state;
}

static void ready(struct worker *w, struct connection *c, uint32_t events)
{
	touch(w, c);
	if (c->state == CONNECTION_INPUT)
		settle(w, c, connection_input(&w->bench, c));
	else if (events & (EPOLLERR | EPOLLHUP))
		drop(w, c);
	else if (c->state == CONNECTION_OUTPUT)
		settle(w, c, connection_output(&w->bench, c));
}

/* Once a millisecond; all of them together spend at most one wait for the lock, unless it becomes free. */
static void retry_writes(struct worker *w)
{
	struct connection *next;
	w->retried_ms = w->now_ms;
	w->bench.lock_wait_us = LOCK_WAIT_US;
	for (struct connection *c = TAILQ_FIRST(&w->by_lock); c != NULL; c = next) {
		next = TAILQ_NEXT(c, by_lock);
		settle(w, c, connection_retry(&w->bench, c));
	}
}

/* ---- orders -------------------------------------------------------------------------------------------------------------- */

static void adopt(struct worker *w, int fd)
{
	struct connection *c = connection_new(fd);
	if (c == NULL) {
		close(fd);
		w->connections--;
		return;
	}
	c->used_ms = w->now_ms;
	TAILQ_INSERT_TAIL(&w->by_use, c, by_use);
	if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.ptr = c }) != 0)
		drop(w, c);
	else
		publish_oldest(w);
}

static void begin_stop(struct worker *w)
{
	w->stop_ms = w->now_ms + STOP_GRACE_MS;
	w->bench.stopping = true;
	struct connection *next;
	for (struct connection *c = TAILQ_FIRST(&w->by_use); c != NULL; c = next) {
		next = TAILQ_NEXT(c, by_use);
		if (c->state == CONNECTION_INPUT)
			settle(w, c, connection_input(&w->bench, c));
	}
}

static void take_orders(struct worker *w)
{
	struct order orders[ORDERS_PER_TURN];
	ssize_t bytes = read(w->order_read, orders, sizeof orders);
	for (ssize_t i = 0; i < bytes / (ssize_t)sizeof *orders; i++) {
		switch (orders[i].kind) {
		case ORDER_ADOPT:
			adopt(w, orders[i].fd);
			break;
		case ORDER_EVICT:
			if (!TAILQ_EMPTY(&w->by_use))
				drop(w, TAILQ_FIRST(&w->by_use));
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

/* ---- the loop ------------------------------------------------------------------------------------------------------------ */

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int patience_ms(const struct worker *w)
{
	if (!TAILQ_EMPTY(&w->by_lock))
		return 1;
	return w->stop_ms != 0 ? 10 : -1;
}

static void turn(struct worker *w)
{
	struct epoll_event events[EVENTS_PER_TURN];
	bool orders = false;

	policy_reader_sleep();
	int count = epoll_wait(w->epoll, events, EVENTS_PER_TURN, patience_ms(w));
	policy_reader_wake();
	w->bench.policy = policy_get();
	/* The coarse clock (4 ms) is good enough for ages, and cheaper. */
	w->now_ms = clock_ms(TAILQ_EMPTY(&w->by_lock) ? CLOCK_MONOTONIC_COARSE : CLOCK_MONOTONIC);

	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr != NULL)
			ready(w, events[i].data.ptr, events[i].events);
		else
			orders = true;
	}
	if (w->retried_ms != w->now_ms)
		retry_writes(w);
	if (orders)	/* last: they may free connections, which the events would still name */
		take_orders(w);
}

static void *run(void *context)
{
	struct worker *w = context;
	policy_reader_register();
	do {
		turn(w);
	} while (w->stop_ms == 0 || (!TAILQ_EMPTY(&w->by_use) && w->now_ms < w->stop_ms));
	while (!TAILQ_EMPTY(&w->by_use))
		drop(w, TAILQ_FIRST(&w->by_use));
	policy_reader_unregister();
	return NULL;
}

/* ---- main thread --------------------------------------------------------------------------------------------------------- */

static void worker_free(struct worker *w)
{
	mbshm_txn_free(w->bench.txn);
	if (w->order_write >= 0)
		close(w->order_write);
	if (w->order_read >= 0)
		close(w->order_read);
	if (w->epoll >= 0)
		close(w->epoll);
	free(w);
}

static int worker_start(struct worker **worker)
{
	struct worker *w = calloc(1, sizeof *w);
	if (w == NULL)
		return -ENOMEM;

	int error = -ENOMEM, pipe_ends[2] = { -1, -1 };
	w->oldest_used_ms = INT64_MAX;
	TAILQ_INIT(&w->by_use);
	TAILQ_INIT(&w->by_lock);
	w->bench.lock_wait_us = LOCK_WAIT_US;
	w->bench.txn = mbshm_txn_new(EXECUTE_TXN_WORDS);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (pipe2(pipe_ends, O_CLOEXEC) != 0)
		error = -errno;
	w->order_read = pipe_ends[0];
	w->order_write = pipe_ends[1];
	if (w->bench.txn == NULL || w->order_read < 0)
		goto fail;
	struct epoll_event orders = { .events = EPOLLIN, .data.ptr = NULL };
	if (w->epoll < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->order_read, &orders) != 0) {
		error = -errno;
		goto fail;
	}
	error = -pthread_create(&w->thread, NULL, run, w);
	if (error != 0)
		goto fail;
	pthread_setname_np(w->thread, "worker");
	*worker = w;
	return 0;

fail:
	worker_free(w);
	return error;
}

/* Blocks when a worker is 8,000 orders behind: then nobody should accept more for it, and the watchdog may notice. */
static void order(struct worker *w, int kind, int fd)
{
	struct order message = { kind, fd };
	while (write(w->order_write, &message, sizeof message) < 0 && errno == EINTR)
		;
}

int workers_start(unsigned count, struct workers **workers)
{
	struct workers *all = calloc(1, sizeof *all + count * sizeof *all->workers);
	if (all == NULL)
		return -ENOMEM;
	for (; all->count < count; all->count++) {
		int error = worker_start(&all->workers[all->count]);
		if (error != 0) {
			workers_stop(all);
			return error;
		}
	}
	*workers = all;
	return 0;
}

void workers_stop(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		order(all->workers[i], ORDER_STOP, -1);
	for (unsigned i = 0; i < all->count; i++) {
		pthread_join(all->workers[i]->thread, NULL);
		worker_free(all->workers[i]);
	}
	free(all);
}

void workers_adopt(struct workers *all, int fd)
{
	struct worker *least = all->workers[0];
	for (unsigned i = 1; i < all->count; i++)
		if (all->workers[i]->connections < least->connections)
			least = all->workers[i];
	least->connections++;
	order(least, ORDER_ADOPT, fd);
}

void workers_evict(struct workers *all)
{
	struct worker *oldest = all->workers[0];
	for (unsigned i = 1; i < all->count; i++)
		if (all->workers[i]->oldest_used_ms < oldest->oldest_used_ms)
			oldest = all->workers[i];
	order(oldest, ORDER_EVICT, -1);
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
		order(w, ORDER_PING, -1);
	}
	return alive;
}
