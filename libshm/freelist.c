/* The free list: first in, first out, so that a page rests as long as possible before its next
 * life.  Every function runs under the lock. */
#include "libshm/freelist.h"

#include "libshm/read.h"

#include <errno.h>
#include <string.h>

/* An entry is the version that retired the page << 16 | page. */

/* A page that the committed root does not name is free.  The stamps are the current version, since
 * a reader may still hold any older one. */
int freelist_rebuild(struct mbshm *img, uint64_t commit)
{
	struct segment_control *control = &img->seg->control;
	uint8_t used[POOL_SET_BYTES] = { 0 };
	uint64_t stamp = MUTATED(STAMP_ZERO) ? 0 : commit_version(commit), tail = 0;
	owner_store(&control->dirty, 1); /* a death in here must lead here again */
	POINT(rebuild_started);
	if (root_mark(img, commit_root(commit), used))
		return -EBADMSG;
	for (uint32_t page = 0; page < img->pool_pages; page++) {
		if (used[page / 8] & 1u << page % 8)
			continue;
		owner_store(&img->seg->free_list[tail++], stamp << 16 | page);
		if (page == img->pool_pages / 2)
			POINT(rebuild_half);
	}
	POINT(rebuild_listed);
	owner_store(&control->free_head, 0);
	owner_store(&control->free_tail, tail);
	POINT(rebuild_done);
	return 0;
}

void freelist_note(struct mbshm *img, unsigned i, uint64_t word)
{
	unsigned place = (i - ROOT_PAGES) * 4;
	for (uint64_t change = img->known[i] ^ word; change;) {
		unsigned shift = (unsigned)__builtin_ctzll(change) & 48;
		if (place + shift / 16 >= img->live)
			break;
		img->named[img->known[i] >> shift & 0xffff]--;
		img->named[word >> shift & 0xffff]++;
		change &= ~(UINT64_C(0xffff) << shift);
	}
	img->known[i] = word;
}

/* Could the entry be one of this list, as far as the pool, the version and the root tell? */
static bool entry_ok(const struct mbshm *img, uint64_t commit, uint64_t entry)
{
	uint32_t page = entry & 0xffff;
	return page < img->pool_pages && entry <= (commit | 0xffff) &&
	       ((page != commit_root(commit) && !img->named[page]) || MUTATED(LIST_TRUSTED));
}

/* Look at the first count entries.  The number of those that are well and name no page twice. */
static unsigned entries_read(struct mbshm *img, uint64_t commit, unsigned count, uint16_t *pages,
			     uint64_t *stamp)
{
	uint64_t head = owner_load(&img->seg->control.free_head), most = 0;
	unsigned read = 0;
	for (; read < count; read++) {
		uint64_t entry = owner_load(&img->seg->free_list[(head + read) & img->free_mask]);
		if (!entry_ok(img, commit, entry))
			break;
		pages[read] = entry & 0xffff;
		img->named[pages[read]]++;
		if (entry > most)
			most = entry;
	}
	for (unsigned i = 0; i < read; i++)
		img->named[pages[i]]--;
	*stamp = most >> 16;
	return read;
}

/* Is every entry well, and no page twice in the list? */
static bool list_whole(const struct mbshm *img, uint64_t commit, uint64_t head, uint64_t tail)
{
	uint8_t seen[POOL_SET_BYTES];
	memset(seen, 0, img->pool_pages / 8 + 1);
	for (; head != tail; head++) {
		uint64_t entry = owner_load(&img->seg->free_list[head & img->free_mask]);
		uint32_t page = entry & 0xffff;
		if (!entry_ok(img, commit, entry) || seen[page / 8] & 1u << page % 8)
			return MUTATED(LIST_TRUSTED);
		seen[page / 8] |= (uint8_t)(1u << page % 8);
	}
	return true;
}

int freelist_take(struct mbshm *img, uint64_t commit, unsigned count, uint16_t *pages,
		  uint64_t *stamp)
{
	struct segment_control *control = &img->seg->control;
	uint64_t head = owner_load(&control->free_head), tail = owner_load(&control->free_tail);
	if (tail - head != img->pool_pages - img->live - 1 && !MUTATED(NO_REBUILD) &&
	    !MUTATED(LIST_TRUSTED))
		return -EBADMSG;
	/* An entry that names a page which is free by the time when it is taken shows only beside
	 * that page's own entry: look at all of them once in four rounds of the ring. */
	if ((head ^ (head + count)) & ~(4 * img->free_mask + 3) &&
	    !list_whole(img, commit, head, tail))
		return -EBADMSG;
	if (entries_read(img, commit, count, pages, stamp) < count)
		return -EBADMSG;
	owner_store(&control->dirty, 1);
	POINT(dirty_set);
	owner_store(&control->free_head, head + count);
	POINT(pages_taken);
	return 0;
}

void freelist_give(struct mbshm *img, uint64_t version, const uint16_t *pages, unsigned count)
{
	struct segment_control *control = &img->seg->control;
	uint64_t stamp = MUTATED(STAMP_LOW) ? version - 1 : version,
		 tail = owner_load(&control->free_tail);
	for (unsigned i = 0; i < count; i++)
		owner_store(&img->seg->free_list[(tail + i) & img->free_mask],
			    stamp << 16 | pages[i]);
	owner_store(&control->free_tail, tail + count);
	POINT(pages_returned);
	owner_store(&control->dirty, 0);
	POINT(clean);
}
