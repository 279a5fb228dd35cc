/* The journal: a ring of entries outside the pages that is nevertheless published with them,
 * because its head is a word of the root.
 *
 * Entry n (1, 2, ...) lies at (n - 1) % SEGMENT_JOURNAL.  A writer raises the floor before it
 * overwrites an old entry; a reader that copied an entry asks for the floor afterwards: the same
 * validation as for pages. */
#include "libshm/journal.h"

#include "libshm/read.h"

#include <errno.h>
#include <string.h>

enum {
	ENTRY_SEQUENCE,
	ENTRY_VERSION,
	ENTRY_WALL_NS,
	ENTRY_MONO_NS,
	ENTRY_ORIGIN,
	ENTRY_ADDRESS,
	ENTRY_SPAN = ENTRY_ADDRESS + 2,
	ENTRY_VALUES
};
enum { VALUE_WORDS = (MBSHM_JOURNAL_BYTES + 7) / 8, ENTRY_WORDS = ENTRY_VALUES + VALUE_WORDS };
_Static_assert(ENTRY_WORDS <= sizeof(struct segment_journal_entry) / 8, "an entry fits");

static inline unsigned value_bytes(enum mbshm_table table, unsigned count)
{
	return (count * table_bits(table) + 7) / 8;
}

static uint64_t origin_pack(const struct mbshm_origin *origin)
{
	return origin->kind | (uint64_t)origin->family << 8 | (uint64_t)origin->unit << 16 |
	       (uint64_t)origin->function << 24 | (uint64_t)origin->port << 32;
}

static int entry_write(struct mbshm *img, const struct journal_span *span, uint32_t root,
		       uint64_t version, uint64_t sequence)
{
	struct segment_control *control = &img->seg->control;
	struct segment_journal_entry *entry = &img->seg->journal[(sequence - 1) % SEGMENT_JOURNAL];
	const _Atomic uint64_t *published = img->pool[root].word;
	unsigned used = ENTRY_VALUES + (value_bytes(span->table, span->count) + 7) / 8;
	uint64_t words[ENTRY_WORDS];
	struct mbshm_read read = { span->table, span->addr, span->count, words + ENTRY_VALUES };
	int rc;
	words[used - 1] = 0; /* the values may fill a part of it */
	rc = span_copy(img, root, &read);
	if (rc)
		return rc;
	words[ENTRY_SEQUENCE] = sequence;
	words[ENTRY_VERSION] = version;
	words[ENTRY_WALL_NS] = page_load(&published[ROOT_WALL_NS]);
	words[ENTRY_MONO_NS] = page_load(&published[ROOT_MONO_NS]);
	words[ENTRY_ORIGIN] = origin_pack(&span->origin);
	memcpy(&words[ENTRY_ADDRESS], span->origin.address, 16);
	words[ENTRY_SPAN] =
		(uint64_t)span->table | (uint64_t)span->addr << 16 | (uint64_t)span->count << 32;
	if (sequence > SEGMENT_JOURNAL &&
	    sequence - SEGMENT_JOURNAL + 1 > owner_load(&control->journal_floor))
		owner_store(&control->journal_floor, sequence - SEGMENT_JOURNAL + 1);
	for (unsigned i = 0; i < used; i++)
		page_store(&entry->word[i], words[i]);
	POINT(journal_written);
	return 0;
}

int journal_write(struct mbshm *img, const struct mbshm_txn *txn, uint32_t root, uint64_t version,
		  uint64_t next)
{
	/* Of more entries than the ring holds, only the last ones could be read. */
	unsigned from = txn->span_count > SEGMENT_JOURNAL ? txn->span_count - SEGMENT_JOURNAL : 0;
	_Atomic uint64_t *floor = &img->seg->control.journal_floor;
	int rc = 0;
	/* A writer that died with many entries may have raised it beyond those that come now. */
	if (owner_load(floor) > next)
		owner_store(floor, next);
	for (unsigned i = from; i < txn->span_count && !rc; i++)
		rc = entry_write(img, &txn->spans[i], root, version, next + i);
	return rc;
}

static int entry_unpack(const uint64_t *words, struct mbshm_journal_entry *entry)
{
	uint64_t origin = words[ENTRY_ORIGIN], span = words[ENTRY_SPAN];
	*entry = (struct mbshm_journal_entry){
		.sequence = words[ENTRY_SEQUENCE],
		.version = words[ENTRY_VERSION],
		.wall_ns = (int64_t)words[ENTRY_WALL_NS],
		.mono_ns = (int64_t)words[ENTRY_MONO_NS],
		.origin = { .kind = origin & 0xff,
			    .family = origin >> 8 & 0xff,
			    .unit = origin >> 16 & 0xff,
			    .function = origin >> 24 & 0xff,
			    .port = origin >> 32 & 0xffff },
		.table = (enum mbshm_table)(span & 0xffff),
		.addr = span >> 16 & 0xffff,
		.count = span >> 32 & 0xffff,
	};
	memcpy(entry->origin.address, &words[ENTRY_ADDRESS], 16);
	if ((unsigned)entry->table >= MBSHM_TABLES || !entry->count ||
	    value_bytes(entry->table, entry->count) > MBSHM_JOURNAL_BYTES)
		return -EBADMSG;
	memcpy(entry->values, &words[ENTRY_VALUES], value_bytes(entry->table, entry->count));
	return 0;
}

int mbshm_journal_next(const struct mbshm *img, uint64_t *cursor, struct mbshm_journal_entry *entry,
		       uint64_t *missed)
{
	const struct segment_control *control = &img->seg->control;
	uint64_t root[ROOT_WORDS_MAX], words[ENTRY_WORDS], wanted = *cursor ? *cursor : 1, floor;
	int rc = root_copy(img, root, NULL);
	if (rc)
		return rc;
	for (;;) {
		floor = page_load(&control->journal_floor);
		if (wanted < floor)
			wanted = floor;
		if (wanted > root[ROOT_JOURNAL])
			return -EAGAIN;
		for (unsigned i = 0; i < ENTRY_WORDS; i++)
			words[i] = page_load(
				&img->seg->journal[(wanted - 1) % SEGMENT_JOURNAL].word[i]);
		if (page_load(&control->journal_floor) <= wanted)
			break;
	}
	rc = words[ENTRY_SEQUENCE] == wanted ? entry_unpack(words, entry) : -EBADMSG;
	if (missed)
		*missed = *cursor ? wanted - *cursor : 0;
	*cursor = wanted + 1;
	return rc;
}
