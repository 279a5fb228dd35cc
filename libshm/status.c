/* Looking at an image as a whole. */
#include "libshm/image.h"
#include "libshm/lock.h"
#include "libshm/read.h"
#include "libshm/why.h"

#include <errno.h>
#include <string.h>

int mbshm_status(const struct mbshm *img, struct mbshm_status *status)
{
	uint64_t root[ROOT_WORDS_MAX];
	int rc = root_copy(img, root, &status->version);
	if (rc)
		return rc;
	const struct segment_control *control = &img->seg->control;
	uint64_t head = owner_load(&control->free_head), tail = owner_load(&control->free_tail);
	status->wall_ns = (int64_t)root[ROOT_WALL_NS];
	status->mono_ns = (int64_t)root[ROOT_MONO_NS];
	status->size_bytes = img->size_bytes;
	status->pool_pages = img->pool_pages;
	status->live_pages = img->live;
	status->free_pages = tail - head <= img->pool_pages ? (uint32_t)(tail - head) : 0;
	status->steals = owner_load(&control->steals);
	status->retries = count_load(img->retries);
	status->journal_next = root[ROOT_JOURNAL] + 1;
	return 0;
}

/* Under the lock. */
static int audit(const struct mbshm *img, char *why)
{
	const struct segment_control *control = &img->seg->control;
	uint8_t owners[MBSHM_POOL_MAX + 1] = { 0 }; /* 1: named by the root, 2: by the free list */
	uint64_t commit = commit_load(control), head = owner_load(&control->free_head),
		 tail = owner_load(&control->free_tail);
	if (commit_root(commit) >= img->pool_pages)
		return why_set(why, -EBADMSG, "root page %u is outside the pool",
			       commit_root(commit));
	if (page_load(&img->pool[commit_root(commit)].word[ROOT_VERSION]) != commit_version(commit))
		return why_set(why, -EBADMSG, "the root page is not of version %llu",
			       (unsigned long long)commit_version(commit));
	if (min_valid_load(control) > commit_version(commit))
		return why_set(why, -EBADMSG, "min_valid is ahead of the version");
	for (unsigned i = 0; i <= img->live; i++) {
		uint32_t page = i < img->live ? root_entry(img, commit_root(commit), i)
					      : commit_root(commit);
		if (page >= img->pool_pages || owners[page])
			return why_set(why, -EBADMSG, "live page %u: pool page %u is %s", i, page,
				       page >= img->pool_pages ? "outside the pool"
							       : "named twice");
		owners[page] = 1;
	}
	if (owner_load(&control->dirty))
		return 0; /* the next commit rebuilds the free list */
	if (tail - head != img->pool_pages - img->live - 1)
		return why_set(why, -EBADMSG, "%llu free pages; expected %u",
			       (unsigned long long)(tail - head), img->pool_pages - img->live - 1);
	for (; head != tail; head++) {
		uint64_t entry = owner_load(&img->seg->free_list[head & img->free_mask]);
		if ((entry & 0xffff) >= img->pool_pages || owners[entry & 0xffff] ||
		    entry >> 16 > commit_version(commit))
			return why_set(why, -EBADMSG, "free list entry %#llx",
				       (unsigned long long)entry);
		owners[entry & 0xffff] = 2;
	}
	return 0;
}

int mbshm_audit(struct mbshm *img, uint32_t timeout_us, char *why)
{
	int rc, released;
	rc = lock_take(img, timeout_us);
	if (rc)
		return why_set(why, rc, "could not get the writer lock: %s", strerror(-rc));
	rc = audit(img, why);
	released = lock_release(img);
	return rc ? rc : released;
}
