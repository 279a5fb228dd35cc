/* Named producers.  An entry belongs to a name: it tells how fresh the values of that name are, and
 * outlives the process that writes them.  One process at a time holds it: its slot is noted, and
 * the slot's lock tells whether it lives. */
#include "libshm/source.h"

#include "libshm/clock.h"
#include "libshm/lock.h"

#include <errno.h>
#include <string.h>

enum {
	SOURCE_NAME,
	SOURCE_WALL_NS = SOURCE_NAME + MBSHM_SOURCE_NAME_SIZE / 8,
	SOURCE_MONO_NS,
	SOURCE_VERSION,
	SOURCE_COMMITS,
	SOURCE_USED,   /* odd: in use.  Raised when the entry changes hands, before and after, so
			  that a reader notices that it has read half of two names */
	SOURCE_HOLDER, /* slot + 1; 0: none */
	SOURCE_CLAIMED_NS, /* when, CLOCK_MONOTONIC */
	SOURCE_WORDS
};
_Static_assert(SOURCE_WORDS <= sizeof(struct segment_source) / 8, "a source fits");

/* An entry without a sign of life for so long may be given to another name, if none is free. */
#define DEAD_NS INT64_C(60000000000)

static bool name_ok(const char *name)
{
	size_t length = strnlen(name, MBSHM_SOURCE_NAME_SIZE);
	if (!length || length == MBSHM_SOURCE_NAME_SIZE)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
			return false;
	return true;
}

static bool entry_used(const struct segment_source *entry)
{
	return page_load(&entry->word[SOURCE_USED]) & 1;
}

static void name_load(const struct segment_source *entry, char *name)
{
	uint64_t words[MBSHM_SOURCE_NAME_SIZE / 8];
	for (unsigned i = 0; i < MBSHM_SOURCE_NAME_SIZE / 8; i++)
		words[i] = page_load(&entry->word[SOURCE_NAME + i]);
	memcpy(name, words, MBSHM_SOURCE_NAME_SIZE);
}

void source_refresh(struct mbshm *img, uint64_t version)
{
	if (!img->source)
		return;
	owner_store(&img->source->word[SOURCE_VERSION], version);
	owner_store(&img->source->word[SOURCE_COMMITS],
		    owner_load(&img->source->word[SOURCE_COMMITS]) + 1);
	mbshm_source_touch(img);
}

void mbshm_source_touch(struct mbshm *img)
{
	if (!img->source || handle_dead(img))
		return;
	owner_store(&img->source->word[SOURCE_WALL_NS], (uint64_t)clock_ns(CLOCK_REALTIME_COARSE));
	owner_store(&img->source->word[SOURCE_MONO_NS], (uint64_t)clock_ns(CLOCK_MONOTONIC_COARSE));
}

/* ---- under the lock ------------------------------------------------------------------------ */

/* The entry of that name; NULL: none. */
static struct segment_source *entry_find(struct mbshm *img, const char *name)
{
	char other[MBSHM_SOURCE_NAME_SIZE];
	for (unsigned i = 0; i < SEGMENT_SOURCES; i++) {
		struct segment_source *entry = &img->seg->sources[i];
		if (!entry_used(entry))
			continue;
		name_load(entry, other);
		if (!strncmp(name, other, sizeof other))
			return entry;
	}
	return NULL;
}

/* Does a process other than this handle's hold it?  A handle that dies, closes, or claims another
 * entry lets go of it. */
static bool entry_held(const struct mbshm *img, const struct segment_source *entry)
{
	uint64_t holder = owner_load(&entry->word[SOURCE_HOLDER]);
	return holder && holder <= SEGMENT_SLOTS && slot_alive(img, (unsigned)holder - 1);
}

/* Time since the last sign of life.  A time of the monotonic clock that is still to come is of
 * another boot or namespace; then the wall clock has to tell. */
static int64_t entry_age_ns(const struct segment_source *entry)
{
	uint64_t touched = owner_load(&entry->word[SOURCE_MONO_NS]),
		 claimed = owner_load(&entry->word[SOURCE_CLAIMED_NS]), now = mono_ns();
	uint64_t last = touched > claimed ? touched : claimed;
	if (last <= now)
		return (int64_t)(now - last);
	return (int64_t)((uint64_t)clock_ns(CLOCK_REALTIME) -
			 owner_load(&entry->word[SOURCE_WALL_NS]));
}

static void entry_free(struct segment_source *entry)
{
	owner_store(&entry->word[SOURCE_HOLDER], 0);
	if (entry_used(entry))
		owner_store(&entry->word[SOURCE_USED], owner_load(&entry->word[SOURCE_USED]) + 1);
}

/* An entry that is free, or that of the name which is dead longest; NULL: all live. */
static struct segment_source *entry_spare(struct mbshm *img)
{
	struct segment_source *dead = NULL;
	int64_t dead_ns = DEAD_NS;
	for (unsigned i = 0; i < SEGMENT_SOURCES; i++) {
		struct segment_source *entry = &img->seg->sources[i];
		if (!entry_used(entry))
			return entry;
		int64_t age_ns = entry_age_ns(entry);
		if (age_ns >= dead_ns && entry != img->source && !entry_held(img, entry)) {
			dead = entry;
			dead_ns = age_ns;
		}
	}
	if (dead)
		entry_free(dead);
	return dead;
}

/* The mark of use is stored last, so an entry whose claimer died stays free. */
static void entry_begin(struct segment_source *entry, const char *name)
{
	uint64_t words[MBSHM_SOURCE_NAME_SIZE / 8] = { 0 };
	memcpy(words, name, strlen(name));
	for (unsigned i = 0; i < MBSHM_SOURCE_NAME_SIZE / 8; i++)
		owner_store(&entry->word[SOURCE_NAME + i], words[i]);
	for (unsigned i = SOURCE_WALL_NS; i < SOURCE_USED; i++)
		owner_store(&entry->word[i], 0);
	owner_store(&entry->word[SOURCE_CLAIMED_NS], mono_ns());
	owner_store(&entry->word[SOURCE_USED], owner_load(&entry->word[SOURCE_USED]) + 1);
}

static int entry_claim(struct mbshm *img, const char *name)
{
	struct segment_source *entry = entry_find(img, name);
	if (entry && entry != img->source && entry_held(img, entry))
		return -EBUSY;
	if (!entry) {
		entry = entry_spare(img);
		if (!entry)
			return -ENOSPC;
		entry_begin(entry, name);
	}
	if (img->source && img->source != entry)
		owner_store(&img->source->word[SOURCE_HOLDER], 0);
	owner_store(&entry->word[SOURCE_CLAIMED_NS], mono_ns());
	owner_store(&entry->word[SOURCE_HOLDER], img->slot + UINT64_C(1));
	img->source = entry;
	return 0;
}

static int entry_forget(struct mbshm *img, const char *name)
{
	struct segment_source *entry = entry_find(img, name);
	if (!entry)
		return -ENOENT;
	if (entry != img->source && entry_held(img, entry))
		return -EBUSY;
	entry_free(entry);
	if (entry == img->source)
		img->source = NULL;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */

void sources_leave(struct mbshm *img)
{
	for (unsigned i = 0; i < SEGMENT_SOURCES; i++)
		holder_clear(&img->seg->sources[i].word[SOURCE_HOLDER], img->slot + UINT64_C(1));
}

void source_copy(struct segment_source *to, const struct segment_source *from)
{
	for (unsigned i = 0; i < SOURCE_WORDS; i++)
		page_store(&to->word[i], i == SOURCE_HOLDER ? 0 : page_load(&from->word[i]));
}

static int locked(struct mbshm *img, const char *name, uint32_t timeout_us,
		  int (*action)(struct mbshm *img, const char *name))
{
	int rc, released;
	if (!name_ok(name))
		return -EINVAL;
	rc = lock_take(img, timeout_us);
	if (rc)
		return rc;
	rc = action(img, name);
	released = lock_release(img);
	return rc ? rc : released;
}

int mbshm_source_claim(struct mbshm *img, const char *name, uint32_t timeout_us)
{
	return locked(img, name, timeout_us, entry_claim);
}

int mbshm_source_forget(struct mbshm *img, const char *name, uint32_t timeout_us)
{
	return locked(img, name, timeout_us, entry_forget);
}

int mbshm_source_get(const struct mbshm *img, unsigned index, struct mbshm_source *source)
{
	const struct segment_source *entry;
	uint64_t used;
	if (index >= SEGMENT_SOURCES)
		return -ERANGE;
	if (handle_dead(img))
		return -EPERM;
	entry = &img->seg->sources[index];
	used = page_load(&entry->word[SOURCE_USED]);
	if (!(used & 1))
		return -ENOENT;
	name_load(entry, source->name);
	source->wall_ns = (int64_t)page_load(&entry->word[SOURCE_WALL_NS]);
	source->mono_ns = (int64_t)page_load(&entry->word[SOURCE_MONO_NS]);
	source->version = page_load(&entry->word[SOURCE_VERSION]);
	source->commits = page_load(&entry->word[SOURCE_COMMITS]);
	if (!name_ok(source->name) || page_load(&entry->word[SOURCE_USED]) != used)
		return -EBADMSG;
	return 0;
}
