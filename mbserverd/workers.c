/* The worker threads, as the main thread sees them. */
#include "mbserverd/workers.h"

#include "mbserverd/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct workers {
	unsigned count;
	struct notices notices;
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
static void order_later(struct worker *w, struct order order)
{
	w->orders[w->order_count++] = order;
	if (w->order_count == ORDERS_PER_TURN)
		orders_write(w);
}

static void order(struct worker *w, int kind)
{
	order_later(w, (struct order){ .kind = kind });
	orders_write(w);
}

int workers_start(unsigned count, struct workers **workers)
{
	struct workers *all = calloc(1, sizeof *all + count * sizeof *all->workers);
	if (!all)
		return -ENOMEM;
	all->notices.evicted = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	all->notices.replaced = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int rc = all->notices.evicted < 0 || all->notices.replaced < 0 ? -errno : 0;
	for (; all->count < count && !rc; all->count += !rc)
		rc = worker_start(all->count, count, all->notices, &all->workers[all->count]);
	if (rc)
		workers_stop(all);
	else
		*workers = all;
	return rc;
}

void workers_stop(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		order(all->workers[i], ORDER_STOP);
	for (unsigned i = 0; i < all->count; i++)
		worker_end(all->workers[i]);
	if (all->notices.evicted >= 0)
		close(all->notices.evicted);
	if (all->notices.replaced >= 0)
		close(all->notices.replaced);
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

void workers_adopt(struct workers *all, struct connection *c)
{
	struct worker *w = least_busy(all);
	w->roster.connections++;
	order_later(w, (struct order){ .kind = ORDER_ADOPT, .connection = c });
}

void workers_hand_over(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		orders_write(all->workers[i]);
}

int workers_evicted_fd(const struct workers *all)
{
	return all->notices.evicted;
}

bool workers_evict(struct workers *all, unsigned least)
{
	struct worker *oldest = NULL;
	for (unsigned i = 0; i < all->count; i++) {
		struct worker *w = all->workers[i];
		if (!w->tried &&
		    (!oldest || w->roster.oldest_used_ms < oldest->roster.oldest_used_ms))
			oldest = w;
	}
	if (!oldest)
		return false;
	oldest->tried = true;
	oldest->evicted = false;
	order_later(oldest, (struct order){ .kind = ORDER_EVICT, .least = least });
	orders_write(oldest);
	return true;
}

bool workers_evicted(struct workers *all)
{
	eventfd_t tries;
	bool evicted = false;
	eventfd_read(all->notices.evicted, &tries);
	for (unsigned i = 0; i < all->count; i++)
		evicted |= all->workers[i]->tried && all->workers[i]->evicted;
	return evicted;
}

void workers_evict_again(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		all->workers[i]->tried = false;
}

void workers_revise(struct workers *all)
{
	for (unsigned i = 0; i < all->count; i++)
		order(all->workers[i], ORDER_REVISE);
}

int workers_replaced_fd(const struct workers *all)
{
	return all->notices.replaced;
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
