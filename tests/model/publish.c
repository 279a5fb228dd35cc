/* Model 1: publishing and reading, with weak memory and kills.
 *
 * Modelled cell by cell as in libshm: freelist_rebuild, freelist_take, min_valid, page copies and
 * changes, root, publish, freelist_give (freelist.c, commit.c), and a validated read (read.c).  Two
 * live pages of two words in a pool of six: the smallest pool that can be created, so that every
 * page is reused as early as it ever can be.  A page's words hold the version that wrote them.
 *
 * Memory.  Stores wait in the writer's buffer and reach memory in any order, but a release store
 * after everything before it (x86 order: first in, first out).  A compare-and-swap acts on memory
 * at once; as a release only when the buffer is empty. A reader loads in any order that acquires
 * and address dependencies allow; in full, the copy loop's own order is left open as well, which
 * covers every order of copying.  Memory is multi-copy atomic (x86, ARMv8, RISC-V).
 *
 * Kill.  Between any two steps, recovery included.  Stores that were issued still drain; or, in the
 * weak order, are lost with everything that cannot precede them: the compiler may have moved them
 * behind the instruction at which the process died.
 *
 * Abstracted: the writer lock is a token, since model 2 shows that it is exclusive, that unlock
 * publishes everything before it, and that it is stolen only when the dead's stores have drained.
 * Writers are then the same process starting over.  One reader reads once: readers store nothing,
 * so each read of many is a run of its own.  Versions and kills are bounded; a page comes to its
 * third life within the bound. */
#include "explore.h"

#include <string.h>

enum { LIVE = 2, PAGES = 6, SLOTS = 8, BUFFER = 28, UNREAD = 0xff };

enum cell {
	COMMIT, /* version << 3 | root page */
	MIN_VALID,
	DIRTY,
	HEAD,
	TAIL,
	LIST, /* stamp << 3 | page */
	POOL = LIST + SLOTS,
	CELLS = POOL + PAGES * 2
};

enum mutation {
	NONE,
	LONGER, /* no mutation: a version more and a kill less */
	MIN_VALID_LATE,
	MIN_VALID_MISSING,
	STAMP_LOW,
	STAMP_ZERO,
	NO_REBUILD,
	CLEAN_EARLY,
	DIRTY_LATE,
	PAGES_RELAXED,
	PUBLISH_RELAXED,
	OWNER_RELAXED,
	MIN_VALID_RELAXED,
	READ_RELAXED,
	VERDICT_RELAXED,
};

enum pc { IDLE, REBUILD, TAKE, WARN, COPY, CHANGE, ROOT, WARN_LATE, PUBLISH, GIVE, UNLOCK, DEAD };

enum { R_NONE, R_READING, R_OVERTAKEN, R_DONE };

struct state {
	uint16_t buffer[BUFFER]; /* cell << 9 | value << 1 | release */
	uint8_t buffered;
	uint8_t cell[CELLS];
	uint8_t published[LIVE]; /* what the version in commit holds */
	uint8_t kills;           /* left */
	/* The writer: private. */
	uint8_t pc, at, rebuilt;
	uint8_t pages; /* bit mask of the live pages that it changes */
	uint8_t base, stamp;
	uint8_t taken[LIVE + 1], given[LIVE + 1];
	/* The reader: private. */
	uint8_t reader, version, root;
	uint8_t expected[LIVE];
	uint8_t index[LIVE];
	uint8_t words_read; /* bit mask */
	uint8_t torn;
	uint8_t min_valid, commit; /* UNREAD */
	uint8_t end[2];
};
_Static_assert(offsetof(struct state, end) + 2 == sizeof(struct state),
	       "no padding: states are compared as bytes");

static struct {
	enum mutation mutation;
	bool tso;
	uint8_t versions, kills;
	bool in_full;
} set;

static bool is(enum mutation mutation)
{
	return set.mutation == mutation;
}

/* ---- memory -------------------------------------------------------------------------------- */

static void put(struct state *s, unsigned cell, unsigned value, bool release)
{
	s->buffer[s->buffered++] = (uint16_t)(cell << 9 | value << 1 | release);
}
static void put_owner(struct state *s, unsigned cell, unsigned value)
{
	put(s, cell, value, !is(OWNER_RELAXED));
}
static void put_page(struct state *s, unsigned page, unsigned word, unsigned value)
{
	put(s, POOL + page * 2 + word, value, !is(PAGES_RELAXED));
}

/* The writer's view: its own stores first. */
static unsigned get(const struct state *s, unsigned cell)
{
	for (unsigned i = s->buffered; i-- > 0;)
		if (s->buffer[i] >> 9 == cell)
			return s->buffer[i] >> 1 & 0xff;
	return s->cell[cell];
}

static bool may_drain(const struct state *s, unsigned i)
{
	if (i && (set.tso || s->buffer[i] & 1))
		return false;
	for (unsigned k = 0; k < i; k++)
		if (s->buffer[k] >> 9 == s->buffer[i] >> 9)
			return false;
	return true;
}

/* A store that only the lock's owners look at, and that nothing else is waiting before, may as well
 * drain at once: its order against a reader's loads changes nothing, and a kill that loses it is
 * the kill one step earlier. */
static void settle(struct state *s)
{
	unsigned n = 0;
	if (is(OWNER_RELAXED))
		return;
	for (; n < s->buffered && s->buffer[n] >> 9 >= DIRTY && s->buffer[n] >> 9 < POOL; n++)
		s->cell[s->buffer[n] >> 9] = s->buffer[n] >> 1 & 0xff;
	s->buffered = (uint8_t)(s->buffered - n);
	memmove(s->buffer, s->buffer + n, s->buffered * sizeof *s->buffer);
	memset(s->buffer + s->buffered, 0, n * sizeof *s->buffer);
}

static void drain(const struct state *from)
{
	for (unsigned i = 0; i < from->buffered; i++) {
		struct state s = *from;
		if (!may_drain(from, i))
			continue;
		s.cell[s.buffer[i] >> 9] = s.buffer[i] >> 1 & 0xff;
		memmove(&s.buffer[i], &s.buffer[i + 1], (s.buffered - i - 1u) * sizeof *s.buffer);
		s.buffer[--s.buffered] = 0;
		settle(&s);
		step(&s, BY_PROCESS, "a store reaches memory");
	}
}

/* ---- the writer ---------------------------------------------------------------------------- */

static unsigned count_of(const struct state *s)
{
	return s->pages == 3 ? 3 : 2;
}

/* The n-th page that the transaction changes. */
static unsigned changed(const struct state *s, unsigned n)
{
	return s->pages == 2 ? 1 : n;
}

static unsigned live_index(const struct state *s, unsigned commit, unsigned page)
{
	return s->cell[POOL + (commit & 7) * 2 + page];
}

static void go(struct state *s, enum pc pc)
{
	s->pc = (uint8_t)pc;
	s->at = 0;
}

/* The writer's private words go with it, so that states which differ in nothing else are one. */
static void forget(struct state *s)
{
	s->pc = IDLE;
	s->at = s->rebuilt = s->pages = s->base = s->stamp = 0;
	memset(s->taken, 0, sizeof s->taken);
	memset(s->given, 0, sizeof s->given);
}

static const char *rebuild(struct state *s)
{
	unsigned version = is(STAMP_ZERO) ? 0 : s->base >> 3, n = 0;
	uint8_t used[8] = { 0 };
	for (unsigned page = 0; page < LIVE; page++)
		used[live_index(s, s->base, page)] = 1;
	used[s->base & 7] = 1;
	if (s->at == 0) {
		put_owner(s, DIRTY, 1);
		s->at++;
		return "rebuild: dirty";
	}
	for (unsigned page = 0; page < PAGES; page++) {
		if (used[page])
			continue;
		if (++n == s->at) {
			put_owner(s, LIST + n - 1, version << 3 | page);
			s->at++;
			return "rebuild: an entry";
		}
	}
	if (s->at++ == n + 1) {
		put_owner(s, HEAD, 0);
		return "rebuild: head";
	}
	put_owner(s, TAIL, n);
	s->rebuilt = 1;
	go(s, TAKE);
	return "rebuild: tail";
}

static const char *take(struct state *s)
{
	unsigned head = get(s, HEAD), tail = get(s, TAIL), count = count_of(s);
	if (s->at++) {
		if (is(DIRTY_LATE))
			put_owner(s, DIRTY, 1);
		else
			put_owner(s, HEAD, head + count);
		go(s, is(MIN_VALID_LATE) ? COPY : WARN);
		return "pages taken";
	}
	bool damaged = tail - head > SLOTS || tail - head < count;
	s->stamp = 0;
	for (unsigned i = 0; i < count && !damaged; i++) {
		unsigned entry = get(s, LIST + (head + i) % SLOTS);
		damaged = (entry & 7) >= PAGES || entry >> 3 > s->base >> 3;
		s->taken[i] = entry & 7;
		if (entry >> 3 > s->stamp)
			s->stamp = (uint8_t)(entry >> 3);
	}
	if (damaged) {
		if (s->rebuilt)
			violation("no page to be had", "take");
		go(s, REBUILD);
		return "free list damaged";
	}
	if (is(DIRTY_LATE))
		put_owner(s, HEAD, head + count);
	else
		put_owner(s, DIRTY, 1);
	return "dirty";
}

static const char *warn(struct state *s)
{
	go(s, s->pc == WARN_LATE ? PUBLISH : COPY);
	if (is(MIN_VALID_MISSING) || s->stamp <= get(s, MIN_VALID))
		return "min_valid stays";
	put(s, MIN_VALID, s->stamp, !is(MIN_VALID_RELAXED));
	return "min_valid";
}

/* Both words of every changed page, copied from the old page, then changed. */
static const char *pages(struct state *s)
{
	unsigned n = s->at / 2, word = s->at % 2, page = changed(s, n),
		 old = live_index(s, s->base, page);
	bool copying = s->pc == COPY;
	if (copying)
		s->given[n] = (uint8_t)old;
	put_page(s, s->taken[n], word,
		 copying ? get(s, POOL + old * 2 + word) : (s->base >> 3) + 1u);
	if (++s->at == (count_of(s) - 1) * 2)
		go(s, copying ? CHANGE : ROOT);
	return copying ? "a word copied" : "a word changed";
}

static const char *root(struct state *s)
{
	unsigned count = count_of(s), page = s->at, index = live_index(s, s->base, page);
	for (unsigned n = 0; n + 1 < count; n++)
		if (changed(s, n) == page)
			index = s->taken[n];
	put_page(s, s->taken[count - 1], page, index);
	s->given[count - 1] = s->base & 7;
	if (++s->at == LIVE)
		go(s, is(MIN_VALID_LATE) ? WARN_LATE : PUBLISH);
	return "a word of the root";
}

static const char *publish(struct state *s)
{
	unsigned version = (s->base >> 3) + 1u;
	if (s->buffered && (set.tso || !is(PUBLISH_RELAXED)))
		return NULL;
	if (s->cell[COMMIT] != s->base)
		violation("two owners", "publish");
	s->cell[COMMIT] = (uint8_t)(version << 3 | s->taken[count_of(s) - 1]);
	for (unsigned page = 0; page < LIVE; page++)
		if (s->pages & 1u << page)
			s->published[page] = (uint8_t)version;
	go(s, GIVE);
	return "publish";
}

static const char *give(struct state *s)
{
	unsigned version = (s->base >> 3) + !is(STAMP_LOW), tail = get(s, TAIL),
		 count = count_of(s), at = s->at++;
	if (is(CLEAN_EARLY)) {
		if (!at) {
			put_owner(s, DIRTY, 0);
			return "clean";
		}
		at--;
	}
	if (at < count) {
		put_owner(s, LIST + (tail + at) % SLOTS, version << 3 | s->given[at]);
		return "an entry given back";
	}
	if (at == count) {
		put_owner(s, TAIL, tail + count);
		if (is(CLEAN_EARLY))
			go(s, UNLOCK);
		return "pages given back";
	}
	put_owner(s, DIRTY, 0);
	go(s, UNLOCK);
	return "clean";
}

static void begin(const struct state *from)
{
	if (from->buffered || from->cell[COMMIT] >> 3 >= set.versions)
		return;
	for (uint8_t mask = 1; mask < 4; mask++) {
		struct state s = *from;
		if (mask == 2 && !set.in_full)
			continue;
		s.pages = mask;
		s.base = s.cell[COMMIT];
		go(&s, s.cell[DIRTY] && !is(NO_REBUILD) ? REBUILD : TAKE);
		step(&s, BY_PROCESS, "lock");
	}
}

static void writer(const struct state *from)
{
	struct state s = *from;
	const char *label = NULL;
	switch ((enum pc)s.pc) {
	case IDLE:
		begin(from);
		return;
	case REBUILD:
		label = rebuild(&s);
		break;
	case TAKE:
		label = take(&s);
		break;
	case WARN:
	case WARN_LATE:
		label = warn(&s);
		break;
	case COPY:
	case CHANGE:
		label = pages(&s);
		break;
	case ROOT:
		label = root(&s);
		break;
	case PUBLISH:
		label = publish(&s);
		break;
	case GIVE:
		label = give(&s);
		break;
	case UNLOCK:
	case DEAD:
		if (s.buffered)
			return;
		label = s.pc == DEAD ? "the dead's lock is stolen" : "unlock";
		forget(&s);
		break;
	}
	if (label) {
		settle(&s);
		step(&s, BY_PROCESS, label);
	}
	if (!from->kills || from->pc == DEAD)
		return;
	s = *from;
	forget(&s);
	s.pc = DEAD;
	s.kills--;
	step(&s, BY_ENVIRONMENT, "SIGKILL");
	if (!set.tso && s.buffered) {
		s.buffered = 0;
		memset(s.buffer, 0, sizeof s.buffer);
		step(&s, BY_ENVIRONMENT, "SIGKILL before the stores still under way");
	}
}

/* ---- the reader ---------------------------------------------------------------------------- */

static void reader_end(struct state *s, uint8_t how)
{
	uint8_t min_valid = s->min_valid;
	memset(&s->reader, 0, offsetof(struct state, end) - offsetof(struct state, reader));
	s->reader = how;
	if (how == R_OVERTAKEN)
		s->min_valid = min_valid;
}

static void read_begin(const struct state *from)
{
	struct state s = *from;
	s.reader = R_READING;
	s.version = s.cell[COMMIT] >> 3;
	s.root = s.cell[COMMIT] & 7;
	memcpy(s.expected, s.published, sizeof s.expected);
	memset(s.index, UNREAD, sizeof s.index);
	s.min_valid = s.commit = UNREAD;
	step(&s, BY_PROCESS, "read: commit");
}

static bool in_order(void)
{
	return set.tso || !set.in_full;
}

/* Every load that may be next, or only the first of them. */
static bool read_pages(const struct state *from)
{
	bool any = false;
	for (unsigned page = 0; page < LIVE; page++) {
		struct state s = *from;
		if (any && in_order())
			return true;
		if (s.index[page] == UNREAD && ~s.words_read & 3 << page * 2) {
			s.index[page] = s.cell[POOL + s.root * 2 + page];
			if (s.index[page] >= PAGES) {
				s.torn = 1; /* no such page: the read fails, unless it turns out to
					       be overtaken */
				s.words_read |= (uint8_t)(3 << page * 2);
				s.index[page] = UNREAD;
			}
			step(&s, BY_PROCESS, "read: root");
			any = true;
			continue;
		}
		for (unsigned word = 0; word < 2; word++) {
			if (from->words_read & 1 << (page * 2 + word) || (any && in_order()))
				continue;
			s = *from;
			s.words_read |= (uint8_t)(1 << (page * 2 + word));
			s.torn |= s.cell[POOL + s.index[page] * 2 + word] != s.expected[page];
			if ((s.words_read >> page * 2 & 3) == 3)
				s.index[page] = UNREAD; /* not needed any more */
			step(&s, BY_PROCESS, "read: a word");
			any = true;
		}
	}
	return any;
}

static void reader(const struct state *from)
{
	struct state s = *from;
	if (s.reader == R_NONE) {
		read_begin(from);
		return;
	}
	if (s.reader == R_DONE)
		return;
	bool more = read_pages(from);
	if (s.min_valid == UNREAD && (!more || (is(READ_RELAXED) && !set.tso))) {
		s.min_valid = s.cell[MIN_VALID];
		step(&s, BY_PROCESS, "read: min_valid");
	}
	s = *from;
	if (!more && s.commit == UNREAD &&
	    (s.min_valid != UNREAD || (is(VERDICT_RELAXED) && !set.tso))) {
		s.commit = s.cell[COMMIT] >> 3;
		step(&s, BY_PROCESS, "read: commit again");
	}
	if (more || from->min_valid == UNREAD)
		return;
	s = *from;
	if (s.min_valid <= s.version) {
		if (s.torn)
			violation("torn read", "read: accepted");
		reader_end(&s, R_DONE);
		step(&s, BY_PROCESS, "read: accepted");
	} else if (s.commit != UNREAD) {
		if (s.min_valid > s.commit)
			violation("false alarm", "read: -EBADMSG");
		reader_end(&s, R_DONE);
		step(&s, BY_PROCESS, "read: overtaken");
	}
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void start(void *state)
{
	struct state *s = state;
	s->cell[COMMIT] = 1 << 3 | LIVE;
	s->kills = set.kills;
	for (unsigned page = 0; page < LIVE; page++) {
		s->cell[POOL + page * 2] = s->cell[POOL + page * 2 + 1] = s->published[page] = 1;
		s->cell[POOL + LIVE * 2 + page] = (uint8_t)page;
	}
	for (unsigned page = LIVE + 1; page < PAGES; page++)
		s->cell[LIST + page - LIVE - 1] = (uint8_t)page;
	s->cell[TAIL] = PAGES - LIVE - 1;
}

static void next(const void *state)
{
	const struct state *s = state;
	drain(s);
	writer(s);
	reader(s);
}

/* mbshm_audit, by whoever takes the lock next; and the values themselves. */
static const char *broken(const void *state)
{
	const struct state *s = state;
	uint8_t owners[8] = { 0 };
	unsigned commit = s->cell[COMMIT], count = (uint8_t)(s->cell[TAIL] - s->cell[HEAD]);
	if (s->cell[MIN_VALID] > commit >> 3)
		return "min_valid beyond the version";
	if (s->pc != IDLE || s->buffered)
		return NULL;
	for (unsigned page = 0; page < LIVE; page++) {
		unsigned index = live_index(s, commit, page);
		if (index >= PAGES || owners[index]++ ||
		    s->cell[POOL + index * 2] != s->published[page] ||
		    s->cell[POOL + index * 2 + 1] != s->published[page])
			return "value lost";
	}
	owners[commit & 7]++;
	if (s->cell[DIRTY])
		return NULL;
	if (count != PAGES - LIVE - 1)
		return "audit";
	for (unsigned i = 0; i < count; i++) {
		unsigned entry = s->cell[LIST + (s->cell[HEAD] + i) % SLOTS];
		if ((entry & 7) >= PAGES || owners[entry & 7]++ || entry >> 3 > commit >> 3)
			return "audit";
	}
	return NULL;
}

static bool goal(const void *state)
{
	const struct state *s = state;
	return s->pc == IDLE && s->cell[COMMIT] >> 3 == set.versions && s->reader == R_DONE;
}

static const struct model model = { "publish", sizeof(struct state), start, next, broken, goal };

static const struct trial trials[] = {
	{ "the protocol", NONE, false, NULL, false },
	{ "the protocol, a version more", LONGER, false, NULL, true },
	{ "the protocol", NONE, true, NULL, true },
	{ "min_valid raised after the page stores", MIN_VALID_LATE, false, "torn read", false },
	{ "min_valid raised after the page stores", MIN_VALID_LATE, true, "torn read", false },
	{ "min_valid never raised", MIN_VALID_MISSING, false, "torn read", false },
	{ "min_valid never raised", MIN_VALID_MISSING, true, "torn read", false },
	{ "stamp one too low", STAMP_LOW, false, "torn read", false },
	{ "stamp one too low", STAMP_LOW, true, "torn read", false },
	{ "stamps 0 on rebuild", STAMP_ZERO, false, "torn read", false },
	{ "stamps 0 on rebuild", STAMP_ZERO, true, "torn read", false },
	{ "no rebuild after a crash", NO_REBUILD, false, "audit", false },
	{ "no rebuild after a crash", NO_REBUILD, true, "audit", false },
	{ "dirty cleared before the pages are given back", CLEAN_EARLY, true, "audit", false },
	{ "dirty set after the pages are taken", DIRTY_LATE, true, "audit", false },
	{ "page stores relaxed", PAGES_RELAXED, false, "torn read", false },
	{ "page stores relaxed", PAGES_RELAXED, true, NULL, true },
	{ "publish relaxed", PUBLISH_RELAXED, false, "value lost", false },
	{ "publish relaxed", PUBLISH_RELAXED, true, NULL, true },
	{ "owner's stores relaxed", OWNER_RELAXED, false, "audit", false },
	{ "min_valid store relaxed (the page stores carry it)", MIN_VALID_RELAXED, false, NULL,
	  true },
	{ "reader's page loads without acquire", READ_RELAXED, false, "torn read", false },
	{ "reader's page loads without acquire", READ_RELAXED, true, NULL, true },
	{ "reader's min_valid load without acquire", VERDICT_RELAXED, false, "false alarm", false },
};

static void choose(const struct trial *trial, bool in_full)
{
	set.mutation = trial->mutation;
	set.tso = trial->tso;
	set.in_full = in_full;
	set.versions = is(LONGER) ? 4 : 3;
	set.kills = is(PAGES_RELAXED) && !trial->tso ? 0
		    : is(LONGER)                     ? 1
				 : 2; /* that one needs none, and has the most orders */
}

const struct suite publish_suite = { &model, trials, sizeof trials / sizeof *trials, choose };
