/* Staging: every change becomes a list of masked 64-bit words.  Neither lock nor segment is
 * involved before commit. */
#include "libshm/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct mbshm_txn *mbshm_txn_new(unsigned words)
{
	struct mbshm_txn *txn = calloc(1, sizeof *txn);
	if (!txn)
		return NULL;
	txn->capacity = words ? words : 1;
	txn->span_capacity = 32; /* more than the groups of any request */
	txn->words = calloc(txn->capacity, sizeof *txn->words);
	txn->spans = calloc(txn->span_capacity, sizeof *txn->spans);
	if (!txn->words || !txn->spans) {
		mbshm_txn_free(txn);
		return NULL;
	}
	return txn;
}

void mbshm_txn_free(struct mbshm_txn *txn)
{
	if (!txn)
		return;
	free(txn->words);
	free(txn->spans);
	free(txn);
}

void mbshm_txn_begin(struct mbshm_txn *txn, struct mbshm *img)
{
	txn->img = img;
	txn->count = 0;
	txn->expects = false;
	for (unsigned i = 0; i < txn->page_count; i++)
		txn->touched[txn->pages[i] / 64] = 0;
	txn->page_count = 0;
	txn->span_count = 0;
	txn->read_count = 0;
	txn->journal = false;
}

static int words_grow(struct mbshm_txn *txn, size_t more)
{
	size_t wanted = (txn->count + more) * 2;
	struct staged_word *grown;
	grown = wanted > UINT32_MAX ? NULL : reallocarray(txn->words, wanted, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	txn->words = grown;
	txn->capacity = (unsigned)wanted;
	return 0;
}

static int entries_grow(struct mbshm_txn *txn, size_t more)
{
	size_t wanted = (txn->span_count + more) * 2;
	struct journal_span *grown;
	grown = wanted > UINT32_MAX ? NULL : reallocarray(txn->spans, wanted, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	txn->spans = grown;
	txn->span_capacity = (unsigned)wanted;
	return 0;
}

/* The most items of a table that one journal entry holds. */
static uint32_t entry_items(enum mbshm_table table)
{
	return MBSHM_JOURNAL_BYTES * 8 / table_bits(table);
}

/* Note a change for the journal, in pieces that fit an entry.  There is room. */
static void entries_put(struct mbshm_txn *txn, const struct mbshm_write *write)
{
	uint32_t most = entry_items(write->table);
	for (uint32_t done = 0, n; done < write->count; done += n) {
		n = write->count - done < most ? write->count - done : most;
		txn->spans[txn->span_count++] =
			(struct journal_span){ txn->origin, write->table,
					       (uint16_t)(write->first + done), (uint16_t)n };
	}
}

/* Bits at..at + n - 1 (n <= 64) of a buffer of size_bits; never reads beyond it. */
static uint64_t buffer_bits(const uint8_t *buffer, size_t size_bits, size_t at, unsigned n)
{
	size_t byte = at / 8, left = (size_bits + 7) / 8 - byte;
	unsigned shift = at % 8;
	uint64_t value = 0;
	if (left >= 8)
		memcpy(&value, buffer + byte, 8);
	else
		memcpy(&value, buffer + byte, left);
	value >>= shift;
	if (shift && n > 64 - shift)
		value |= (uint64_t)buffer[byte + 8] << (64 - shift);
	return value;
}

/* Note a page that commit will have to copy. */
static void page_touch(struct mbshm_txn *txn, unsigned page)
{
	uint64_t bit = UINT64_C(1) << page % 64;
	if (!(txn->touched[page / 64] & bit))
		txn->pages[txn->page_count++] = (uint16_t)page;
	txn->touched[page / 64] |= bit;
}

/* Stage a declared span, whose values begin at bit skip of write->values, as a change or as an
 * expectation.  There is room. */
static inline __attribute__((always_inline)) void
words_put(struct mbshm_txn *txn, const struct mbshm_write *write, size_t skip, bool expect)
{
	const uint8_t *buffer = write->values;
	unsigned width = table_bits(write->table), page = table_first_page(write->table);
	uint32_t bits = write->count * width, first = write->first * width;
	for (uint32_t done = 0, n; done < bits; done += n) {
		uint32_t word = (first + done) / 64;
		unsigned shift = (first + done) % 64;
		n = bits - done < 64 - shift ? bits - done : 64 - shift;
		if (!expect && (!done || word % PAGE_WORDS == 0))
			page_touch(txn, page + word / PAGE_WORDS);
		struct staged_word *staged = &txn->words[txn->count++];
		staged->page = (uint16_t)(page + word / PAGE_WORDS);
		staged->word = (uint8_t)(word % PAGE_WORDS);
		staged->expect = expect;
		if (n == 64 && (skip + done) % 8 == 0) { /* most words of most requests */
			staged->mask = ~UINT64_C(0);
			memcpy(&staged->value, buffer + (skip + done) / 8, 8);
		} else {
			staged->mask = ~UINT64_C(0) >> (64 - n) << shift;
			staged->value = buffer_bits(buffer, skip + bits, skip + done, n) << shift &
					staged->mask;
		}
	}
}

/* All or none: what can fail comes first.  Inlined with words_put, since nearly every call has one
 * span, whose kind of table it knows. */
static inline __attribute__((always_inline)) int spans_stage(struct mbshm_txn *txn,
							     const struct mbshm_write *writes,
							     unsigned count, size_t skip,
							     bool expect)
{
	bool journal = txn->journal && !expect;
	size_t words = 0, entries = 0;
	for (unsigned i = 0; i < count; i++) {
		const struct mbshm_write *write = &writes[i];
		if (!handle_declares(txn->img, write->table, write->first, write->count))
			return -ERANGE;
		words += write->count * table_bits(write->table) / 64 + 2;
		if (journal)
			entries += write->count / entry_items(write->table) + 1;
	}
	if (words > txn->capacity - txn->count && words_grow(txn, words))
		return -ENOMEM;
	if (entries > txn->span_capacity - txn->span_count && entries_grow(txn, entries))
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++) {
		words_put(txn, &writes[i], skip, expect);
		if (journal)
			entries_put(txn, &writes[i]);
	}
	if (expect && count)
		txn->expects = true;
	return 0;
}

int txn_write_part(struct mbshm_txn *txn, const struct mbshm_write *write, size_t skip)
{
	return spans_stage(txn, write, 1, skip, false);
}

int mbshm_txn_write(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count)
{
	return spans_stage(txn, writes, count, 0, false);
}

int mbshm_txn_expect(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count)
{
	return spans_stage(txn, writes, count, 0, true);
}

int mbshm_txn_write_registers(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			      uint16_t count, const uint16_t *values)
{
	const struct mbshm_write write = { table, addr, count, values };
	return table >= MBSHM_HOLDING_REGISTERS ? spans_stage(txn, &write, 1, 0, false) : -ERANGE;
}

int mbshm_txn_write_bits(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			 uint16_t count, const uint8_t *bits)
{
	const struct mbshm_write write = { table, addr, count, bits };
	return table < MBSHM_HOLDING_REGISTERS ? spans_stage(txn, &write, 1, 0, false) : -ERANGE;
}

void mbshm_txn_journal(struct mbshm_txn *txn, const struct mbshm_origin *origin)
{
	txn->journal = origin;
	if (origin)
		txn->origin = *origin;
}

int mbshm_txn_mask_register(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			    uint16_t and_mask, uint16_t or_mask)
{
	uint16_t value = or_mask & (uint16_t)~and_mask;
	unsigned shift = addr % 4 * 16;
	int rc = mbshm_txn_write_registers(txn, table, addr, 1, &value);
	/* The bits that and_mask keeps stay the register's. */
	if (!rc)
		txn->words[txn->count - 1].mask &= ~((uint64_t)and_mask << shift);
	return rc;
}

int mbshm_txn_read(struct mbshm_txn *txn, const struct mbshm_read *read)
{
	if (!handle_declares(txn->img, read->table, read->first, read->count))
		return -ERANGE;
	if (txn->read_count == MBSHM_TXN_READS)
		return -ENOSPC;
	txn->reads[txn->read_count++] = *read;
	return 0;
}
