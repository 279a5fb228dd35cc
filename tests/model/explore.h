/* An explicit-state search: every state that a model can reach is visited once, breadth first, so a
 * counterexample is a shortest one.
 *
 * A model writes its states as plain structs without padding, equal when their bytes are, and
 * describes its steps: next() calls step() for each state that may follow.  Steps of the
 * environment (a kill, a start, an orderly end) happen or not; all others will be taken sooner or
 * later by a process that lives.  So "never stuck" is: from every state the goal can be reached
 * without the environment. */
#ifndef TESTS_MODEL_EXPLORE_H
#define TESTS_MODEL_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum step_by { BY_PROCESS, BY_ENVIRONMENT };

struct model {
	const char *name;
	size_t state_bytes;
	void (*start)(void *state);
	void (*next)(const void *state);
	const char *(*broken)(
		const void *state);      /* the property that this state violates, or NULL */
	bool (*goal)(const void *state); /* everybody alive has what it wanted */
};

struct result {
	const char *violation; /* NULL: none */
	uint32_t states;
	unsigned steps; /* to the violation */
	bool complete;  /* false: more states than allowed */
};

/* From next(): a state that follows, by the named step (a constant); or the property that a step
 * violates. */
void step(const void *state, enum step_by by, const char *label);
void violation(const char *property, const char *label);

/* Visit all states, at most states_max.  trace: print the steps of a counterexample as TAP
 * comments. */
struct result explore(const struct model *model, uint32_t states_max, bool trace);

/* One line of a model's table: the protocol itself (mutation 0) or a mutation of it. */
struct trial {
	const char *what;
	int mutation;
	bool tso; /* stores reach memory in order, as on x86-64; else as release and acquire force
		     it */
	const char *expected; /* the violated property; NULL: clean */
	bool long_only;
};

/* The models.  set() chooses what the next explore() is of. */
struct suite {
	const struct model *model;
	const struct trial *trials;
	unsigned trial_count;
	void (*set)(const struct trial *trial, bool in_full);
};
extern const struct suite publish_suite, lock_suite, recreate_suite, wait_suite;

#endif
