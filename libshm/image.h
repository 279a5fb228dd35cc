/* Inside of libmbshm: the handle, and how its words are taken apart. */
#ifndef LIBSHM_IMAGE_H
#define LIBSHM_IMAGE_H

#include "libshm/layout.h"
#include "libshm/order.h"
#include "libshm/points.h"

#include <pthread.h>

/* Words first..last of a page. */
struct word_range {
	uint8_t first, last;
};

struct mbshm {
	/* Set by open, then constant. */
	struct segment *seg;       /* PROT_READ only unless writable */
	struct segment_page *pool; /* inside seg */
	uint64_t free_mask;        /* free list slots - 1 */
	size_t size_bytes;
	int fd; /* carries the slot's lock */
	bool writable;
	uint16_t slot; /* this writer's, 0..SEGMENT_SLOTS - 1 */
	uint32_t pool_pages;
	unsigned live;              /* pages that the spans touch */
	unsigned root_words;        /* used words of a root page */
	struct mbshm_layout layout; /* private, checked copy of the header's */
	/* The spans of table t are first_span[t] .. first_span[t + 1] - 1. */
	uint16_t first_span[MBSHM_TABLES + 1];
	uint16_t root_slot[MBSHM_PAGES_MAX];     /* place of a page in the root, or NO_PAGE */
	struct word_range used[MBSHM_PAGES_MAX]; /* by place in the root: words that spans touch */
	char name[MBSHM_NAME_SIZE];
	dev_t dev;
	ino_t ino;
	uid_t owner;
	gid_t group;
	gid_t accepted; /* the config's group */

	/* Any thread. */
	_Atomic bool dead;          /* inherited by fork */
	_Atomic bool lost;          /* access has faulted: seg is a retired stand-in */
	_Atomic uint64_t overtaken; /* reads that were tried again */
	_Atomic uint64_t *retries;  /* &overtaken, for readers, whose handle is const */

	/* The committing thread's, under mutex. */
	pthread_mutex_t mutex;
	uint64_t held;                 /* our lock word while we own the lock */
	struct segment_source *source; /* refreshed by each commit; NULL: none claimed */
	/* The root as this handle saw it last, and how often it names each pool page: so that a
	 * page from the free list is compared with all of them in one step. */
	uint64_t known[ROOT_WORDS_MAX];
	uint16_t named[UINT16_MAX + 1];

	struct values *kept;  /* the caller's of mbshm_keep: copy for mbshm_revive; NULL: none */
	struct values *spare; /* for its next one */

	struct mbshm *next; /* all handles of the process, for the fork handler */
};

/* Was it inherited by a fork?  Then nothing may be done with it. */
static inline bool handle_dead(const struct mbshm *img)
{
	return flag_load(&img->dead);
}

/* mbshm_layout_has of the handle's layout.  Inline, since every read begins with it. */
static inline bool handle_declares(const struct mbshm *img, enum mbshm_table table, uint32_t first,
				   uint32_t count)
{
	if ((unsigned)table >= MBSHM_TABLES || !count || count > MBSHM_ITEMS ||
	    first > MBSHM_ITEMS - count)
		return false;
	const struct mbshm_span *span = &img->layout.spans[img->first_span[table]];
	const struct mbshm_span *end = &img->layout.spans[img->first_span[table + 1]];
	for (; span < end && first >= span->first; span++)
		if (first - span->first < span->count)
			return count <= span->count - (first - span->first);
	return false;
}

static inline uint64_t commit_version(uint64_t commit)
{
	return commit >> 16;
}
static inline uint32_t commit_root(uint64_t commit)
{
	return commit & 0xffff;
}
/* Retired, or zero: the segment was truncated and has grown again. */
static inline bool commit_gone(uint64_t commit)
{
	return commit == COMMIT_RETIRED || !commit_version(commit);
}

/* The pool page at a place in a root page.  Unchecked: compare with pool_pages before use. */
static inline uint32_t root_entry(const struct mbshm *img, uint32_t root, unsigned place)
{
	return page_load(&img->pool[root].word[ROOT_PAGES + place / 4]) >> place % 4 * 16 & 0xffff;
}

#endif
