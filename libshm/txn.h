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

/* journal.c, under the lock: write the transaction's entries as their values stand under root;
 * next: the sequence number of the first. */
int journal_write(struct mbshm *img, const struct mbshm_txn *txn, uint32_t root, uint64_t version,
		  uint64_t next);
/* wait.c: after a publish. */
void wait_wake(struct mbshm *img);
/* source.c, under the lock or not: this handle has just published version. */
void source_refresh(struct mbshm *img, uint64_t version);

#endif
