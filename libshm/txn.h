/* Inside of libmbshm: a transaction as staged. */
#ifndef LIBSHM_TXN_H
#define LIBSHM_TXN_H

#include "libshm/image.h"

/* A change: word = (word & ~mask) | value.  An expectation: (word & mask) == value. */
struct staged_word {
	uint16_t page; /* of the tables, 0..271; declared */
	uint8_t word;  /* in the page */
	bool expect;
	uint64_t mask, value;
};

/* A change that becomes a journal entry. */
struct journal_span {
	struct mbshm_origin origin;
	enum mbshm_table table;
	uint16_t addr, count; /* at most MBSHM_JOURNAL_BYTES of values */
};

struct mbshm_txn {
	struct mbshm *img;
	struct staged_word *words; /* in the order of staging: later ones win */
	unsigned count, capacity;
	bool expects;        /* there are expectations among them */
	unsigned page_count; /* pages changed, in order of first touch */
	uint16_t pages[MBSHM_PAGES_MAX];
	uint64_t touched[(MBSHM_PAGES_MAX + 63) / 64];
	struct journal_span *spans;
	unsigned span_count, span_capacity;
	bool journal;
	struct mbshm_origin origin; /* of what is staged next, when journal */
	unsigned read_count;
	struct mbshm_read reads[MBSHM_TXN_READS];
};

/* mbshm_txn_write of one span whose values begin at bit skip of write->values. */
int txn_write_part(struct mbshm_txn *txn, const struct mbshm_write *write, size_t skip);

#endif
