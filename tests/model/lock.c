/* Model 2: the writer lock: word, slots, the kernel's slot locks, probe, steal, takeover by a
 * slot's new owner.
 *
 * Modelled step by step as in lock.c: slot_claim (the kernel's lock, a look at the word, the
 * takeover of a dead predecessor's word), word_try (a look, the probe, the swap on the exact word),
 * the body, lock_release.  Every process may be killed between any two steps and may be followed by
 * another in the same slot; a stopped process is one that takes no step for as long as it likes.
 * Waiting and deadlines are not modelled: a process that waits looks again.
 *
 * Memory.  The lock word changes by compare-and-swap only, which acts on memory at once;
 * lock_release is a release and so waits for the body's stores.  The body adds one to a word; its
 * store waits in a buffer.  A killed process's store still drains, and the kernel drops the slot
 * lock only after that (exit comes after the last instruction, on the same CPU).
 *
 * Abstracted: what the body is (model 1), threads of one process (they queue on a mutex before all
 * this), and any free slot may be claimed instead of the lowest.  Generations do not wrap within
 * the bound; in the segment they have 48 bits. */
#include "explore.h"

#include <string.h>

enum { PROCESSES = 3 };

enum mutation {
	NONE,
	NO_GENERATION,
	RELEASE_TO_ZERO,
	NO_PROBE,
	STEAL_BY_STORE,
	CLAIM_LEAVES,
	UNLOCK_RELAXED,
	SLOT_DROPPED_EARLY,
	NEVER_STEAL,
};

enum pc {
	ABSENT,
	CLAIM,
	CLAIM_LOOK,
	CLAIM_SWAP,
	CLAIM_RELEASE,
	RESTING,
	LOOK,
	PROBE,
	SWAP,
	LOAD,
	STORE,
	RELEASE,
	DYING
};

struct word {
	uint8_t generation, owner; /* owner: slot + 1, 0: free */
};

struct process {
	uint8_t pc;
	uint8_t lives; /* starts left */
	uint8_t wants; /* turns inside left */
	uint8_t slot;
	struct word seen; /* the word as last looked at; as owner: the word while we hold it */
	uint8_t value;    /* loaded inside */
	uint8_t pending;  /* a store in the buffer, 0: none */
	uint8_t inside;   /* owns the lock; survives into DYING */
};

struct state {
	struct word word;
	uint8_t slot[PROCESSES]; /* the kernel's: process + 1 */
	uint8_t data;            /* what the lock protects */
	uint8_t last;            /* the last store to it that was issued */
	uint8_t kills;
	struct process process[PROCESSES];
};

static struct {
	enum mutation mutation;
	uint8_t processes, kills, lives, wants;
} set;

static const char unseen[] = "a store of the last owner is not seen";

static bool is(enum mutation mutation)
{
	return set.mutation == mutation;
}

static struct word word_next(struct word word, unsigned owner)
{
	unsigned generation = word.generation + 1u;
	if (is(NO_GENERATION) || (is(RELEASE_TO_ZERO) && !owner))
		generation = 0;
	return (struct word){ (uint8_t)generation, (uint8_t)owner };
}

/* Compare-and-swap; on success p->seen is the new word. */
static bool swap(struct state *s, struct process *p, unsigned owner)
{
	struct word next = word_next(p->seen, owner);
	if (memcmp(&s->word, &p->seen, sizeof s->word) != 0)
		return false;
	s->word = p->seen = next;
	return true;
}

static void rest(struct process *p, enum pc pc)
{
	p->pc = (uint8_t)pc;
	p->seen = (struct word){ 0, 0 };
	p->value = 0;
	p->inside = 0;
}

static void gone(struct state *s, struct process *p)
{
	s->slot[p->slot] = 0;
	p->slot = p->wants = 0;
	rest(p, ABSENT);
}

static void started(const struct state *from, unsigned i)
{
	for (uint8_t wants = 0; wants <= set.wants && from->process[i].lives; wants++) {
		struct state s = *from;
		s.process[i].lives--;
		s.process[i].wants = wants;
		s.process[i].pc = CLAIM;
		step(&s, BY_ENVIRONMENT, "a process starts");
	}
}

static void claim(const struct state *from, unsigned i)
{
	for (uint8_t slot = 0; slot < set.processes; slot++) {
		struct state s = *from;
		if (s.slot[slot])
			continue;
		s.slot[slot] = (uint8_t)(i + 1);
		s.process[i].slot = slot;
		s.process[i].pc = CLAIM_LOOK;
		step(&s, BY_PROCESS, "slot locked");
	}
}

/* Is the word's owner dead?  One's own slot counts as dead: we do not hold the lock. */
static bool owner_dead(const struct state *s, unsigned i)
{
	unsigned owner = s->process[i].seen.owner;
	return owner == s->process[i].slot + 1u || !s->slot[owner - 1] || is(NO_PROBE);
}

static const char *claimed(struct state *s, unsigned i)
{
	struct process *p = &s->process[i];
	switch ((enum pc)p->pc) {
	case CLAIM_LOOK:
		p->seen = s->word;
		if (p->seen.owner == p->slot + 1 && !is(CLAIM_LEAVES))
			p->pc = CLAIM_SWAP;
		else
			rest(p, RESTING);
		return "claim: look at the word";
	case CLAIM_SWAP:
		if (swap(s, p, p->slot + 1u)) {
			p->inside = 1;
			p->pc = CLAIM_RELEASE;
			return "claim: the dead predecessor's lock taken over";
		}
		rest(p, RESTING);
		return "claim: somebody else was first";
	default:
		if (!swap(s, p, 0))
			violation("the word changed under its owner", "claim: release");
		rest(p, RESTING);
		return "claim: release";
	}
}

static const char *take(struct state *s, unsigned i)
{
	struct process *p = &s->process[i];
	bool dead;
	switch ((enum pc)p->pc) {
	case RESTING:
		if (!p->wants)
			return NULL;
		p->pc = LOOK;
		return "wants the lock";
	case LOOK:
		p->seen = s->word;
		p->pc = !p->seen.owner || p->seen.owner == p->slot + 1 ? SWAP : PROBE;
		return p->pc == SWAP ? "look: free" : "look: owned";
	case PROBE:
		dead = owner_dead(s, i) && !is(NEVER_STEAL);
		p->pc = dead ? SWAP : LOOK;
		if (!dead)
			p->seen = (struct word){ 0, 0 };
		return dead ? "probe: the owner is dead" : "probe: the owner lives";
	default:
		if (is(STEAL_BY_STORE) && p->seen.owner) {
			s->word = p->seen = word_next(p->seen, p->slot + 1u);
		} else if (!swap(s, p, p->slot + 1u)) {
			rest(p, LOOK);
			return "swap: somebody else was first";
		}
		p->inside = 1;
		p->pc = LOAD;
		return "swap: owner";
	}
}

static const char *inside(struct state *s, unsigned i)
{
	struct process *p = &s->process[i];
	switch ((enum pc)p->pc) {
	case LOAD:
		if (s->data != s->last)
			violation(unseen, "inside: load");
		p->value = s->data;
		p->pc = STORE;
		return "inside: load";
	case STORE:
		p->pending = s->last = p->value + 1;
		p->value = 0;
		p->pc = RELEASE;
		return "inside: store";
	default:
		if (p->pending && !is(UNLOCK_RELAXED))
			return NULL;
		if (!swap(s, p, 0))
			violation("the word changed under its owner", "release");
		p->wants--;
		rest(p, RESTING);
		return "release";
	}
}

static void died(const struct state *from, unsigned i)
{
	struct state s = *from;
	struct process *p = &s.process[i];
	if (p->pc == DYING) {
		if (p->pending && !is(SLOT_DROPPED_EARLY))
			return;
		gone(&s, p);
		step(&s, BY_PROCESS, "the kernel drops the dead's slot lock");
		return;
	}
	if (p->pc == RESTING && !p->wants && !p->pending) {
		gone(&s, p);
		step(&s, BY_ENVIRONMENT, "a process ends");
		s = *from;
	}
	if (!s.kills)
		return;
	s.kills--;
	if (p->pc == CLAIM) { /* without a slot yet */
		p->wants = 0;
		rest(p, ABSENT);
	} else {
		uint8_t was_inside = p->inside;
		rest(p, DYING);
		p->wants = 0;
		p->inside = was_inside;
	}
	step(&s, BY_ENVIRONMENT, "SIGKILL");
}

static void process(const struct state *from, unsigned i)
{
	struct state s = *from;
	struct process *p = &s.process[i];
	const char *label = NULL;
	if (p->pending) {
		s.data = p->pending;
		p->pending = 0;
		step(&s, BY_PROCESS, "a store reaches memory");
		s = *from;
	}
	switch ((enum pc)p->pc) {
	case ABSENT:
		started(from, i);
		return;
	case CLAIM:
		claim(from, i);
		break;
	case CLAIM_LOOK:
	case CLAIM_SWAP:
	case CLAIM_RELEASE:
		label = claimed(&s, i);
		break;
	case RESTING:
	case LOOK:
	case PROBE:
	case SWAP:
		label = take(&s, i);
		break;
	case LOAD:
	case STORE:
	case RELEASE:
		label = inside(&s, i);
		break;
	case DYING:
		break;
	}
	if (label)
		step(&s, BY_PROCESS, label);
	died(from, i);
}

static void start(void *state)
{
	struct state *s = state;
	s->kills = set.kills;
	for (unsigned i = 0; i < set.processes; i++)
		s->process[i].lives = set.lives;
}

static void next(const void *state)
{
	for (unsigned i = 0; i < set.processes; i++)
		process(state, i);
}

static const char *broken(const void *state)
{
	const struct state *s = state;
	unsigned owners = 0;
	for (unsigned i = 0; i < set.processes; i++)
		owners += s->process[i].inside;
	return owners > 1 ? "two owners" : NULL;
}

static bool goal(const void *state)
{
	const struct state *s = state;
	for (unsigned i = 0; i < set.processes; i++)
		if (s->process[i].pc != ABSENT &&
		    (s->process[i].pc != RESTING || s->process[i].wants))
			return false;
	return true;
}

static const struct model model = { "lock", sizeof(struct state), start, next, broken, goal };

static const struct trial trials[] = {
	{ "the protocol", NONE, false, NULL, false },
	{ "generation not raised (ABA)", NO_GENERATION, false, "two owners", false },
	{ "release stores 0, generation and all (ABA)", RELEASE_TO_ZERO, false, "two owners",
	  false },
	{ "steal without asking whether the owner is dead", NO_PROBE, false, "two owners", false },
	{ "steal by a store instead of a swap", STEAL_BY_STORE, false, "two owners", false },
	{ "a slot's new owner leaves the dead predecessor's word", CLAIM_LEAVES, false, "stuck",
	  false },
	{ "never steal", NEVER_STEAL, false, "stuck", false },
	{ "unlock relaxed", UNLOCK_RELAXED, false, unseen, false },
	{ "slot lock dropped before the dead's stores drain", SLOT_DROPPED_EARLY, false, unseen,
	  false },
};

static void choose(const struct trial *trial, bool in_full)
{
	set.mutation = trial->mutation;
	set.processes = in_full ? 3 : 2;
	set.kills = 2;
	set.lives = 2;
	set.wants = in_full ? 1 : 2;
}

const struct suite lock_suite = { &model, trials, sizeof trials / sizeof *trials, choose };
