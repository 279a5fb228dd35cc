/* Requests against images: the bridge between protocol.h and mbshm.h. */
#ifndef EXECUTE_H
#define EXECUTE_H

#include "policy.h"
#include "protocol.h"

enum {
	EXECUTE_BUSY = -1,
	EXECUTE_TXN_WORDS = 64,	/* room for the largest write: 1968 bits or 123 registers, unaligned */
};

/* Answer one ADU of bytes bytes (as framed) into out (ADU_MAX bytes).
 * txn: the calling thread's own.  lock_wait_us: how long to try for the writer lock.
 * The bytes of the answer; EXECUTE_BUSY: the writer lock was not to be had, nothing was changed, ask again. */
int execute(const struct policy *policy, struct mbshm_txn *txn, uint32_t lock_wait_us, const uint8_t *adu, size_t bytes,
	    uint8_t *out);

#endif
