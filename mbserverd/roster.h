/* A worker's connections: in the order of their last use, by what they wait for, and when one of
 * them has waited too long.  All calls are the worker's own thread's.
 *
 * The first of each list is due first, so nothing is searched; one timer is set for the first of
 * all and checked only when it goes off. */
#ifndef MBSERVERD_ROSTER_H
#define MBSERVERD_ROSTER_H

#include "mbserverd/connection.h"

struct plant_server;

struct roster {
	/* set before the start */
	int epoll, alarm;
	size_t held_bytes_max;

	/* any thread */
	_Atomic unsigned connections; /* the main thread adds, the worker subtracts */
	/* Of the connection unused longest; INT64_MAX: none may be closed for it. */
	_Atomic int64_t oldest_used_ms;

	/* this worker only */
	int64_t now_ns, now_ms; /* when this turn began */
	int64_t alarm_ms;       /* when the timer is due; INT64_MAX: it is off */
	/* Those that may be closed to make room, the one unused longest first. */
	struct connection_list by_use;
	struct connection_list kept; /* the others */
	/* All but INPUT, where nearly all are: the longest first; of LOCK, the one tried longest
	 * ago. */
	struct connection_list waiting[CONNECTION_STATES];
	struct workspace workspace;
};

/* Empty; the descriptors are the caller's to set and to close. */
void roster_init(struct roster *r, size_t held_bytes_max);

bool roster_empty(const struct roster *r);

/* The settings of the policy of this turn. */
const struct plant_server *roster_settings(const struct roster *r);

/* A connection that is in no list: enter it as just used. */
void roster_enter(struct roster *r, struct connection *c);

/* It was used. */
void roster_touch(struct roster *r, struct connection *c);

/* Move it between those that may be closed to make room and the others. */
void roster_keep(struct roster *r, struct connection *c, bool kept);

/* Wait for what c waits for now; since_ms: since when before.  It may be gone afterwards. */
void roster_set_state(struct roster *r, struct connection *c, enum connection_state state,
		      int64_t since_ms);

/* Give it up and free it; end says why, for log and counters. */
void roster_drop(struct roster *r, struct connection *c, enum connection_end end);

/* Wake the worker at that time at the latest. */
void roster_wake_by(struct roster *r, int64_t ms);

/* Drop all that have waited or been idle too long; set the timer for the next one. */
void roster_expire(struct roster *r);

/* More memory is held than may be: drop those stuck longest until it is less. */
void roster_make_room(struct roster *r);

#endif
