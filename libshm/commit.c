/* Commit: the staged words become one new version.  Before the publish nothing has changed that a
 * reader looks at; after it everything has. */
#include "libshm/clock.h"
#include "libshm/freelist.h"
#include "libshm/journal.h"
#include "libshm/lock.h"
#include "libshm/read.h"
#include "libshm/source.h"
#include "libshm/txn.h"
#include "libshm/wait.h"

#include <errno.h>

/* A commit's private view: the root as it will be, and which pages are taken for which. */
struct change {
	uint64_t base; /* commit word that is replaced */
	uint64_t root[ROOT_WORDS_MAX];
	/* pool pages taken for the transaction's pages, and for the root */
	uint16_t pages[MBSHM_PAGES_MAX + 1];
	uint16_t given[MBSHM_PAGES_MAX + 1]; /* pool pages they replace, and the old root */
};

static inline unsigned entry_get(const uint64_t *root, unsigned place)
{
	return root[ROOT_PAGES + place / 4] >> place % 4 * 16 & 0xffff;
}

static inline void entry_set(uint64_t *root, unsigned place, unsigned page)
{
	uint64_t *word = &root[ROOT_PAGES + place / 4];
	unsigned shift = place % 4 * 16;
	*word = (*word & ~(UINT64_C(0xffff) << shift)) | (uint64_t)page << shift;
}

/* Load the committed root and check the parts of it that will be used. */
static int change_begin(struct mbshm *img, const struct mbshm_txn *txn, struct change *change)
{
	uint32_t root = commit_root(change->base);
	if (root >= img->pool_pages || commit_version(change->base) >= VERSION_MAX)
		return -EBADMSG;
	for (unsigned i = 0; i < ROOT_PAGES; i++)
		change->root[i] = page_load(&img->pool[root].word[i]);
	for (unsigned i = ROOT_PAGES; i < img->root_words; i++) {
		change->root[i] = page_load(&img->pool[root].word[i]);
		if (change->root[i] != img->known[i])
			freelist_note(img, i, change->root[i]);
	}
	for (unsigned i = 0; i < txn->page_count; i++)
		if (entry_get(change->root, img->root_slot[txn->pages[i]]) >= img->pool_pages)
			return -EBADMSG;
	return 0;
}

static bool expectations_hold(const struct mbshm *img, const struct mbshm_txn *txn,
			      const struct change *change)
{
	for (unsigned i = 0; i < txn->count; i++) {
		const struct staged_word *staged = &txn->words[i];
		if (!staged->expect)
			continue;
		uint32_t page = entry_get(change->root, img->root_slot[staged->page]);
		if (page >= img->pool_pages || (page_load(&img->pool[page].word[staged->word]) &
						staged->mask) != staged->value)
			return false;
	}
	return true;
}

/* Take pages for everything; a damaged or stale free list is rebuilt.  *stamp: the highest version
 * that retired one of them. */
static int pages_take(struct mbshm *img, const struct mbshm_txn *txn, struct change *change,
		      uint64_t *stamp)
{
	unsigned count = txn->page_count + 1;
	bool stale = owner_load(&img->seg->control.dirty) && !MUTATED(NO_REBUILD);
	int rc = stale ? -EBADMSG : freelist_take(img, change->base, count, change->pages, stamp);
	if (rc) {
		rc = freelist_rebuild(img, change->base);
		if (!rc)
			rc = freelist_take(img, change->base, count, change->pages, stamp);
	}
	return rc;
}

/* Warn readers that may still read what the taken pages held before. */
static void readers_warn(struct segment_control *control, uint64_t stamp)
{
	if (stamp > min_valid_load(control))
		min_valid_store(control, stamp);
	POINT(min_valid_raised);
}

/* Copy only the words that spans touch; the others are never read. */
static void page_copy(struct segment_page *to, const struct segment_page *from,
		      struct word_range range)
{
	_Atomic uint64_t *out = &to->word[range.first];
	const _Atomic uint64_t *in = &from->word[range.first];
	unsigned count = range.last - range.first + 1u;
	for (; count >= 4; count -= 4, in += 4, out += 4) {
		page_store(out, page_load(in));
		page_store(out + 1, page_load(in + 1));
		page_store(out + 2, page_load(in + 2));
		page_store(out + 3, page_load(in + 3));
	}
	while (count--)
		page_store(out++, page_load(in++));
}

static void pages_write(struct mbshm *img, const struct mbshm_txn *txn, struct change *change)
{
	unsigned last = MBSHM_PAGES_MAX;
	struct segment_page *page = NULL;
	for (unsigned i = 0; i < txn->page_count; i++) {
		unsigned place = img->root_slot[txn->pages[i]];
		change->given[i] = (uint16_t)entry_get(change->root, place);
		page_copy(&img->pool[change->pages[i]], &img->pool[change->given[i]],
			  img->used[place]);
		entry_set(change->root, place, change->pages[i]);
		POINT(page_copied);
	}
	for (unsigned i = 0; i < txn->count; i++) {
		const struct staged_word *staged = &txn->words[i];
		if (staged->expect)
			continue;
		if (staged->page != last) {
			last = staged->page;
			page = &img->pool[entry_get(change->root, img->root_slot[last])];
		}
		_Atomic uint64_t *word = &page->word[staged->word];
		page_store(word, (page_load(word) & ~staged->mask) | staged->value);
	}
}

static void root_write(struct mbshm *img, const struct mbshm_txn *txn, struct change *change,
		       uint64_t version)
{
	struct segment_page *page = &img->pool[change->pages[txn->page_count]];
	change->given[txn->page_count] = (uint16_t)commit_root(change->base);
	change->root[ROOT_VERSION] = version;
	change->root[ROOT_WALL_NS] = (uint64_t)clock_ns(CLOCK_REALTIME_COARSE);
	change->root[ROOT_MONO_NS] = (uint64_t)clock_ns(CLOCK_MONOTONIC_COARSE);
	change->root[ROOT_WRITER] = img->slot;
	change->root[ROOT_JOURNAL] += txn->span_count;
	for (unsigned i = 0; i < img->root_words; i++) {
		page_store(&page->word[i], change->root[i]);
		if (i == ROOT_PAGES)
			POINT(root_half);
	}
	POINT(root_written);
}

static int reads_fill(const struct mbshm *img, const struct mbshm_txn *txn, uint32_t root)
{
	int rc = 0;
	for (unsigned i = 0; i < txn->read_count && !rc; i++)
		rc = span_copy(img, root, &txn->reads[i]);
	return rc;
}

/* Under the lock. */
static int publish(struct mbshm *img, const struct mbshm_txn *txn, uint64_t *version)
{
	struct segment_control *control = &img->seg->control;
	struct change change;
	uint64_t stamp;
	int rc;
	change.base = commit_load(control);
	*version = commit_version(change.base);
	rc = change_begin(img, txn, &change);
	if (rc)
		return rc;
	if (txn->expects && !expectations_hold(img, txn, &change))
		return -ECANCELED;
	if (!txn->page_count)
		return reads_fill(img, txn, commit_root(change.base));
	rc = pages_take(img, txn, &change, &stamp);
	if (rc)
		return rc;
	if (!MUTATED(MIN_VALID_MISSING) && !MUTATED(MIN_VALID_LATE))
		readers_warn(control, stamp);
	pages_write(img, txn, &change);
	root_write(img, txn, &change, ++*version);
	if (MUTATED(MIN_VALID_LATE))
		readers_warn(control, stamp);
	rc = reads_fill(img, txn, change.pages[txn->page_count]);
	if (!rc && txn->span_count)
		rc = journal_write(img, txn, change.pages[txn->page_count], *version,
				   change.root[ROOT_JOURNAL] - txn->span_count + 1);
	if (rc)
		return rc;
	/* Only the lock's owner stores commit, so a failure means that another process owns it too.
	 * Then dirty stays set. */
	if (!commit_publish(control, change.base, *version << 16 | change.pages[txn->page_count]))
		return -EBADMSG;
	POINT(published);
	freelist_give(img, *version, change.given, txn->page_count + 1);
	source_refresh(img, *version);
	return 0;
}

int mbshm_txn_commit(struct mbshm_txn *txn, uint32_t timeout_us, uint64_t *version)
{
	struct mbshm *img = txn->img;
	uint64_t published;
	int rc, released;
	rc = lock_take(img, timeout_us);
	if (rc)
		return rc;
	rc = publish(img, txn, &published);
	released = lock_release(img);
	if (!rc)
		wait_wake(img); /* outside the lock: it may be a system call */
	if (version && (!rc || rc == -ECANCELED))
		*version = published;
	if (rc || released)
		return rc ? rc : released;
	mbshm_txn_begin(txn, img);
	return 0;
}
