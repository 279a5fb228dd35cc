/* Staging: every change is a list of masked 64-bit words; no lock and no segment is involved until
 * commit. */
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

static int reserve(struct mbshm_txn *txn, unsigned words)
{
	struct staged_word *grown;
	if (txn->capacity - txn->count >= words)
		return 0;
	grown = reallocarray(txn->words, (size_t)(txn->count + words) * 2, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	txn->words = grown;
	txn->capacity = (txn->count + words) * 2;
	return 0;
}

/* Note a change for the journal, in pieces that fit an entry. */
static int journal_stage(struct mbshm_txn *txn, enum mbshm_table table, uint32_t addr,
			 uint32_t count)
{
	uint32_t most = MBSHM_JOURNAL_BYTES * 8 / table_bits(table);
	struct journal_span *grown;
	for (uint32_t n; count; addr += n, count -= n) {
		n = count < most ? count : most;
		if (txn->span_count == txn->span_capacity) {
			grown = reallocarray(txn->spans, (size_t)txn->span_capacity * 2,
					     sizeof *grown);
			if (!grown)
				return -ENOMEM;
			txn->spans = grown;
			txn->span_capacity *= 2;
		}
		txn->spans[txn->span_count++] =
			(struct journal_span){ txn->origin, table, (uint16_t)addr, (uint16_t)n };
	}
	return 0;
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

int txn_stage(struct mbshm_txn *txn, const struct mbshm_span *span, const uint8_t *buffer,
	      size_t skip, bool expect)
{
	unsigned width = table_bits(span->table), page = table_first_page(span->table);
	uint32_t bits = span->count * width, first = span->first * width;
	int rc = reserve(txn, bits / 64 + 2);
	if (!rc && txn->journal && !expect)
		rc = journal_stage(txn, span->table, span->first, span->count);
	if (rc)
		return rc;
	if (expect)
		txn->expects = true;
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
	return 0;
}

/* All of it or nothing: the pages that a failed one has noted only cost a copy. */
static int stage_all(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count,
		     bool expect)
{
	unsigned words = txn->count, spans = txn->span_count;
	int rc = 0;
	for (unsigned i = 0; i < count; i++)
		if (!handle_declares(txn->img, writes[i].table, writes[i].first, writes[i].count))
			return -ERANGE;
	for (unsigned i = 0; i < count && !rc; i++) {
		const struct mbshm_span span = { writes[i].table, writes[i].first,
						 writes[i].count };
		rc = txn_stage(txn, &span, writes[i].values, 0, expect);
	}
	if (rc) {
		txn->count = words;
		txn->span_count = spans;
	}
	return rc;
}

int mbshm_txn_write(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count)
{
	return stage_all(txn, writes, count, false);
}

int mbshm_txn_expect(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count)
{
	return stage_all(txn, writes, count, true);
}

int mbshm_txn_write_registers(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			      uint16_t count, const uint16_t *values)
{
	const struct mbshm_write write = { table, addr, count, values };
	return table >= MBSHM_HOLDING_REGISTERS ? mbshm_txn_write(txn, &write, 1) : -ERANGE;
}

int mbshm_txn_write_bits(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			 uint16_t count, const uint8_t *bits)
{
	const struct mbshm_write write = { table, addr, count, bits };
	return table < MBSHM_HOLDING_REGISTERS ? mbshm_txn_write(txn, &write, 1) : -ERANGE;
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
