/* The segment's layout: an ABI between processes that may have been built at different times.
 * Any change of this file that moves or reinterprets a byte raises SEGMENT_LAYOUT.
 *
 *   0        header     what the image is; never changes after creation; covered by a checksum
 *   4096     control    the words that change
 *   8192     sources    named producers (32 x 128 bytes)
 *   12288    journal    ring of outside writes (SEGMENT_JOURNAL entries of 384 bytes)
 *   ...      free list  ring of {stamp, page}, one u64 per pool page, rounded up to a power of two
 *   ...      pool       pool_pages pages of 1 KiB: live pages, root pages, free pages
 *
 * All offsets follow from pool_pages; none is stored, so none has to be trusted. */
#ifndef LIBSHM_LAYOUT_H
#define LIBSHM_LAYOUT_H

#include "mbshm.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "registers and bits share one bit stream in memory: little-endian hosts only"
#endif
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && sizeof(_Atomic uint64_t) == 8,
	       "64-bit atomics must be lock-free to work across processes");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && sizeof(_Atomic uint32_t) == 4,
	       "the futex word must be lock-free");

#define SEGMENT_MAGIC      UINT64_C(0x4547414d49424d2e) /* ".MBIMAGE" in memory */
#define SEGMENT_BYTE_ORDER UINT32_C(0x01020304)
#define COMMIT_RETIRED     UINT64_MAX /* the image was replaced: open again */
/* 10 million publishes a second for 325 days. */
#define VERSION_MAX ((UINT64_C(1) << 48) - 2)

enum {
	SEGMENT_LAYOUT = 1,
	SEGMENT_SLOTS = 256, /* writers attached at once */
	SEGMENT_SOURCES = 32,
	SEGMENT_JOURNAL = 1024,
	PAGE_BYTES = 1024,
	PAGE_WORDS = PAGE_BYTES / 8,
	PAGE_BITS = PAGE_BYTES * 8,
	PAGE_REGISTERS = PAGE_BYTES / 2,
	NO_PAGE = 0xffff, /* root_slot of a page that no span touches */
};

struct segment_span {
	uint16_t table;
	uint16_t first;
	uint32_t count;
};

struct segment_header {
	uint64_t magic;
	uint32_t layout;
	uint32_t byte_order;
	uint64_t size_bytes;
	uint32_t pool_pages;
	uint32_t span_count;
	uint64_t created_wall_ns;
	struct segment_span spans[MBSHM_SPANS_MAX];
	uint8_t hole[4096 - 48 - MBSHM_SPANS_MAX * 8]; /* zero */
	uint64_t checksum;                             /* of all bytes before it */
};
_Static_assert(sizeof(struct segment_header) == 4096, "header");
_Static_assert(offsetof(struct segment_header, spans) == 40, "header");
_Static_assert(offsetof(struct segment_header, checksum) == 4088, "header");

struct segment_control {
	/* What every reader loads: the writer stores both words with each publish, so they share a
	 * cache line. */
	_Atomic uint64_t commit; /* version << 16 | pool index of the root page; COMMIT_RETIRED */
	_Atomic uint64_t min_valid; /* versions below it may have lost a page; never above the
				       version in commit */
	uint64_t hole_reader[6];
	/* The writers'. */
	/* generation << 16 | slot + 1 of the owner; 0 in the low bits: free */
	_Atomic uint64_t lock;
	/* an owner is, or died, between taking pages and giving back others */
	_Atomic uint64_t dirty;
	_Atomic uint64_t free_head; /* ring positions, counted up for ever: take at head, */
	_Atomic uint64_t free_tail; /* give back at tail */
	_Atomic uint64_t steals;    /* locks taken over from the dead */
	uint64_t hole_writer[3];
	/* Waiting for a version. */
	_Atomic uint64_t wait_until; /* someone waits until this CLOCK_MONOTONIC nanosecond */
	_Atomic uint32_t wait_futex;
	uint32_t hole_wait[13];
	/* The journal's readers. */
	_Atomic uint64_t journal_floor; /* sequence numbers below it may have been overwritten */
	uint64_t hole_journal[7];
	uint64_t hole[480];
};
_Static_assert(sizeof(struct segment_control) == 4096, "control");
_Static_assert(offsetof(struct segment_control, lock) == 64, "control");
_Static_assert(offsetof(struct segment_control, wait_until) == 128, "control");
_Static_assert(offsetof(struct segment_control, journal_floor) == 192, "control");

struct segment_source {
	_Atomic uint64_t word[16];
};
struct segment_journal_entry {
	_Atomic uint64_t word[48];
};
struct segment_page {
	_Atomic uint64_t word[PAGE_WORDS];
};

struct segment {
	struct segment_header header;
	struct segment_control control;
	struct segment_source sources[SEGMENT_SOURCES];
	struct segment_journal_entry journal[SEGMENT_JOURNAL];
	_Atomic uint64_t free_list[]; /* then the pool */
};
_Static_assert(offsetof(struct segment, control) == 4096, "segment");
_Static_assert(offsetof(struct segment, sources) == 8192, "segment");
_Static_assert(offsetof(struct segment, journal) == 12288, "segment");
_Static_assert(offsetof(struct segment, free_list) == 12288 + SEGMENT_JOURNAL * 384, "segment");

/* Words of a root page.  The page of the i-th live page (in table and address order) is 16 bits of
 * word ROOT_PAGES + i / 4. */
enum {
	ROOT_VERSION,
	ROOT_WALL_NS,
	ROOT_MONO_NS,
	ROOT_WRITER,    /* slot of the writer */
	ROOT_JOURNAL,   /* sequence number of the last journal entry; 0: none */
	ROOT_PAGES = 8, /* 5..7: zero */
	ROOT_WORDS_MAX = ROOT_PAGES + MBSHM_PAGES_MAX / 4,
};
_Static_assert((int)ROOT_WORDS_MAX <= (int)PAGE_WORDS, "a root fits its page");

_Static_assert((int)SEGMENT_SOURCES == (int)MBSHM_SOURCES_MAX, "every source can be asked for");

/* All four tables are bit streams of pages: a register is 16 bits of it, in memory order.  Pages of
 * all tables are numbered through. */
static inline unsigned table_bits(enum mbshm_table table)
{
	return table >= MBSHM_HOLDING_REGISTERS ? 16 : 1;
}
static inline unsigned table_first_page(enum mbshm_table table)
{
	static const uint16_t first[MBSHM_TABLES] = { 0, 8, 16, 144 };
	return first[table];
}

static inline uint64_t free_list_slots(uint32_t pool_pages)
{
	uint64_t slots = 8;
	while (slots < pool_pages)
		slots *= 2;
	return slots;
}
static inline uint64_t pool_offset(uint32_t pool_pages)
{
	uint64_t end = offsetof(struct segment, free_list) + free_list_slots(pool_pages) * 8;
	return (end + 4095) & ~UINT64_C(4095);
}
static inline uint64_t segment_size(uint32_t pool_pages)
{
	return (pool_offset(pool_pages) + (uint64_t)pool_pages * PAGE_BYTES + 4095) &
	       ~UINT64_C(4095);
}

#endif
