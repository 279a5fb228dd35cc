/* The worker threads, as the main thread sees them. */
#include "mbserverd/workers.h"

#include "mbserverd/hosts.h"
#include "mbserverd/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

struct workers {
	unsigned count;
	struct worker *workers[];
};

_Static_assert(ORDERS_PER_TURN * sizeof(struct order) <= PIPE_BUF, "orders are written whole");

/* Blocks when a worker is 4,000 orders behind: then no more should be accepted for it, and the
 * watchdog may notice. */
static void orders_write(struct worker *w)
{
	while (w->order_count != 0 &&
	       write(w->order_write, w->orders, w->order_count * sizeof *w->orders) < 0 &&
	       errno == EINTR)
		;
	w->order_count = 0;
}

/* Batched: one pipe write and one wake-up per connection cost more than the connections. */
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
	for (unsigned i = 0; i < all->count; i++)
		worker_end(all->workers[i]);
	free(all);
}

static struct worker *least_busy(const struct workers *all)
{
	struct worker *least = all->workers[0];
	for (unsigned i = 1; i < all->count; i++)
		if (all->workers[i]->roster.connections < least->roster.connections)
			least = all->workers[i];
	return least;
}

int workers_adopt(struct workers *all, int fd, const struct mbshm_origin *peer, struct host *host,
		  bool kept)
{
	struct connection *c = connection_new(fd, peer, host);
	if (!c)
		return -ENOMEM;
	struct worker *w = least_busy(all);
	w->roster.connections++;
	c->kept = kept;
	if (!kept)
		w->roster.evictions_max++;
	if (host)
		host_count(host);
	order_later(w, ORDER_ADOPT, c);
	return 0;
}

void workers_hand_over(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		orders_write(all->workers[i]);
}

/* Has it a connection to close beyond those that it has been ordered to? */
static bool can_evict(const struct worker *w)
{
	return (int)(w->roster.evictions_max - w->evictions) > 0;
}

bool workers_evict(struct workers *all)
{
	struct worker *oldest = NULL;
	for (unsigned i = 0; i < all->count; i++) {
		struct worker *w = all->workers[i];
		if (can_evict(w) &&
		    (!oldest || w->roster.oldest_used_ms < oldest->roster.oldest_used_ms))
			oldest = w;
	}
	if (!oldest)
		return false;
	oldest->evictions++;
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
		sum += all->workers[i]->roster.connections;
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
