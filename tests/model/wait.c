/* Model 4: waiting for a version, and waking.
 *
 * Modelled step by step as in wait.c: the waiter looks at commit, loads the futex's count,
 * announces itself, looks again and sleeps if the count is still the same; the writer publishes or
 * retires, looks for an announcement, takes it, raises the count and wakes.  Everybody may be
 * killed between any two steps.
 *
 * Memory.  A sequentially consistent store acts on memory at once; a release store waits in a
 * buffer, and loads that follow it may come first.  Only mutations have such stores.
 *
 * Abstracted: times.  An announcement does not run out, and a sleep ends by a wake; only after a
 * writer was killed does the waiter's own limit (100 ms) end it as well.  So "stuck" means that a
 * waiter would sleep longer than it must. */
#include "explore.h"

enum { WAITERS = 2, CHANGES = 2, RETIRED = 0xff };

enum mutation {
	NONE,
	PUBLISHED_BY_RELEASE,
	RETIRED_BY_RELEASE,
	ANNOUNCED_BY_RELEASE,
	NO_SECOND_LOOK,
	COUNTED_LATE,
	COUNT_NOT_RAISED,
	RETIRED_WITHOUT_WAKE,
};

enum waiter_pc { LOOK, COUNT, ANNOUNCE, LOOK_AGAIN, COUNT_LATE, SLEEP, ASLEEP, DONE, KILLED };
enum writer_pc { CHANGE, LOOK_FOR_WAITERS, TAKE, RAISE, WAKE, ENDED, DEAD };

struct waiter {
	uint8_t pc;
	uint8_t after;   /* waits for a version above it */
	uint8_t count;   /* of the futex, as loaded */
	uint8_t pending; /* its announcement is in the buffer */
};

struct state {
	uint8_t commit; /* the version, or RETIRED */
	uint8_t announced;
	uint8_t count;
	uint8_t kills;
	uint8_t writer;  /* enum writer_pc */
	uint8_t changes; /* that the writer has made */
	uint8_t pending; /* a store to commit in its buffer, 0: none */
	struct waiter waiter[WAITERS];
};

static struct {
	enum mutation mutation;
	uint8_t kills;
} set;

static bool is(enum mutation mutation)
{
	return set.mutation == mutation;
}

static bool passed(const struct state *s, const struct waiter *w)
{
	return s->commit > w->after; /* RETIRED is above all */
}

/* ---- the waiter ---------------------------------------------------------------------------- */

static const char *announce(struct state *s, struct waiter *w)
{
	if (is(ANNOUNCED_BY_RELEASE))
		w->pending = 1;
	else
		s->announced = 1;
	w->pc = is(NO_SECOND_LOOK) ? SLEEP : LOOK_AGAIN;
	return "waiter: announced";
}

static const char *waiter_step(struct state *s, struct waiter *w)
{
	switch ((enum waiter_pc)w->pc) {
	case LOOK:
		w->pc = passed(s, w) ? DONE : is(COUNTED_LATE) ? ANNOUNCE : COUNT;
		return "waiter: look";
	case COUNT:
		w->count = s->count;
		w->pc = ANNOUNCE;
		return "waiter: count loaded";
	case ANNOUNCE:
		return announce(s, w);
	case LOOK_AGAIN:
		w->pc = passed(s, w) ? DONE : is(COUNTED_LATE) ? COUNT_LATE : SLEEP;
		return "waiter: look again";
	case COUNT_LATE:
		w->count = s->count;
		w->pc = SLEEP;
		return "waiter: count loaded late";
	case SLEEP:
		w->pc = w->count == s->count ? ASLEEP : LOOK;
		return w->pc == ASLEEP ? "waiter: asleep" : "waiter: woken before it slept";
	case ASLEEP:
		if (s->writer != DEAD)
			return NULL;
		w->pc = LOOK;
		return "waiter: its limit is over";
	default:
		return NULL;
	}
}

static void waiter(const struct state *from, unsigned i)
{
	struct state s = *from;
	struct waiter *w = &s.waiter[i];
	if (w->pending) {
		w->pending = 0;
		s.announced = 1;
		step(&s, BY_PROCESS, "an announcement reaches memory");
		s = *from;
	}
	const char *label = waiter_step(&s, w);
	if (label)
		step(&s, BY_PROCESS, label);
	s = *from;
	if (s.kills && w->pc < DONE) {
		s.kills--;
		w->pc = KILLED;
		step(&s, BY_ENVIRONMENT, "waiter: SIGKILL");
	}
}

/* ---- the writer ---------------------------------------------------------------------------- */

static void writer_next(struct state *s)
{
	s->writer = s->changes < CHANGES && s->commit != RETIRED && s->pending != RETIRED ? CHANGE
											  : ENDED;
}

static void change(struct state s, uint8_t commit)
{
	bool retires = commit == RETIRED;
	if (is(retires ? RETIRED_BY_RELEASE : PUBLISHED_BY_RELEASE))
		s.pending = commit;
	else
		s.commit = commit;
	s.changes++;
	s.writer = LOOK_FOR_WAITERS;
	if (retires && is(RETIRED_WITHOUT_WAKE))
		writer_next(&s);
	step(&s, BY_PROCESS, retires ? "writer: retired" : "writer: published");
}

static const char *writer_step(struct state *s)
{
	switch ((enum writer_pc)s->writer) {
	case LOOK_FOR_WAITERS:
		if (s->announced)
			s->writer = TAKE;
		else
			writer_next(s);
		return "writer: look for waiters";
	case TAKE:
		s->announced = 0;
		s->writer = is(COUNT_NOT_RAISED) ? WAKE : RAISE;
		return "writer: announcement taken";
	case RAISE:
		s->count++;
		s->writer = WAKE;
		return "writer: count raised";
	case WAKE:
		for (unsigned i = 0; i < WAITERS; i++)
			if (s->waiter[i].pc == ASLEEP)
				s->waiter[i].pc = LOOK;
		writer_next(s);
		return "writer: wake";
	default:
		return NULL;
	}
}

static void writer(const struct state *from)
{
	struct state s = *from;
	if (s.pending) {
		s.commit = s.pending;
		s.pending = 0;
		step(&s, BY_PROCESS, "a commit word reaches memory");
		s = *from;
	}
	/* It loads its own store from the buffer; the next change waits for the buffer. */
	if (s.writer == CHANGE && !s.pending) {
		change(s, (uint8_t)(s.commit + 1));
		change(s, RETIRED);
	}
	const char *label = writer_step(&s);
	if (label)
		step(&s, BY_PROCESS, label);
	s = *from;
	if (s.kills && s.writer < ENDED) {
		s.kills--;
		s.writer = DEAD;
		step(&s, BY_ENVIRONMENT, "writer: SIGKILL");
	}
}

/* ---- the model ----------------------------------------------------------------------------- */

static void start(void *state)
{
	struct state *s = state;
	s->commit = 1;
	s->kills = set.kills;
	s->writer = CHANGE;
	for (unsigned i = 0; i < WAITERS; i++)
		s->waiter[i].after = (uint8_t)(1 + i); /* the second needs both changes */
}

static void next(const void *state)
{
	writer(state);
	for (unsigned i = 0; i < WAITERS; i++)
		waiter(state, i);
}

static const char *broken(const void *state)
{
	(void)state;
	return NULL; /* all that can go wrong is to be stuck */
}

/* The writer is through, and a waiter sleeps only for what has not come. */
static bool goal(const void *state)
{
	const struct state *s = state;
	if (s->writer < ENDED || s->pending)
		return false;
	for (unsigned i = 0; i < WAITERS; i++)
		if (s->waiter[i].pc < DONE &&
		    (s->waiter[i].pc != ASLEEP || passed(s, &s->waiter[i])))
			return false;
	return true;
}

static const struct model model = { "wait", sizeof(struct state), start, next, broken, goal };

static const struct trial trials[] = {
	{ "the protocol", NONE, false, NULL, false },
	{ "published by a release store", PUBLISHED_BY_RELEASE, true, "stuck", false },
	{ "retired by a release store", RETIRED_BY_RELEASE, true, "stuck", false },
	{ "announced by a release store", ANNOUNCED_BY_RELEASE, true, "stuck", false },
	{ "no look after the announcement", NO_SECOND_LOOK, false, "stuck", false },
	{ "count loaded after the second look", COUNTED_LATE, false, "stuck", false },
	{ "count not raised", COUNT_NOT_RAISED, false, "stuck", false },
	{ "retired without a wake", RETIRED_WITHOUT_WAKE, false, "stuck", false },
};

static void choose(const struct trial *trial, bool in_full)
{
	set.mutation = trial->mutation;
	set.kills = in_full ? 3 : 2;
}

const struct suite wait_suite = { &model, trials, sizeof trials / sizeof *trials, choose };
