/* Named producers.  An entry belongs to a name, not to a process: it tells how fresh the values of
 * that name are, whichever process writes them now. */
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
	SOURCE_USED
};
_Static_assert(SOURCE_USED < sizeof(struct segment_source) / 8, "a source fits");

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

/* The name as stored; false: entry unused. */
static bool name_load(const struct segment_source *entry, char *name)
{
	uint64_t words[MBSHM_SOURCE_NAME_SIZE / 8];
	if (!page_load(&entry->word[SOURCE_USED]))
		return false;
	for (unsigned i = 0; i < MBSHM_SOURCE_NAME_SIZE / 8; i++)
		words[i] = page_load(&entry->word[SOURCE_NAME + i]);
	memcpy(name, words, MBSHM_SOURCE_NAME_SIZE);
	return true;
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

/* Under the lock: find the entry of that name, or prepare a free one.  The mark of use is stored
 * last, so an entry whose claimer died stays free. */
static struct segment_source *entry_find(struct mbshm *img, const char *name)
{
	struct segment_source *free_entry = NULL;
	uint64_t words[MBSHM_SOURCE_NAME_SIZE / 8] = { 0 };
	char other[MBSHM_SOURCE_NAME_SIZE];
	for (unsigned i = 0; i < SEGMENT_SOURCES; i++) {
		struct segment_source *entry = &img->seg->sources[i];
		if (!name_load(entry, other)) {
			if (!free_entry)
				free_entry = entry;
		} else if (!strncmp(name, other, sizeof other)) {
			return entry;
		}
	}
	if (!free_entry)
		return NULL;
	memcpy(words, name, strlen(name));
	for (unsigned i = 0; i < MBSHM_SOURCE_NAME_SIZE / 8; i++)
		owner_store(&free_entry->word[SOURCE_NAME + i], words[i]);
	for (unsigned i = SOURCE_WALL_NS; i < SOURCE_USED; i++)
		owner_store(&free_entry->word[i], 0);
	owner_store(&free_entry->word[SOURCE_USED], 1);
	return free_entry;
}

int mbshm_source_claim(struct mbshm *img, const char *name, uint32_t timeout_us)
{
	struct segment_source *entry;
	int rc;
	if (!name_ok(name))
		return -EINVAL;
	rc = lock_take(img, timeout_us);
	if (rc)
		return rc;
	entry = entry_find(img, name);
	if (entry)
		img->source = entry;
	rc = lock_release(img);
	return entry ? rc : -ENOSPC;
}

int mbshm_source_get(const struct mbshm *img, unsigned index, struct mbshm_source *source)
{
	const struct segment_source *entry;
	if (index >= SEGMENT_SOURCES)
		return -ERANGE;
	if (handle_dead(img))
		return -EPERM;
	entry = &img->seg->sources[index];
	if (!name_load(entry, source->name))
		return -ENOENT;
	if (!name_ok(source->name))
		return -EBADMSG;
	source->wall_ns = (int64_t)page_load(&entry->word[SOURCE_WALL_NS]);
	source->mono_ns = (int64_t)page_load(&entry->word[SOURCE_MONO_NS]);
	source->version = page_load(&entry->word[SOURCE_VERSION]);
	source->commits = page_load(&entry->word[SOURCE_COMMITS]);
	return 0;
}
