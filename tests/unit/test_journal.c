/* The journal: published with the values or not at all, whole entries, and a reader that was too
 * slow is told by how much. */
#include "image_fixture.h"

#include <sys/socket.h>

enum { BITS_MOST = MBSHM_JOURNAL_BYTES * 8, REGISTERS_MOST = MBSHM_JOURNAL_BYTES / 2 };

static const struct mbshm_origin local = { .kind = MBSHM_ORIGIN_LOCAL };

static struct mbshm *writer_open(void)
{
	pattern_declare();
	return image_open(MBSHM_CREATE);
}

/* One register, journaled. */
static int write_one(struct mbshm *img, uint16_t addr, uint16_t value, uint64_t *version)
{
	struct mbshm_txn *txn = mbshm_txn_new(2);
	int rc;
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, &local);
	rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, addr, 1, &value);
	if (!rc)
		rc = mbshm_txn_commit(txn, SECOND_US, version);
	mbshm_txn_free(txn);
	return rc;
}

static struct mbshm_journal_entry entry_next(const struct mbshm *img, uint64_t *cursor,
					     uint64_t missed_expected)
{
	struct mbshm_journal_entry entry;
	uint64_t missed = 77;
	assert_int_equal(mbshm_journal_next(img, cursor, &entry, &missed), 0);
	assert_int_equal(missed, missed_expected);
	assert_int_equal(*cursor, entry.sequence + 1);
	return entry;
}

static void no_entry(const struct mbshm *img, uint64_t *cursor)
{
	struct mbshm_journal_entry entry;
	uint64_t before = *cursor;
	assert_int_equal(mbshm_journal_next(img, cursor, &entry, NULL), -EAGAIN);
	assert_int_equal(*cursor, before);
}

static uint16_t register_of(const struct mbshm_journal_entry *entry, unsigned index)
{
	uint16_t value;
	memcpy(&value, entry->values + 2 * index, 2);
	return value;
}

/* ---- what an entry holds ------------------------------------------------------------------- */

static void tells_who_and_what(void **state)
{
	const struct mbshm_origin origin = {
		.kind = MBSHM_ORIGIN_NETWORK,
		.family = AF_INET6,
		.unit = 17,
		.function = 16,
		.port = 50321,
		.address = { 0x20, 1, 0xd, 0xb8, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 },
	};
	struct mbshm *writer = writer_open(), *reader = image_open(0);
	struct mbshm_txn *txn = mbshm_txn_new(8);
	const uint16_t registers[3] = { 1, 0xffff, 3 };
	const uint8_t bits[2] = { 0xa5, 0x03 };
	struct mbshm_journal_entry entry;
	uint64_t cursor = 0, version;
	(void)state;
	no_entry(reader, &cursor);
	assert_int_equal(image_status(reader).journal_next, 1);
	mbshm_txn_begin(txn, writer);
	/* Not journaled; then over a page's end. */
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_INPUT_REGISTERS, PATTERN_INPUT, 1,
						   registers),
			 0);
	mbshm_txn_journal(txn, &origin);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 511, 3, registers),
			 0);
	mbshm_txn_journal(txn, &local);
	assert_int_equal(mbshm_txn_write_bits(txn, MBSHM_COILS, 8190, 10, bits), 0);
	mbshm_txn_journal(txn, NULL);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 600, 1, registers),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, &version), 0);
	assert_int_equal(image_status(reader).journal_next, 3);

	entry = entry_next(reader, &cursor, 0);
	assert_int_equal(entry.sequence, 1);
	assert_int_equal(entry.version, version);
	assert_memory_equal(&entry.origin, &origin, sizeof origin);
	assert_int_equal(entry.table, MBSHM_HOLDING_REGISTERS);
	assert_int_equal(entry.addr, 511);
	assert_int_equal(entry.count, 3);
	assert_memory_equal(entry.values, registers, sizeof registers);
	assert_true(entry.mono_ns <= (int64_t)mono_ns() &&
		    entry.mono_ns > (int64_t)mono_ns() - INT64_C(20000000000));
	entry = entry_next(reader, &cursor, 0);
	assert_memory_equal(&entry.origin, &local, sizeof local);
	assert_int_equal(entry.table, MBSHM_COILS);
	assert_int_equal(entry.addr, 8190);
	assert_int_equal(entry.count, 10);
	assert_memory_equal(entry.values, bits, sizeof bits);
	no_entry(reader, &cursor);
	/* A transaction used again journals nothing until it is told to. */
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 600, 1, registers),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
	no_entry(reader, &cursor);
	mbshm_txn_free(txn);
	mbshm_close(reader);
	mbshm_close(writer);
}

/* All new values: as published, whatever was staged later or kept by a mask; large writes in
 * several entries. */
static void tells_the_result(void **state)
{
	struct mbshm *writer = writer_open();
	struct mbshm_txn *txn = mbshm_txn_new(8);
	struct pattern pattern;
	struct mbshm_journal_entry entry;
	const uint16_t seven = 7, eight = 8;
	uint64_t cursor = 0;
	(void)state;
	assert_int_equal(write_one(writer, 700, 0x1234, NULL), 0);
	entry = entry_next(writer, &cursor, 0);
	mbshm_txn_begin(txn, writer);
	mbshm_txn_journal(txn, &local);
	assert_int_equal(mbshm_txn_mask_register(txn, MBSHM_HOLDING_REGISTERS, 700, 0xf0f0, 0x0505),
			 0);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 701, 1, &seven),
			 0);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 701, 1, &eight),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
	entry = entry_next(writer, &cursor, 0);
	assert_int_equal(register_of(&entry, 0), (0x1234 & 0xf0f0) | (0x0505 & 0x0f0f));
	for (unsigned i = 0; i < 2; i++) {
		entry = entry_next(writer, &cursor, 0);
		assert_int_equal(register_of(&entry, 0), 8);
	}

	mbshm_txn_begin(txn, writer);
	mbshm_txn_journal(txn, &local);
	pattern_fill(&pattern, 5);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING,
						   PATTERN_HOLDINGS, pattern.holdings),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
	for (unsigned done = 0; done < PATTERN_HOLDINGS; done += entry.count) {
		entry = entry_next(writer, &cursor, 0);
		assert_int_equal(entry.addr, PATTERN_HOLDING + done);
		unsigned left = PATTERN_HOLDINGS - done;
		assert_int_equal(entry.count, left < REGISTERS_MOST ? left : REGISTERS_MOST);
		assert_memory_equal(entry.values, pattern.holdings + done, entry.count * 2);
	}
	no_entry(writer, &cursor);
	mbshm_txn_free(txn);
	mbshm_close(writer);
}

static void most_bits(void **state)
{
	struct mbshm *writer;
	struct mbshm_txn *txn = mbshm_txn_new(8);
	struct mbshm_journal_entry entry;
	uint8_t bits[(BITS_MOST + 3) / 8 + 1];
	uint64_t cursor = 0;
	(void)state;
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_DISCRETE_INPUTS, 5, BITS_MOST + 3),
			 0);
	writer = image_open(MBSHM_CREATE);
	for (unsigned i = 0; i < sizeof bits; i++)
		bits[i] = (uint8_t)(i * 37 + 1);
	mbshm_txn_begin(txn, writer);
	mbshm_txn_journal(txn, &local);
	assert_int_equal(mbshm_txn_write_bits(txn, MBSHM_DISCRETE_INPUTS, 5, BITS_MOST + 3, bits),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
	entry = entry_next(writer, &cursor, 0);
	assert_int_equal(entry.count, BITS_MOST);
	assert_memory_equal(entry.values, bits, MBSHM_JOURNAL_BYTES);
	entry = entry_next(writer, &cursor, 0);
	assert_int_equal(entry.addr, 5 + BITS_MOST);
	assert_int_equal(entry.count, 3);
	assert_int_equal(entry.values[0], bits[MBSHM_JOURNAL_BYTES] & 7);
	mbshm_txn_free(txn);
	mbshm_close(writer);
}

/* What is refused or times out leaves no entry; a second try of the same transaction leaves one. */
static void only_what_is_published(void **state)
{
	struct mbshm *writer = writer_open();
	struct mbshm_txn *txn = mbshm_txn_new(8);
	const uint16_t zero = 0, one = 1;
	uint64_t cursor = 0;
	(void)state;
	mbshm_txn_begin(txn, writer);
	mbshm_txn_journal(txn, &local);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 700, 1, &one), 0);
	assert_int_equal(
		mbshm_txn_expect(txn,
				 &(struct mbshm_write){ MBSHM_HOLDING_REGISTERS, 701, 1, &one }, 1),
		0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), -ECANCELED);
	no_entry(writer, &cursor);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 0, 1, &one),
			 -ERANGE);
	mbshm_txn_begin(txn, writer);
	mbshm_txn_journal(txn, &local);
	assert_int_equal(
		mbshm_txn_expect(
			txn, &(struct mbshm_write){ MBSHM_HOLDING_REGISTERS, 701, 1, &zero }, 1),
		0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL),
			 0); /* an expectation is no write */
	no_entry(writer, &cursor);
	mbshm_txn_free(txn);
	mbshm_close(writer);
}

/* ---- killed writers ------------------------------------------------------------------------ */

static const char *die_at;

static void die_hook(const char *name)
{
	if (!strcmp(name, die_at))
		raise(SIGKILL);
}

static void victim_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = die_hook;
	write_one(img, 700, 4711, NULL);
}

/* Neither the value nor the entry, or both; and the next entry takes the dead one's place. */
static void killed(void **state)
{
#define NAME(name) #name,
	static const char *const points[] = { MBSHM_POINT_LIST(NAME) };
	struct mbshm *writer = writer_open(), *reader = image_open(0);
	uint64_t cursor = 0, entries = 0;
	unsigned deaths = 0, published = 0;
	(void)state;
	for (uint16_t round = 0; round < 100 * sizeof points / sizeof *points; round++) {
		uint16_t value;
		die_at = points[round % (sizeof points / sizeof *points)];
		assert_int_equal(write_one(writer, 700, round, NULL), 0);
		assert_int_equal(entry_next(reader, &cursor, 0).sequence, ++entries);
		if (!was_killed(child_end(child_start(victim_body, NULL)))) {
			entry_next(reader, &cursor, 0); /* a point that this commit does not pass */
			entries++;
			continue;
		}
		deaths++;
		assert_int_equal(mbshm_read_registers(reader, MBSHM_HOLDING_REGISTERS, 700, 1,
						      &value, NULL),
				 0);
		if (value == 4711) {
			struct mbshm_journal_entry entry = entry_next(reader, &cursor, 0);
			assert_int_equal(entry.sequence, ++entries);
			assert_int_equal(register_of(&entry, 0), 4711);
			published++;
		} else {
			assert_int_equal(value, round);
			no_entry(reader, &cursor);
		}
	}
	printf("# %u writers killed, %u of them after their publish\n", deaths, published);
	assert_true(published > 0 && published < deaths);
	image_audit(writer);
	mbshm_close(reader);
	mbshm_close(writer);
}

/* ---- a ring -------------------------------------------------------------------------------- */

static void lapped(void **state)
{
	struct mbshm *writer = writer_open();
	struct mbshm_journal_entry entry;
	uint64_t cursor = 0, missed;
	(void)state;
	for (unsigned n = 1; n <= SEGMENT_JOURNAL; n++)
		assert_int_equal(write_one(writer, 700, (uint16_t)n, NULL), 0);
	assert_int_equal(entry_next(writer, &cursor, 0).sequence,
			 1); /* exactly full: the first is still there */
	for (unsigned n = 0; n < 10; n++)
		assert_int_equal(write_one(writer, 700, 0, NULL), 0);
	entry = entry_next(writer, &cursor, 9); /* 2..10 are gone */
	assert_int_equal(entry.sequence, 11);
	assert_int_equal(register_of(&entry, 0), 11);
	cursor = 0;
	assert_int_equal(entry_next(writer, &cursor, 0).sequence,
			 11); /* the oldest, and nothing was missed */
	cursor = image_status(writer).journal_next;
	no_entry(writer, &cursor);
	for (unsigned n = 0; n < 3 * SEGMENT_JOURNAL; n++)
		assert_int_equal(write_one(writer, 700, (uint16_t)n, NULL), 0);
	entry = entry_next(writer, &cursor, 2 * SEGMENT_JOURNAL);
	assert_int_equal(register_of(&entry, 0), 2 * SEGMENT_JOURNAL);
	for (unsigned n = 1; n < SEGMENT_JOURNAL; n++)
		entry_next(writer, &cursor, 0);
	no_entry(writer, &cursor);
	cursor = UINT64_MAX; /* of a reader that knows a longer journal: nothing, and no loop */
	assert_int_equal(mbshm_journal_next(writer, &cursor, &entry, &missed), -EAGAIN);
	mbshm_close(writer);
}

/* More entries in one transaction than the ring holds: the last ones can be read, the others are
 * counted. */
static void larger_than_the_ring(void **state)
{
	enum { WRITES = SEGMENT_JOURNAL + 100 };
	struct mbshm *writer = writer_open();
	struct mbshm_txn *txn = mbshm_txn_new(8);
	struct mbshm_journal_entry entry;
	uint64_t cursor = 1;
	(void)state;
	mbshm_txn_begin(txn, writer);
	mbshm_txn_journal(txn, &local);
	for (uint16_t n = 1; n <= WRITES; n++)
		assert_int_equal(mbshm_txn_write_registers(
					 txn, MBSHM_HOLDING_REGISTERS,
					 (uint16_t)(PATTERN_HOLDING + n % PATTERN_HOLDINGS), 1, &n),
				 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
	entry = entry_next(writer, &cursor, WRITES - SEGMENT_JOURNAL);
	assert_int_equal(entry.addr, PATTERN_HOLDING + entry.sequence % PATTERN_HOLDINGS);
	while (cursor <= WRITES)
		entry_next(writer, &cursor, 0);
	no_entry(writer, &cursor);
	mbshm_txn_free(txn);
	mbshm_close(writer);
}

/* Killed at the last entry of such a transaction. */
static unsigned entries_left;

static void die_at_last_entry(const char *name)
{
	if (!strcmp(name, "journal_written") && --entries_left == 0)
		raise(SIGKILL);
}

static void larger_and_killed_body(void *arg)
{
	struct mbshm_txn *txn = mbshm_txn_new(8);
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, &local);
	for (uint16_t n = 1; n <= 3 * SEGMENT_JOURNAL; n++)
		CHILD_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS,
						       PATTERN_HOLDING, 1, &n));
	entries_left = SEGMENT_JOURNAL;
	mbshm_point_hook = die_at_last_entry;
	mbshm_txn_commit(txn, SECOND_US, NULL);
}

static void larger_and_killed(void **state)
{
	struct mbshm *writer = writer_open();
	uint64_t cursor = 1;
	(void)state;
	assert_int_equal(write_one(writer, 700, 1, NULL), 0);
	assert_true(was_killed(child_end(child_start(larger_and_killed_body, NULL))));
	assert_int_equal(write_one(writer, 700, 2, NULL), 0);
	assert_int_equal(write_one(writer, 700, 3, NULL), 0);
	/* The first is lost, overwritten by the dead one's; what came after it is not. */
	assert_int_equal(entry_next(writer, &cursor, 1).sequence, 2);
	assert_int_equal(entry_next(writer, &cursor, 0).sequence, 3);
	mbshm_close(writer);
}

/* A reader beside a writer at full speed: every entry it gets is whole, in order, and got + missed
 * is all. */
static void storm_body(void *arg)
{
	struct mbshm_txn *txn = mbshm_txn_new(200);
	uint32_t *rounds = arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	for (uint32_t n = 1; n <= *rounds; n++) {
		struct pattern pattern;
		pattern_fill(&pattern, n);
		mbshm_txn_begin(txn, img);
		mbshm_txn_journal(txn, &local);
		CHILD_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS,
						       PATTERN_HOLDING, REGISTERS_MOST,
						       pattern.holdings));
		CHILD_CHECK(!mbshm_txn_commit(txn, SECOND_US, NULL));
	}
	mbshm_txn_free(txn);
	mbshm_close(img);
}

static void storm(void **state)
{
	uint32_t rounds = getenv("MB_LONG") ? 10000000 : 500000;
	struct mbshm *writer = writer_open(), *reader = image_open(0);
	uint64_t cursor = 1, got = 0, missed_all = 0;
	pid_t pid = child_start(storm_body, &rounds);
	(void)state;
	while (image_status(reader).journal_next <= 2 * SEGMENT_JOURNAL)
		usleep(100); /* lapped at least once, however slow the writer is */
	while (cursor <= rounds) {
		struct mbshm_journal_entry entry;
		struct pattern pattern;
		uint64_t missed;
		int rc = mbshm_journal_next(reader, &cursor, &entry, &missed);
		if (rc == -EAGAIN)
			continue;
		assert_int_equal(rc, 0);
		missed_all += missed;
		got++;
		assert_int_equal(entry.count, REGISTERS_MOST);
		pattern_fill(&pattern, (uint32_t)entry.sequence);
		assert_memory_equal(entry.values, pattern.holdings, MBSHM_JOURNAL_BYTES);
		if (got % 1024 == 0)
			usleep(2000); /* so that it is lapped now and then */
	}
	assert_int_equal(child_end(pid), 0);
	assert_int_equal(got + missed_all, rounds);
	printf("# %llu entries read whole, %llu missed and told\n", (unsigned long long)got,
	       (unsigned long long)missed_all);
	assert_true(missed_all > 0);
	mbshm_close(reader);
	mbshm_close(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(tells_who_and_what),
		IMAGE_TEST(tells_the_result),
		IMAGE_TEST(most_bits),
		IMAGE_TEST(only_what_is_published),
		IMAGE_TEST(killed),
		IMAGE_TEST(lapped),
		IMAGE_TEST(larger_than_the_ring),
		IMAGE_TEST(larger_and_killed),
		IMAGE_TEST(storm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
