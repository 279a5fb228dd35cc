/* The journal of outside writes. */
#ifndef LIBSHM_JOURNAL_H
#define LIBSHM_JOURNAL_H

#include "libshm/txn.h"

/* Under the lock: write the transaction's entries with their values as they stand under root.
 * next: the sequence number of the first.  0, or -EBADMSG. */
int journal_write(struct mbshm *img, const struct mbshm_txn *txn, uint32_t root, uint64_t version,
		  uint64_t next);

#endif
