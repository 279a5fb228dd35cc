/* The search: states in the order of their discovery, found again by a hash table of their numbers.
 */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct origin {
	uint32_t parent;
	const char *label;
};

static struct {
	const struct model *model;
	uint8_t *states;
	struct origin *origins;
	uint8_t *reaches; /* the goal can be reached from here */
	uint32_t *table;  /* state number + 1; 0: empty */
	uint32_t count, room, table_mask, current;
	const char *violation, *violation_label;
	bool looking; /* second phase: step() only asks whether a state reaches the goal */
	bool found;
} search;

static void *grown(void *memory, size_t bytes)
{
	memory = realloc(memory, bytes);
	if (!memory) {
		perror("model");
		exit(1);
	}
	return memory;
}

static uint8_t *state_at(uint32_t i)
{
	return search.states + (size_t)i * search.model->state_bytes;
}

static uint32_t hash(const uint8_t *bytes)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t left = search.model->state_bytes; left;) {
		size_t n = left < 8 ? left : 8;
		uint64_t word = 0;
		memcpy(&word, bytes, n);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
		bytes += n;
		left -= n;
	}
	return (uint32_t)(h ^ h >> 32);
}

/* The table's place of a state: its number + 1, or empty. */
static uint32_t *place_of(const void *state)
{
	uint32_t i = hash(state) & search.table_mask;
	while (search.table[i] &&
	       memcmp(state_at(search.table[i] - 1), state, search.model->state_bytes) != 0)
		i = (i + 1) & search.table_mask;
	return &search.table[i];
}

static void room_double(void)
{
	search.room = search.room ? search.room * 2 : 1 << 14;
	search.states = grown(search.states, (size_t)search.room * search.model->state_bytes);
	search.origins = grown(search.origins, search.room * sizeof *search.origins);
	free(search.table);
	search.table_mask = search.room * 2 - 1;
	search.table = grown(NULL, ((size_t)search.table_mask + 1) * sizeof *search.table);
	memset(search.table, 0, ((size_t)search.table_mask + 1) * sizeof *search.table);
	for (uint32_t i = 0; i < search.count; i++)
		*place_of(state_at(i)) = i + 1;
}

void violation(const char *property, const char *label)
{
	if (search.looking || search.violation)
		return;
	search.violation = property;
	search.violation_label = label;
}

void step(const void *state, enum step_by by, const char *label)
{
	uint32_t *place;
	if (search.looking) {
		if (by == BY_PROCESS && !search.found)
			search.found = search.reaches[*place_of(state) - 1];
		return;
	}
	if (search.violation)
		return;
	place = place_of(state);
	if (*place)
		return;
	if (search.count == search.room) {
		room_double();
		place = place_of(state);
	}
	memcpy(state_at(search.count), state, search.model->state_bytes);
	search.origins[search.count] = (struct origin){ search.current, label };
	*place = ++search.count;
}

/* The state that cannot reach the goal; count: none.  Backwards, because what follows a state was
 * mostly found after it. */
static uint32_t stuck_find(void)
{
	bool changed = true;
	search.reaches = grown(search.reaches, search.count);
	for (uint32_t i = 0; i < search.count; i++)
		search.reaches[i] = search.model->goal(state_at(i));
	search.looking = true;
	while (changed) {
		changed = false;
		for (uint32_t i = search.count; i-- > 0;) {
			if (search.reaches[i])
				continue;
			search.found = false;
			search.model->next(state_at(i));
			changed |= search.found;
			search.reaches[i] = search.found;
		}
	}
	search.looking = false;
	for (uint32_t i = 0; i < search.count; i++)
		if (!search.reaches[i])
			return i;
	return search.count;
}

static unsigned steps_to(uint32_t i, bool trace)
{
	unsigned steps = 0;
	if (i) {
		steps = steps_to(search.origins[i].parent, trace) + 1;
		if (trace)
			printf("#   %3u %s\n", steps, search.origins[i].label);
	}
	return steps;
}

struct result explore(const struct model *model, uint32_t states_max, bool trace)
{
	struct result result = { .complete = true };
	uint8_t *start = grown(NULL, model->state_bytes);
	search.model = model;
	search.count = search.room = 0;
	search.violation = search.violation_label = NULL;
	room_double();
	memset(start, 0, model->state_bytes);
	model->start(start);
	search.current = 0;
	step(start, BY_PROCESS, "start");
	free(start);
	for (uint32_t i = 0; i < search.count && result.complete; i++) {
		/* A copy: the array moves when it grows. */
		uint8_t state[256];
		memcpy(state, state_at(i), model->state_bytes);
		search.current = i;
		search.violation = model->broken(state);
		if (!search.violation)
			model->next(state);
		if (search.violation)
			break;
		result.complete = search.count < states_max;
	}
	if (!search.violation && result.complete) {
		uint32_t stuck = stuck_find();
		if (stuck < search.count) {
			search.violation = "stuck";
			search.current = stuck;
		}
	}
	result.violation = search.violation;
	result.states = search.count;
	if (result.violation) {
		result.steps = steps_to(search.current, trace);
		if (search.violation_label) {
			result.steps++;
			if (trace)
				printf("#   %3u %s\n", result.steps, search.violation_label);
		}
	}
	return result;
}
