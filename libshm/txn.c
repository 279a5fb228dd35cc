/* Staging: every change is a list of masked 64-bit words; no lock and no segment is involved until commit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "txn.h"

struct mbshm_txn *mbshm_txn_new(unsigned words)
{
	struct mbshm_txn *txn = calloc(1, sizeof *txn);

	if (!txn)
		return NULL;
	txn->words = calloc(words ? words : 1, sizeof *txn->words);
	txn->capacity = words ? words : 1;
	if (!txn->words) {
		free(txn);
		return NULL;
	}
	return txn;
}

void mbshm_txn_free(struct mbshm_txn *txn)
{
	if (!txn)
		return;
	free(txn->words);
	free(txn);
}

void mbshm_txn_begin(struct mbshm_txn *txn, struct mbshm *img)
{
	txn->img = img;
	txn->count = 0;
	txn->read_count = 0;
}

static int reserve(struct mbshm_txn *txn, unsigned words)
{
	struct staged_word *grown;

	if (txn->capacity - txn->count >= words)
		return 0;
	grown = realloc(txn->words, (txn->count + words) * 2 * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	txn->words = grown;
	txn->capacity = (txn->count + words) * 2;
	return 0;
}

/* Bits at..at + n - 1 (n <= 64) of a buffer of size_bits; never reads beyond it. */
static uint64_t buffer_bits(const uint8_t *buffer, size_t size_bits, size_t at, unsigned n)
{
	size_t byte = at / 8, left = (size_bits + 7) / 8 - byte;
	unsigned shift = at % 8;
	uint64_t value = 0;

	memcpy(&value, buffer + byte, left < 8 ? left : 8);
	value >>= shift;
	if (shift && n > 64 - shift)
		value |= (uint64_t)buffer[byte + 8] << (64 - shift);
	return value;
}

/* Stage bits first..first + count - 1 of the table's stream. */
static int stage(struct mbshm_txn *txn, enum mbshm_table table, uint32_t first, uint32_t count, const uint8_t *buffer)
{
	uint32_t page = table_first_page(table);
	size_t done = 0;
	int rc = reserve(txn, count / 64 + 2);

	if (rc)
		return rc;
	while (done < count) {
		uint32_t at = first + (uint32_t)done;
		unsigned shift = at % 64;
		unsigned n = count - done < 64 - shift ? (unsigned)(count - done) : 64 - shift;
		uint64_t mask = ~UINT64_C(0) >> (64 - n) << shift;

		txn->words[txn->count++] = (struct staged_word){
			.page = (uint16_t)(page + at / PAGE_BITS), .word = (uint16_t)(at / 64 % PAGE_WORDS),
			.mask = mask, .value = buffer_bits(buffer, count, done, n) << shift & mask,
		};
		done += n;
	}
	return 0;
}

int mbshm_txn_write_registers(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr, uint16_t count, const uint16_t *values)
{
	if (table < MBSHM_HOLDING_REGISTERS || !mbshm_declared(txn->img, table, addr, count))
		return -ERANGE;
	return stage(txn, table, addr * 16u, count * 16u, (const uint8_t *)values);
}

int mbshm_txn_write_bits(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr, uint16_t count, const uint8_t *bits)
{
	if (table >= MBSHM_HOLDING_REGISTERS || !mbshm_declared(txn->img, table, addr, count))
		return -ERANGE;
	return stage(txn, table, addr, count, bits);
}

int mbshm_txn_mask_register(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr, uint16_t and_mask, uint16_t or_mask)
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
	if (!mbshm_declared(txn->img, read->table, read->first, read->count))
		return -ERANGE;
	if (txn->read_count == MBSHM_TXN_READS)
		return -ENOSPC;
	txn->reads[txn->read_count++] = *read;
	return 0;
}
