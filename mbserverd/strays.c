/* Requests for what the image does not declare. */
#include "mbserverd/strays.h"

#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct stray_range) == 24, "no padding: all bytes are compared");

static uint64_t check_of(const struct stray_range *range)
{
	return hash_bytes(range, sizeof *range);
}

/* Its entry, or the one that makes room: an empty one, the least frequent, the oldest of those. */
static struct stray *stray_find(struct strays *strays, const struct stray_range *range,
				uint64_t check)
{
	struct stray *least = strays->entries;
	for (struct stray *e = strays->entries; e < strays->entries + STRAYS_MAX; e++) {
		if (e->times && e->check == check && !memcmp(&e->range, range, sizeof *range))
			return e;
		if (e->times < least->times ||
		    (e->times == least->times && e->last_ms < least->last_ms))
			least = e;
	}
	*least = (struct stray){ .check = check, .range = *range };
	return least;
}

void strays_add(struct strays *strays, const struct stray_range *range, uint64_t times,
		int64_t last_ms)
{
	struct stray *entry = stray_find(strays, range, check_of(range));
	entry->times += times;
	if (entry->last_ms < last_ms)
		entry->last_ms = last_ms;
}

void strays_merge(struct strays *strays, const struct strays *copy)
{
	for (const struct stray *e = copy->entries; e < copy->entries + STRAYS_MAX; e++)
		if (e->times && e->check == check_of(&e->range))
			strays_add(strays, &e->range, e->times, e->last_ms);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct stray *)a)->times, y = ((const struct stray *)b)->times;
	return x < y ? 1 : x > y ? -1 : 0;
}

void strays_sort(struct strays *strays)
{
	qsort(strays->entries, STRAYS_MAX, sizeof *strays->entries, compare);
}
