/* Inside of libmbshm: a transaction as staged. */
#ifndef TXN_H
#define TXN_H

#include "image.h"

/* word = (word & ~mask) | value */
struct staged_word {
	uint16_t page;		/* of the tables, 0..271; declared */
	uint16_t word;		/* in the page */
	uint64_t mask, value;
};

struct mbshm_txn {
	struct mbshm *img;
	struct staged_word *words;	/* in the order of staging: later ones win */
	unsigned count, capacity;
	unsigned read_count;
	struct mbshm_read reads[MBSHM_TXN_READS];
};

#endif
