/* Every access to a word that several processes share, with its memory order and the partner it
 * pairs with.  No other file of the library writes memory_order or uses an atomic operation.
 * docs/image.md has the argument that these are enough. */
#ifndef LIBSHM_ORDER_H
#define LIBSHM_ORDER_H

#include "libshm/layout.h"

/* Data and root words.  A reader that sees a word of a page's next life also sees the min_valid
 * that was raised before: page_store releases it, page_load acquires it.  Plain mov on x86-64. */
static inline uint64_t page_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_acquire); /* pairs with page_store */
}
static inline void page_store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release); /* pairs with page_load */
}

/* The commit word.  Acquire pairs with the release of commit_publish: a reader that sees a version
 * sees its pages.  (seq_cst: see waiters_announce.) */
static inline uint64_t commit_load(const struct segment_control *control)
{
	return atomic_load_explicit(&control->commit, memory_order_acquire);
}
static inline bool commit_publish(struct segment_control *control, uint64_t old, uint64_t new)
{
	return atomic_compare_exchange_strong_explicit(&control->commit, &old, new,
						       memory_order_seq_cst, memory_order_acquire);
}

/* No version will follow: the image was replaced.  Sequentially consistent like commit_publish, and
 * for the same reason: whoever waits sees it, or is seen by waiters_load. */
static inline void commit_retire(struct segment_control *control)
{
	atomic_store(&control->commit, COMMIT_RETIRED);
}

/* min_valid.  Loaded after the data: the acquires of page_load keep it there.  Stored before the
 * first page_store, whose release carries it.  Acquire on the load so that a commit word loaded
 * after it is not older than the one that allowed it. */
static inline uint64_t min_valid_load(const struct segment_control *control)
{
	return atomic_load_explicit(&control->min_valid, memory_order_acquire);
}
static inline void min_valid_store(struct segment_control *control, uint64_t version)
{
	atomic_store_explicit(&control->min_valid, version, memory_order_release);
}

/* The writer lock.  Taking acquires what the last owner released. */
static inline uint64_t lock_load(const struct segment_control *control)
{
	return atomic_load_explicit(&control->lock, memory_order_acquire);
}
static inline bool lock_swap(struct segment_control *control, uint64_t old, uint64_t new)
{
	return atomic_compare_exchange_strong_explicit(&control->lock, &old, new,
						       memory_order_acq_rel, memory_order_relaxed);
}

/* Words that only the lock's owner changes.  Each store is a release so that they reach memory in
 * program order: a process killed between two of them leaves the first without the second, never
 * the other way round. */
static inline uint64_t owner_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}
static inline void owner_store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, memory_order_release);
}

/* The holder of a source, for whom its slot's next owner lets go, without the writer lock: by
 * exchange, so that a claim meanwhile is not undone. */
static inline void holder_clear(_Atomic uint64_t *word, uint64_t holder)
{
	atomic_compare_exchange_strong_explicit(word, &holder, 0, memory_order_acq_rel,
						memory_order_relaxed);
}

/* Waiting.  A waiter announces itself, then looks at commit; a writer publishes or retires, then
 * looks for an announcement.  All four accesses are sequentially consistent, so at least one of the
 * two sees the other. */
static inline void waiters_announce(struct segment_control *control, uint64_t until)
{
	uint64_t known = atomic_load(&control->wait_until);
	while (known < until && !atomic_compare_exchange_weak(&control->wait_until, &known, until))
		;
}
static inline uint64_t waiters_load(struct segment_control *control)
{
	return atomic_load(&control->wait_until);
}
static inline uint64_t waiters_take(struct segment_control *control)
{
	return atomic_exchange(&control->wait_until, 0);
}
static inline uint64_t commit_load_ordered(const struct segment_control *control)
{
	return atomic_load(&control->commit);
}
static inline uint32_t wake_count_load(struct segment_control *control)
{
	return atomic_load(&control->wait_futex);
}
static inline void wake_count_up(struct segment_control *control)
{
	atomic_fetch_add(&control->wait_futex, 1);
}

/* A flag of a handle that is raised once; no data depends on it. */
static inline bool flag_load(const _Atomic bool *flag)
{
	return atomic_load_explicit(flag, memory_order_relaxed);
}
static inline void flag_raise(_Atomic bool *flag)
{
	atomic_store_explicit(flag, true, memory_order_relaxed);
}

/* Process-private statistics of a handle. */
static inline void count_up(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}
static inline uint64_t count_load(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
