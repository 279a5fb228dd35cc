/* A worker's connections: by last use, by what they wait for, and when one has waited too long.
 *
 * All calls are those of the worker's own thread.  In each list the connection that is due first is
 * the first, so nothing is searched.  One timer is set for the first of all and checked only when
 * it goes off, so a request costs no call for it: a connection used meanwhile is found further
 * back. */
#ifndef MBSERVERD_ROSTER_H
#define MBSERVERD_ROSTER_H

#include "mbserverd/connection.h"

struct plant_server;

struct roster {
	/* set before the start */
	int epoll, alarm; /* of epoll_create1(2), timerfd_create(2): the worker's */
	size_t held_bytes_max;

	/* any thread */
	_Atomic unsigned connections; /* the main thread adds, the worker subtracts */
	/* Last use of the connection unused longest that may be closed to make room; INT64_MAX:
	 * there is none. */
	_Atomic int64_t oldest_used_ms;

	/* this worker only */
	int64_t now_ns, now_ms; /* CLOCK_MONOTONIC when this turn began */
	int64_t alarm_ms;       /* when the timer goes off; INT64_MAX: it is not set */
	/* Those that may be closed to make room, the one unused longest first; and the others. */
	struct connection_list by_use, kept;
	/* By state, the one that waits longest first; those waiting for the lock by the last try.
	 * None for INPUT, where nearly all are. */
	struct connection_list waiting[CONNECTION_STATES];
	struct workspace workspace;
};

/* Zeroed so far.  The descriptors are the caller's to set and to close. */
void roster_init(struct roster *roster, size_t held_bytes_max);

bool roster_empty(const struct roster *roster);

/* The settings of this turn's policy. */
const struct plant_server *roster_settings(const struct roster *roster);

/* Add a new connection, as just used.  0 or -errno of epoll_ctl(2): then it is in the roster, but
 * nothing will be heard of it. */
int roster_enter(struct roster *roster, struct connection *connection);

/* It was used. */
void roster_touch(struct roster *roster, struct connection *connection);

/* Closed neither to make room nor for being idle, or no longer: the opposite of what it was. Counts
 * as a use. */
void roster_keep(struct roster *roster, struct connection *connection, bool kept);

/* Wait for what it waits for now.  CONNECTION_OVER, and out of memory: it is dropped. */
void roster_set_state(struct roster *roster, struct connection *connection,
		      enum connection_state state);

/* Take the first that waits for the lock, and put it behind the others.  NULL: there is none. */
struct connection *roster_next_parked(struct roster *roster);

/* Count and log its end, within limits, and free it. */
void roster_drop(struct roster *roster, struct connection *connection, enum connection_end end);
void roster_drop_all(struct roster *roster, enum connection_end end);

/* Drop the one unused longest that may be closed to make room and whose host has at least so many
 * of them.  false: there is none. */
bool roster_evict(struct roster *roster, unsigned least);

/* Drop all that have waited or been idle too long; set the timer for the next one. */
void roster_expire(struct roster *roster);

/* Drop those stuck longest until no more memory is held than held_bytes_max: first those whose
 * peer does not read, then those that wait for the lock. */
void roster_make_room(struct roster *roster);

#endif
