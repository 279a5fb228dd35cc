/* Prints where everything lies in a segment: "OFFSET BYTES NAME" a line.  The table of
 * docs/image.md is compared with it. */
#include "libshm/layout.h"

#include <stdio.h>

#define FIELD(type, member, base)                                                   \
	printf("%zu %zu %s.%s\n", (base) + offsetof(struct segment_##type, member), \
	       sizeof((struct segment_##type *)0)->member, #type, #member)

static void print_header(void)
{
	FIELD(header, magic, 0);
	FIELD(header, layout, 0);
	FIELD(header, byte_order, 0);
	FIELD(header, size_bytes, 0);
	FIELD(header, pool_pages, 0);
	FIELD(header, span_count, 0);
	FIELD(header, created_wall_ns, 0);
	FIELD(header, spans, 0);
	FIELD(header, checksum, 0);
}

static void print_control(size_t base)
{
	FIELD(control, commit, base);
	FIELD(control, min_valid, base);
	FIELD(control, lock, base);
	FIELD(control, dirty, base);
	FIELD(control, free_head, base);
	FIELD(control, free_tail, base);
	FIELD(control, steals, base);
	FIELD(control, wait_until, base);
	FIELD(control, wait_futex, base);
	FIELD(control, journal_floor, base);
}

int main(void)
{
	enum { POOL = 64 };

	print_header();
	print_control(offsetof(struct segment, control));
	printf("%zu %zu sources\n", offsetof(struct segment, sources),
	       sizeof((struct segment *)0)->sources);
	printf("%zu %zu journal\n", offsetof(struct segment, journal),
	       sizeof((struct segment *)0)->journal);
	printf("%zu %llu free_list\n", offsetof(struct segment, free_list),
	       (unsigned long long)free_list_slots(POOL) * 8);
	printf("%llu %d pool\n", (unsigned long long)pool_offset(POOL), POOL * PAGE_BYTES);
	printf("%llu 0 end\n", (unsigned long long)segment_size(POOL));
	printf("%d 8 root.version\n%d 8 root.wall_ns\n%d 8 root.mono_ns\n%d 8 root.writer\n%d 8 "
	       "root.journal\n%d %d root.pages\n",
	       ROOT_VERSION * 8, ROOT_WALL_NS * 8, ROOT_MONO_NS * 8, ROOT_WRITER * 8,
	       ROOT_JOURNAL * 8, ROOT_PAGES * 8, MBSHM_PAGES_MAX * 2);
	return 0;
}
