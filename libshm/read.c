/* Reading: copy first, then ask whether anything that was copied may have been overwritten
 * meanwhile. */
#include "libshm/read.h"

#include <errno.h>
#include <string.h>

enum { READ_TRIES = 16 };

/* The pool page of a page of the tables, under a root page; NULL: the index is outside the pool. */
static inline const struct segment_page *live_page(const struct mbshm *img, uint32_t root,
						   unsigned page)
{
	uint32_t index = root_entry(img, root, img->root_slot[page]);
	return index < img->pool_pages ? &img->pool[index] : NULL;
}

static inline void word_put(void *out, uint64_t value)
{
	memcpy(out, &value, sizeof value);
}

/* Registers from..to - 1 of a page: those up to a word's edge one by one, then whole words, then
 * the rest. */
static inline __attribute__((always_inline)) uint16_t *
page_registers_copy(const struct segment_page *page, unsigned from, unsigned to, uint16_t *out)
{
	const _Atomic uint64_t *word = &page->word[from / 4];
	uint64_t value;
	if (from % 4)
		for (value = page_load(word++) >> from % 4 * 16; from < to && from % 4;
		     from++, value >>= 16)
			*out++ = (uint16_t)value;
	for (; from + 16 <= to; from += 16, word += 4, out += 16) {
		word_put(out, page_load(word));
		word_put(out + 4, page_load(word + 1));
		word_put(out + 8, page_load(word + 2));
		word_put(out + 12, page_load(word + 3));
	}
	for (; from + 4 <= to; from += 4, out += 4)
		word_put(out, page_load(word++));
	if (from == to)
		return out;
	value = page_load(word);
	if ((to - from) & 2) {
		memcpy(out, &value, 4);
		out += 2, value >>= 32;
	}
	if ((to - from) & 1)
		*out++ = (uint16_t)value;
	return out;
}

static inline __attribute__((always_inline)) int registers_copy(const struct mbshm *img,
								uint32_t root, unsigned first_page,
								uint32_t first, uint32_t count,
								uint16_t *out)
{
	uint32_t end = first + count, stop;
	for (; first < end; first = stop) {
		const struct segment_page *page =
			live_page(img, root, first_page + first / PAGE_REGISTERS);
		if (!page)
			return -EBADMSG;
		stop = first - first % PAGE_REGISTERS + PAGE_REGISTERS;
		if (stop > end)
			stop = end;
		out = page_registers_copy(page, first % PAGE_REGISTERS,
					  (stop - 1) % PAGE_REGISTERS + 1, out);
	}
	return 0;
}

/* Bits are shifted into place, 64 at a time.  word k of the stream; a page is looked up when k
 * enters it. */
static int bits_copy(const struct mbshm *img, uint32_t root, unsigned first_page, uint32_t first,
		     uint32_t count, uint8_t *out)
{
	uint32_t k = first / 64, last = (first + count - 1) / 64;
	unsigned shift = first % 64;
	const struct segment_page *page = live_page(img, root, first_page + k / PAGE_WORDS);
	if (!page)
		return -EBADMSG;
	uint64_t value = page_load(&page->word[k % PAGE_WORDS]);
	for (uint32_t left = count;; left -= 64) {
		uint64_t low = value >> shift;
		if (k < last) {
			if (++k % PAGE_WORDS == 0) {
				page = live_page(img, root, first_page + k / PAGE_WORDS);
				if (!page)
					return -EBADMSG;
			}
			value = page_load(&page->word[k % PAGE_WORDS]);
			low |= value << 1 << (63 - shift); /* in two steps: shift may be 0 */
		}
		if (left <= 64) {
			low &= ~UINT64_C(0) >> (64 - left);
			memcpy(out, &low, (left + 7) / 8);
			return 0;
		}
		memcpy(out, &low, 8);
		out += 8;
	}
}

int span_copy(const struct mbshm *img, uint32_t root, const struct mbshm_read *read)
{
	unsigned first_page = table_first_page(read->table);
	if (read->table >= MBSHM_HOLDING_REGISTERS)
		return registers_copy(img, root, first_page, read->first, read->count, read->out);
	return bits_copy(img, root, first_page, read->first, read->count, read->out);
}

/* After a copy: was the version still whole?  1: overtaken, try again.  bad: the copy met an
 * impossible index. */
static inline int verdict(const struct mbshm *img, uint64_t version, int bad)
{
	const struct segment_control *control = &img->seg->control;
	uint64_t min_valid = min_valid_load(control);
	if (__builtin_expect(min_valid <= version, 1))
		return bad;
	uint64_t commit = commit_load(control);
	if (commit_gone(commit))
		return -ESTALE;
	/* A writer raises min_valid to versions that are published, never beyond. */
	if (min_valid > commit_version(commit))
		return -EBADMSG;
	count_up(img->retries);
	return 1;
}

/* Take one version's root page and copy what is wanted as it names the pages, until the copy was
 * not overtaken.  Inlined with its copy function (0 or -EBADMSG), so that a read is one straight
 * piece of code. */
static inline __attribute__((always_inline)) int
read_validated(const struct mbshm *img,
	       int (*copy)(const struct mbshm *img, uint32_t root, const void *wanted),
	       const void *wanted, uint64_t *version)
{
	for (int tries = 0; tries < READ_TRIES; tries++) {
		uint64_t commit = commit_load(&img->seg->control);
		/* All ones, a retired image, is no root page either. */
		if (commit_root(commit) >= img->pool_pages || !commit_version(commit))
			return commit_gone(commit) ? -ESTALE : -EBADMSG;
		POINT(read_begun);
		int rc = verdict(img, commit_version(commit),
				 copy(img, commit_root(commit), wanted));
		if (rc <= 0) {
			if (version)
				*version = commit_version(commit);
			return rc;
		}
	}
	return -EAGAIN;
}

static int copy_registers(const struct mbshm *img, uint32_t root, const void *wanted)
{
	const struct mbshm_read *read = wanted;
	return registers_copy(img, root, table_first_page(read->table), read->first, read->count,
			      read->out);
}

int mbshm_read_registers(const struct mbshm *img, enum mbshm_table table, uint16_t addr,
			 uint16_t count, uint16_t *out, uint64_t *version)
{
	const struct mbshm_read read = { table, addr, count, out };
	if (handle_dead(img))
		return -EPERM;
	if (table < MBSHM_HOLDING_REGISTERS || !handle_declares(img, table, addr, count))
		return -ERANGE;
	return read_validated(img, copy_registers, &read, version);
}

static int copy_bits(const struct mbshm *img, uint32_t root, const void *wanted)
{
	const struct mbshm_read *read = wanted;
	return bits_copy(img, root, table_first_page(read->table), read->first, read->count,
			 read->out);
}

int mbshm_read_bits(const struct mbshm *img, enum mbshm_table table, uint16_t addr, uint16_t count,
		    uint8_t *out, uint64_t *version)
{
	const struct mbshm_read read = { table, addr, count, out };
	if (handle_dead(img))
		return -EPERM;
	if (table >= MBSHM_HOLDING_REGISTERS || !handle_declares(img, table, addr, count))
		return -ERANGE;
	return read_validated(img, copy_bits, &read, version);
}

struct spans {
	const struct mbshm_read *reads;
	unsigned count;
};

static int copy_spans(const struct mbshm *img, uint32_t root, const void *wanted)
{
	const struct spans *spans = wanted;
	int rc = 0;
	for (unsigned i = 0; i < spans->count && !rc; i++)
		rc = span_copy(img, root, &spans->reads[i]);
	return rc;
}

int mbshm_read(const struct mbshm *img, const struct mbshm_read *reads, unsigned count,
	       uint64_t *version)
{
	const struct spans spans = { reads, count };
	if (handle_dead(img))
		return -EPERM;
	for (unsigned i = 0; i < count; i++)
		if (!handle_declares(img, reads[i].table, reads[i].first, reads[i].count))
			return -ERANGE;
	return read_validated(img, copy_spans, &spans, version);
}

struct root_words {
	uint64_t *words;
};

static int copy_root(const struct mbshm *img, uint32_t root, const void *wanted)
{
	const struct root_words *to = wanted;
	for (unsigned i = 0; i < img->root_words; i++)
		to->words[i] = page_load(&img->pool[root].word[i]);
	return 0;
}

int root_mark(const struct mbshm *img, uint32_t root, uint8_t *used)
{
	for (unsigned i = 0; i <= img->live; i++) {
		uint32_t page = i < img->live ? root_entry(img, root, i) : root;
		if (page >= img->pool_pages || used[page / 8] & 1u << page % 8)
			return -EBADMSG;
		used[page / 8] |= (uint8_t)(1u << page % 8);
	}
	return 0;
}

static int check_root(const struct mbshm *img, uint32_t root, const void *wanted)
{
	const struct root_words *to = wanted;
	uint8_t used[POOL_SET_BYTES] = { 0 };
	to->words[0] = page_load(&img->pool[root].word[ROOT_VERSION]);
	return root_mark(img, root, used);
}

int root_check(const struct mbshm *img)
{
	uint64_t noted, version;
	const struct root_words to = { &noted };
	int rc = read_validated(img, check_root, &to, &version);
	return !rc && (noted != version || version >= VERSION_MAX) ? -EBADMSG : rc;
}

int root_copy(const struct mbshm *img, uint64_t *words, uint64_t *version)
{
	const struct root_words to = { words };
	if (handle_dead(img))
		return -EPERM;
	return read_validated(img, copy_root, &to, version);
}
