/* Checks of what comes from a caller or a segment before anything is done with it. */
#include "libshm/image.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int why_set(char *why, int error, const char *format, ...)
{
	va_list args;
	if (why) {
		va_start(args, format);
		vsnprintf(why, MBSHM_WHY_SIZE, format, args);
		va_end(args);
	}
	return error;
}

/* FNV-1a, 64 bits: each step is a bijection of the state, so no change of a single byte can go
 * unseen. */
uint64_t checksum_add(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t header_checksum(const struct segment_header *header)
{
	return checksum_add(CHECKSUM_START, header, offsetof(struct segment_header, checksum));
}

int mbshm_layout_add(struct mbshm_layout *layout, enum mbshm_table table, uint32_t first,
		     uint32_t count)
{
	struct mbshm_span *spans = layout->spans;
	unsigned from = 0, to;
	if ((unsigned)table >= MBSHM_TABLES || !count || count > MBSHM_ITEMS ||
	    first > MBSHM_ITEMS - count)
		return -ERANGE;
	while (from < layout->span_count &&
	       (spans[from].table < table ||
		(spans[from].table == table && spans[from].first + spans[from].count < first)))
		from++;
	/* spans[from..to) touch the new one: they become one. */
	uint32_t end = first + count;
	for (to = from;
	     to < layout->span_count && spans[to].table == table && spans[to].first <= end; to++) {
		if (spans[to].first < first)
			first = spans[to].first;
		if (spans[to].first + spans[to].count > end)
			end = spans[to].first + spans[to].count;
	}
	if (from == to && layout->span_count == MBSHM_SPANS_MAX)
		return -ENOSPC;
	memmove(spans + from + 1, spans + to, (layout->span_count - to) * sizeof *spans);
	spans[from] = (struct mbshm_span){ table, first, end - first };
	layout->span_count += 1 - (to - from);
	return 0;
}

unsigned mbshm_layout_pages(const struct mbshm_layout *layout)
{
	unsigned pages = 0;
	int last = -1;
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		uint32_t per_page = PAGE_BITS / table_bits(span->table);
		int low = (int)(table_first_page(span->table) + span->first / per_page);
		int high = (int)(table_first_page(span->table) +
				 (span->first + span->count - 1) / per_page);
		pages += (unsigned)(high - low + (low > last));
		last = high;
	}
	return pages;
}

uint32_t mbshm_pool_default(const struct mbshm_layout *layout)
{
	uint32_t pool = 4 * (mbshm_layout_pages(layout) + 1);
	return pool < 1024 ? 1024 : pool;
}

/* Sorted, apart, in range: what the readers' search relies on. */
int layout_check(const struct mbshm_layout *layout, char *why)
{
	const struct mbshm_span *last = NULL;
	if (layout->span_count > MBSHM_SPANS_MAX)
		return why_set(why, -EINVAL, "%u spans; at most %d", layout->span_count,
			       MBSHM_SPANS_MAX);
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		if ((unsigned)span->table >= MBSHM_TABLES || !span->count ||
		    span->count > MBSHM_ITEMS || span->first > MBSHM_ITEMS - span->count)
			return why_set(why, -EINVAL, "span %u is outside its table", i);
		if (last &&
		    (last->table > span->table ||
		     (last->table == span->table && last->first + last->count >= span->first)))
			return why_set(why, -EINVAL, "span %u is out of order", i);
		last = span;
	}
	return 0;
}

bool layout_equal(const struct mbshm_layout *a, const struct mbshm_layout *b)
{
	if (a->span_count != b->span_count)
		return false;
	for (unsigned i = 0; i < a->span_count; i++)
		if (a->spans[i].table != b->spans[i].table ||
		    a->spans[i].first != b->spans[i].first ||
		    a->spans[i].count != b->spans[i].count)
			return false;
	return true;
}

void layout_text(const struct mbshm_layout *layout, char *text, size_t size)
{
	static const char *const words[MBSHM_TABLES] = { "coils", "discrete inputs",
							 "holding registers", "input registers" };
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < layout->span_count && used < size; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		bool same = i && span->table == span[-1].table;
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%u-%u",
					 same ? ","
					 : i  ? "; "
					      : "",
					 same ? "" : words[span->table], same ? "" : " ",
					 span->first, span->first + span->count - 1);
	}
	if (used >= size && size > 4)
		memcpy(text + size - 4, "...", 4);
}

/* header: a private copy.  On success its spans are in layout, checked. */
int header_check(const struct segment_header *header, uint64_t file_bytes,
		 struct mbshm_layout *layout, char *why)
{
	if (header->magic != SEGMENT_MAGIC)
		return why_set(why, -EBADMSG, "not a register image (wrong magic number)");
	if (header->byte_order != SEGMENT_BYTE_ORDER)
		return why_set(why, -EBADMSG, "made on a machine of another byte order");
	if (header->layout != SEGMENT_LAYOUT)
		return why_set(why, -EBADMSG,
			       "segment layout version %u; this program knows version %d: "
			       "stop all programs of the plant, unlink the image, start them anew",
			       header->layout, SEGMENT_LAYOUT);
	if (header->checksum != header_checksum(header))
		return why_set(why, -EBADMSG, "damaged header (checksum)");
	if (header->pool_pages < MBSHM_POOL_MIN || header->pool_pages > MBSHM_POOL_MAX ||
	    header->size_bytes != segment_size(header->pool_pages) ||
	    header->size_bytes != file_bytes)
		return why_set(why, -EBADMSG,
			       "damaged: %llu bytes where the header says %llu for %u pages",
			       (unsigned long long)file_bytes,
			       (unsigned long long)header->size_bytes, header->pool_pages);
	if (!header->span_count || header->span_count > MBSHM_SPANS_MAX)
		return why_set(why, -EBADMSG, "damaged: %u spans", header->span_count);
	layout->span_count = header->span_count;
	for (unsigned i = 0; i < header->span_count; i++)
		layout->spans[i] =
			(struct mbshm_span){ (enum mbshm_table)header->spans[i].table,
					     header->spans[i].first, header->spans[i].count };
	if (layout_check(layout, why))
		return -EBADMSG;
	if (header->pool_pages < 2 * (mbshm_layout_pages(layout) + 1))
		return why_set(why, -EBADMSG, "damaged: a pool of %u pages for %u live ones",
			       header->pool_pages, mbshm_layout_pages(layout));
	return 0;
}
