/* Two other ways to share registers between processes, for comparison: a seqlock and a pthread
 * rwlock, over the same atomic 64-bit words, copied the same way, but in one flat table.  (Neither
 * outlives a writer that is killed or stopped inside.) */
#ifndef TESTS_BENCH_RIVALS_H
#define TESTS_BENCH_RIVALS_H

#include "libshm/order.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { RIVAL_WORDS = MBSHM_ITEMS / 4, RIVAL_TRIES = 16 }; /* as many tries as the image has */

struct rival {
	_Alignas(64) _Atomic uint64_t sequence; /* the seqlock's: odd while it is written */
	_Alignas(64) pthread_rwlock_t rwlock;
	_Alignas(64) _Atomic uint64_t words[RIVAL_WORDS];
};

static inline void word_copy(const _Atomic uint64_t *word, uint16_t *out)
{
	uint64_t value = page_load(word);
	memcpy(out, &value, sizeof value);
}

/* first: a multiple of 4. */
static inline void rival_copy(const struct rival *rival, unsigned first, unsigned count,
			      uint16_t *out)
{
	const _Atomic uint64_t *word = &rival->words[first / 4];
	for (; count >= 16; count -= 16, word += 4, out += 16) {
		word_copy(word, out);
		word_copy(word + 1, out + 4);
		word_copy(word + 2, out + 8);
		word_copy(word + 3, out + 12);
	}
	for (; count >= 4; count -= 4, out += 4)
		word_copy(word++, out);
	if (count != 0) {
		uint64_t value = page_load(word);
		memcpy(out, &value, count * sizeof *out);
	}
}

/* One register, a multiple of 4. */
static inline void rival_store(struct rival *rival, unsigned at, uint16_t value)
{
	_Atomic uint64_t *word = &rival->words[at / 4];
	page_store(word, (page_load(word) & ~UINT64_C(0xffff)) | value);
}

/* 0, -EAGAIN: overtaken in each try. */
static inline int seqlock_read(const struct rival *rival, unsigned first, unsigned count,
			       uint16_t *out)
{
	for (unsigned i = 0; i < RIVAL_TRIES; i++) {
		uint64_t before = atomic_load_explicit(&rival->sequence, memory_order_acquire);
		if (before % 2 != 0) {
			cpu_relax();
			continue;
		}
		rival_copy(rival, first, count, out);
		/* The acquire loads of the copy come before it. */
		if (atomic_load_explicit(&rival->sequence, memory_order_relaxed) == before)
			return 0;
	}
	return -EAGAIN;
}

/* One writer at a time. */
static inline int seqlock_write(struct rival *rival, unsigned at, uint16_t value)
{
	uint64_t before = atomic_load_explicit(&rival->sequence, memory_order_relaxed);
	atomic_store_explicit(&rival->sequence, before + 1,
			      memory_order_relaxed); /* the release of page_store comes after it */
	rival_store(rival, at, value);
	atomic_store_explicit(&rival->sequence, before + 2, memory_order_release);
	return 0;
}

static inline int rwlock_read(struct rival *rival, unsigned first, unsigned count, uint16_t *out)
{
	int error = pthread_rwlock_rdlock(&rival->rwlock);
	if (error == 0) {
		rival_copy(rival, first, count, out);
		error = pthread_rwlock_unlock(&rival->rwlock);
	}
	return -error;
}

static inline int rwlock_write(struct rival *rival, unsigned at, uint16_t value)
{
	int error = pthread_rwlock_wrlock(&rival->rwlock);
	if (error == 0) {
		rival_store(rival, at, value);
		error = pthread_rwlock_unlock(&rival->rwlock);
	}
	return -error;
}

/* rival: zeroed, in memory that the processes share. */
static inline int rival_init(struct rival *rival)
{
	pthread_rwlockattr_t attributes;
	int error = pthread_rwlockattr_init(&attributes);
	if (error == 0)
		error = pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	return error != 0 ? error : pthread_rwlock_init(&rival->rwlock, &attributes);
}

#endif
