/* The free list: first in, first out, so that a page rests as long as possible before its next
 * life.  Every function runs under the lock. */
#include "libshm/freelist.h"

#include <errno.h>

/* An entry is the version that retired the page << 16 | page. */

/* A page that the committed root does not name is free.  The stamps are the current version, since
 * a reader may still hold any older one. */
int freelist_rebuild(struct mbshm *img, uint64_t commit)
{
	struct segment_control *control = &img->seg->control;
	uint8_t used[(MBSHM_POOL_MAX + 8) / 8] = { 0 };
	uint32_t root = commit_root(commit);
	uint64_t stamp = MUTATED(STAMP_ZERO) ? 0 : commit_version(commit), tail = 0;
	owner_store(&control->dirty, 1); /* a death in here must lead here again */
	POINT(rebuild_started);
	for (unsigned i = 0; i <= img->live; i++) {
		uint32_t page = i < img->live ? root_entry(img, root, i) : root;
		if (page >= img->pool_pages || used[page / 8] & 1u << page % 8)
			return -EBADMSG;
		used[page / 8] |= (uint8_t)(1u << page % 8);
	}
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

int freelist_take(struct mbshm *img, uint64_t version, unsigned count, uint16_t *pages,
		  uint64_t *stamp)
{
	struct segment_control *control = &img->seg->control;
	uint64_t head = owner_load(&control->free_head), tail = owner_load(&control->free_tail);
	if (tail - head > img->free_mask + 1 || tail - head < count)
		return -EBADMSG;
	*stamp = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t entry = owner_load(&img->seg->free_list[(head + i) & img->free_mask]);
		if ((entry & 0xffff) >= img->pool_pages || entry >> 16 > version)
			return -EBADMSG;
		pages[i] = entry & 0xffff;
		if (entry >> 16 > *stamp)
			*stamp = entry >> 16;
	}
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
