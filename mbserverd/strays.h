/* Requests for what the image does not declare: which registers does a master ask for that the
 * plant forgot?  A table of bounded size; what was asked for least makes room.  Pure. */
#ifndef MBSERVERD_STRAYS_H
#define MBSERVERD_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

enum { STRAYS_MAX = 64 };

/* What was asked for, and by whom.  All bytes count: zeroed first. */
struct stray_range {
	uint8_t unit, table; /* enum mbshm_table */
	uint16_t first, count;
	uint8_t unused, family; /* of the address: base/network.h */
	uint8_t address[16];
};

struct stray {
	uint64_t times;  /* 0: no entry */
	int64_t last_ms; /* CLOCK_MONOTONIC */
	uint64_t check;  /* of range: tells a reader that it is whole */
	struct stray_range range;
};

struct strays {
	struct stray entries[STRAYS_MAX];
};

/* It was asked for that many more times. */
void strays_add(struct strays *strays, const struct stray_range *range, uint64_t times,
		int64_t last_ms);

/* Add what is whole in a copy that was made while its owner went on. */
void strays_merge(struct strays *strays, const struct strays *copy);

/* The most frequent first. */
void strays_sort(struct strays *strays);

#endif
