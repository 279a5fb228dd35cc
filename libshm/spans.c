/* Declared spans: which addresses an image has. */
#include "libshm/spans.h"

#include "libshm/layout.h"
#include "libshm/why.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The words of addresses, in messages too. */
static const char *const table_names[MBSHM_TABLES] = {
	[MBSHM_COILS] = "coil",
	[MBSHM_DISCRETE_INPUTS] = "discrete",
	[MBSHM_HOLDING_REGISTERS] = "holding",
	[MBSHM_INPUT_REGISTERS] = "input",
};

const char *mbshm_table_name(enum mbshm_table table)
{
	return (unsigned)table < MBSHM_TABLES ? table_names[table] : NULL;
}

static bool in_bounds(const struct mbshm_span *span)
{
	return (unsigned)span->table < MBSHM_TABLES && span->count && span->count <= MBSHM_ITEMS &&
	       span->first <= MBSHM_ITEMS - span->count;
}

int mbshm_layout_add(struct mbshm_layout *layout, enum mbshm_table table, uint32_t first,
		     uint32_t count)
{
	struct mbshm_span *spans = layout->spans;
	unsigned from = 0, to;
	const struct mbshm_span added = { table, first, count };
	if (!in_bounds(&added))
		return -ERANGE;
	while (from < layout->span_count &&
	       (spans[from].table < table ||
		(spans[from].table == table && spans[from].first + spans[from].count < first)))
		from++;
	/* spans[from..to) touch the new one, and become one with it. */
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

bool mbshm_layout_has(const struct mbshm_layout *layout, enum mbshm_table table, uint32_t first,
		      uint32_t count)
{
	const struct mbshm_span wanted = { table, first, count };
	if (!in_bounds(&wanted))
		return false;
	/* Spans do not touch one another, so one of them must have all of it. */
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		if (span->table == table && first >= span->first &&
		    first - span->first + count <= span->count)
			return true;
	}
	return false;
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
	enum { LEAST = 64 };
	uint32_t pool = 4 * (mbshm_layout_pages(layout) + 1);
	return pool < LEAST ? LEAST : pool;
}

int layout_check(const struct mbshm_layout *layout, char *why)
{
	const struct mbshm_span *last = NULL;
	if (layout->span_count > MBSHM_SPANS_MAX)
		return why_set(why, -EINVAL, "%u spans; at most %d", layout->span_count,
			       MBSHM_SPANS_MAX);
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		if (!in_bounds(span))
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
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < layout->span_count && used < size; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		bool same = i && span->table == span[-1].table;
		const char *before = same ? "," : i ? "; " : "";
		used += (size_t)snprintf(text + used, size - used, "%s%s%s%u-%u", before,
					 same ? "" : table_names[span->table], same ? "" : " ",
					 span->first, span->first + span->count - 1);
	}
	if (used >= size && size > 4)
		memcpy(text + size - 4, "...", 4);
}
