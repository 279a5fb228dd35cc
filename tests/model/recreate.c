/* Model 3: replacing an image under its writers and readers: mbshm_recreate, mbshm_revive, and what
 * everybody else does meanwhile.
 *
 * Modelled step by step as in recreate.c, lock.c and open.c: open the name, claim a slot of what it
 * leads to (with the takeover of a dead predecessor's lock), lock or steal, compare the name after
 * a steal, leave a RETIRED image; copy the values, give the new image the name, mark the old one
 * RETIRED, unlock; once in a while look whether the name still leads here, and revive the image
 * when the name is gone.  Everybody may be killed between any two steps.  A write puts a bit of its
 * own into the image's value.
 *
 * Abstracted: a commit is one step (model 1), so are the swap on the lock word with its probe
 * (model 2).  The new image is built before it is named, so nobody can see it earlier.  A name is
 * unlinked only while a writer is attached that can revive it, and not between a killed recreate
 * and the next look at the name: then the stale image could be revived in place of the one that was
 * current (not promised).  Nobody creates an empty image under a free name: that is a decision to
 * begin anew. */
#include "explore.h"

#include <string.h>

enum { PROCESSES = 4, WRITERS = 2, RECREATOR = 2, READER = 3, IMAGES = 4 };

enum mutation {
	NONE,
	UNLINKED,
	TWICE, /* no mutations: an unlink; a second life of everybody */
	RETIRED_BEFORE_NAME,
	NO_LOOK_AT_STEAL,
	NO_LOOK_AT_CLAIM,
	COPIED_UNLOCKED,
	NOT_RETIRED,
	RETIRED_IGNORED,
	NO_REGULAR_LOOK,
	REVIVED_UNLOCKED,
};

enum pc {
	ABSENT,
	OPEN,
	CLAIM,
	CLAIMED,
	TAKEN_OVER,
	RESTING,
	EARLY_COPY,
	LOCK,
	STOLEN,
	LOCKED,
	COPY,
	NAME,
	RETIRE,
	UNLOCK
};
enum purpose { WRITE, RECREATE, REVIVE };

struct image {
	uint8_t owner; /* slot + 1 in the lock word, 0: free */
	uint8_t retired;
	uint8_t value;           /* a bit for every write */
	uint8_t slot[PROCESSES]; /* the kernel's: process + 1 */
};

struct process {
	uint8_t pc, lives, wants;
	uint8_t image, slot;
	uint8_t purpose;
	uint8_t copy;  /* the values of the old image */
	uint8_t wrote; /* bit to be acknowledged after unlock */
};

struct state {
	uint8_t name;         /* image + 1, 0: gone */
	uint8_t current;      /* the last image that was named */
	uint8_t images;       /* named so far */
	uint8_t acknowledged; /* bits */
	uint8_t writes, kills, unlinks;
	struct image image[IMAGES];
	struct process process[PROCESSES];
};

static struct {
	enum mutation mutation;
	uint8_t kills, lives, unlinks;
} set;

static bool is(enum mutation mutation)
{
	return set.mutation == mutation;
}

/* mbshm_check: the name leads to another image. */
static bool elsewhere(const struct state *s, unsigned image)
{
	return s->name && s->name != image + 1;
}

static void rest(struct process *p, enum pc pc)
{
	p->pc = (uint8_t)pc;
	p->purpose = p->copy = p->wrote = 0;
}

static void detach(struct state *s, unsigned i, enum pc pc)
{
	struct process *p = &s->process[i];
	if (i != READER && p->pc > CLAIM)
		s->image[p->image].slot[p->slot] = 0;
	p->image = p->slot = 0;
	if (pc == ABSENT)
		p->wants = 0;
	rest(p, pc);
}

static void unlock(struct state *s, struct process *p)
{
	struct image *image = &s->image[p->image];
	if (image->owner != p->slot + 1)
		violation("two owners", "unlock");
	image->owner = 0;
}

static const char *claim(struct state *s, unsigned i)
{
	struct process *p = &s->process[i];
	struct image *image = &s->image[p->image];
	switch ((enum pc)p->pc) {
	case CLAIM:
		while (image->slot[p->slot])
			p->slot++;
		image->slot[p->slot] = (uint8_t)(i + 1);
		p->pc = CLAIMED;
		return "slot claimed";
	case CLAIMED:
		p->pc = image->owner == p->slot + 1 ? TAKEN_OVER : RESTING;
		return "claim: look at the lock word";
	default:
		if (elsewhere(s, p->image) && !is(NO_LOOK_AT_CLAIM))
			image->retired = 1;
		unlock(s, p);
		p->pc = RESTING;
		return "claim: a dead predecessor's lock released";
	}
}

/* What a process at rest may do: its next turn; or the regular look at the name. */
static void resting(const struct state *from, unsigned i)
{
	struct state s = *from;
	struct process *p = &s.process[i];
	if (p->wants && (i != RECREATOR || p->image + 1 == s.name)) {
		p->purpose = i == RECREATOR ? RECREATE : WRITE;
		p->pc = i == RECREATOR && is(COPIED_UNLOCKED) ? EARLY_COPY : LOCK;
		step(&s, BY_PROCESS, "wants the lock");
		s = *from;
	}
	if (i == RECREATOR && (!p->wants || p->image + 1 != s.name)) {
		detach(&s, i, ABSENT);
		step(&s, BY_PROCESS, "recreate ends");
	} else if (!s.name && i < WRITERS) {
		p->purpose = REVIVE;
		p->pc = is(REVIVED_UNLOCKED) ? COPY : LOCK;
		step(&s, BY_PROCESS, "the name is gone");
	} else if ((elsewhere(&s, p->image) || (s.name && s.image[p->image].retired)) &&
		   !is(NO_REGULAR_LOOK)) {
		detach(&s, i, OPEN);
		step(&s, BY_PROCESS, "the name leads elsewhere");
	}
}

static const char *lock(struct state *s, unsigned i)
{
	struct process *p = &s->process[i];
	struct image *image = &s->image[p->image];
	bool stolen = image->owner;
	switch ((enum pc)p->pc) {
	case EARLY_COPY:
		p->copy = image->value;
		p->pc = LOCK;
		return "values copied";
	case LOCK:
		if (stolen && image->owner != p->slot + 1 && image->slot[image->owner - 1])
			return NULL;
		image->owner = p->slot + 1;
		p->pc = stolen ? STOLEN : LOCKED;
		return stolen ? "lock stolen" : "lock";
	case STOLEN:
		if (elsewhere(s, p->image) && !is(NO_LOOK_AT_STEAL))
			image->retired = 1;
		p->pc = LOCKED;
		return "steal: look at the name";
	default:
		if (image->retired && !is(RETIRED_IGNORED)) {
			unlock(s, p);
			detach(s, i, OPEN);
			return "retired: leave";
		}
		if (p->purpose == WRITE) {
			p->wrote = (uint8_t)(1 << s->writes++);
			image->value |= p->wrote;
			p->pc = UNLOCK;
			return "write";
		}
		if (p->purpose == REVIVE ? s->name != 0 : s->name != p->image + 1) {
			unlock(s, p);
			rest(p, RESTING);
			return "no need any more";
		}
		p->pc = is(COPIED_UNLOCKED) && p->purpose == RECREATE ? NAME : COPY;
		return "name checked";
	}
}

static const char *replace(struct state *s, unsigned i)
{
	struct process *p = &s->process[i];
	struct image *image = &s->image[p->image];
	switch ((enum pc)p->pc) {
	case COPY:
		p->copy = image->value;
		p->pc = is(RETIRED_BEFORE_NAME) ? RETIRE : NAME;
		return "values copied";
	case NAME:
		if (p->purpose == RECREATE || !s->name) {
			s->image[s->images].value = p->copy;
			s->name = s->current = ++s->images;
		}
		p->pc = is(RETIRED_BEFORE_NAME) || is(NOT_RETIRED) ? UNLOCK : RETIRE;
		return p->purpose == RECREATE ? "new image renamed over the name"
					      : "new image linked";
	case RETIRE:
		image->retired = 1;
		p->pc = is(RETIRED_BEFORE_NAME) ? NAME : UNLOCK;
		return "old image retired";
	default:
		if (p->purpose == REVIVE && is(REVIVED_UNLOCKED)) {
			rest(p, RESTING);
			return "revived";
		}
		unlock(s, p);
		s->acknowledged |= p->wrote;
		p->wants -= p->purpose != REVIVE;
		rest(p, RESTING);
		return "unlock";
	}
}

static void reader(const struct state *from)
{
	struct state s = *from;
	struct process *p = &s.process[READER];
	if (s.image[p->image].retired || (elsewhere(&s, p->image) && !is(NO_REGULAR_LOOK))) {
		detach(&s, READER, OPEN);
		step(&s, BY_PROCESS, "reader: retired, or the name leads elsewhere");
	}
}

static void process(const struct state *from, unsigned i)
{
	struct state s = *from;
	struct process *p = &s.process[i];
	const char *label = NULL;
	switch ((enum pc)p->pc) {
	case ABSENT:
		if (!p->lives)
			return;
		p->lives--;
		p->wants = i != READER;
		p->pc = OPEN;
		step(&s, BY_ENVIRONMENT, "a process starts");
		return;
	case OPEN:
		if (s.name) {
			p->image = s.name - 1;
			p->pc = i == READER ? RESTING : CLAIM;
			label = "open";
		}
		break;
	case CLAIM:
	case CLAIMED:
	case TAKEN_OVER:
		label = claim(&s, i);
		break;
	case RESTING:
		if (i == READER)
			reader(from);
		else
			resting(from, i);
		break;
	case EARLY_COPY:
	case LOCK:
	case STOLEN:
	case LOCKED:
		label = lock(&s, i);
		break;
	case COPY:
	case NAME:
	case RETIRE:
	case UNLOCK:
		label = replace(&s, i);
		break;
	}
	if (label)
		step(&s, BY_PROCESS, label);
	/* A killed reader leaves nothing behind. */
	if (from->kills && i != READER) {
		s = *from;
		s.kills--;
		detach(&s, i, ABSENT);
		step(&s, BY_ENVIRONMENT,
		     i == RECREATOR ? "SIGKILL of recreate" : "SIGKILL of a writer");
	}
}

static bool writer_on_current(const struct state *s)
{
	for (unsigned i = 0; i < WRITERS; i++)
		if (s->process[i].pc >= RESTING && s->process[i].image + 1 == s->current)
			return true;
	return false;
}

static void unlink_name(const struct state *from)
{
	struct state s = *from;
	if (!s.unlinks || !s.name || !writer_on_current(&s))
		return;
	for (unsigned i = 0; i < s.images; i++)
		if (i + 1u != s.name && !s.image[i].retired)
			return;
	s.unlinks--;
	s.name = 0;
	step(&s, BY_ENVIRONMENT, "unlink");
}

static void start(void *state)
{
	struct state *s = state;
	s->name = s->current = s->images = 1;
	s->kills = set.kills;
	s->unlinks = set.unlinks;
	for (unsigned i = 0; i < PROCESSES; i++)
		s->process[i].lives = i == READER ? 1 : set.lives;
}

static void next(const void *state)
{
	for (unsigned i = 0; i < PROCESSES; i++)
		process(state, i);
	unlink_name(state);
}

static const char *broken(const void *state)
{
	const struct state *s = state;
	return s->acknowledged & ~s->image[s->current - 1].value ? "acknowledged write lost" : NULL;
}

/* Everybody alive is done and attached to the image that the name leads to. */
static bool goal(const void *state)
{
	const struct state *s = state;
	if (!s->name && !writer_on_current(s))
		return true; /* its last writer died before it could revive it */
	for (unsigned i = 0; i < PROCESSES; i++) {
		const struct process *p = &s->process[i];
		if (p->pc != ABSENT && (p->pc != RESTING || p->wants || p->image + 1 != s->name ||
					s->image[p->image].retired))
			return false;
	}
	return true;
}

static const struct model model = { "recreate", sizeof(struct state), start, next, broken, goal };

static const struct trial trials[] = {
	{ "the protocol", NONE, false, NULL, false },
	{ "the protocol, with an unlink", UNLINKED, false, NULL, false },
	{ "the protocol, everybody started twice", TWICE, false, NULL, true },
	{ "old image retired before the new one has the name", RETIRED_BEFORE_NAME, false, "stuck",
	  false },
	{ "a thief does not look at the name", NO_LOOK_AT_STEAL, false, "acknowledged write lost",
	  false },
	{ "a slot's new owner releases the lock without a look", NO_LOOK_AT_CLAIM, false,
	  "acknowledged write lost", false },
	{ "values copied before the lock", COPIED_UNLOCKED, false, "acknowledged write lost",
	  false },
	{ "old image not retired", NOT_RETIRED, false, "acknowledged write lost", false },
	{ "a writer ignores RETIRED", RETIRED_IGNORED, false, "acknowledged write lost", false },
	{ "nobody looks at the name regularly", NO_REGULAR_LOOK, false, "stuck", false },
	{ "revived without the lock", REVIVED_UNLOCKED, false, "acknowledged write lost", false },
};

static void choose(const struct trial *trial, bool in_full)
{
	set.mutation = trial->mutation;
	set.kills = in_full && !is(TWICE) ? 3 : 2;
	set.lives = is(TWICE) ? 2 : 1;
	set.unlinks = is(UNLINKED) || is(REVIVED_UNLOCKED);
}

const struct suite recreate_suite = { &model, trials, sizeof trials / sizeof *trials, choose };
