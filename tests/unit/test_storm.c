/* A storm of SIGKILLs on writers, with readers that check every version they see.
 *
 * Each writer publishes the pattern of a random number, which covers all tables, and counts its commits in a register of its own;
 * after each commit it notes both, by version, in memory shared with the test.  So a mix of two versions shows in the pattern, two
 * values seen under one version show in the ledger, and a published value that got lost shows in the counters. */
#include "image_fixture.h"

enum {
	WRITERS = 4, READERS = 2, KILLS = 1100, KILLS_SLOW = 300, LONG_S = 60,
	COUNTERS = 1600,	/* holding registers: two for each writer, on a page without a pattern */
	LEDGER = 1 << 16,
};

struct storm {
	_Atomic uint64_t commits[WRITERS], counter[WRITERS];	/* the counter's value in the last commit that returned */
	_Atomic uint64_t reads[READERS], retries[READERS], overtaken[READERS];
	_Atomic uint64_t wrong;		/* anything that must not be */
	_Atomic bool stop;
	_Atomic uint64_t ledger[LEDGER];	/* [version]: version << 32 | number */
};
static struct storm *storm;

#define STORM_CHECK(condition) \
	do { \
		if (!(condition)) { \
			atomic_fetch_add(&storm->wrong, 1); \
			CHILD_CHECK(!#condition); \
		} \
	} while (0)

static void pause_us(uint32_t us)
{
	struct timespec time = { 0, us * 1000L };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* Who publishes or sees a version first writes down its number, everybody else must agree. */
static bool ledger_agrees(uint64_t version, uint32_t number)
{
	_Atomic uint64_t *entry = &storm->ledger[version % LEDGER];
	uint64_t mine = version << 32 | number, seen = atomic_load(entry);

	while (seen >> 32 < (mine >> 32))
		if (atomic_compare_exchange_weak(entry, &seen, mine))
			return true;
	return seen == mine || seen >> 32 > mine >> 32;	/* a later one took the place: no opinion */
}

/* Stay now and then a while where a kill hurts. */
static uint64_t dawdle_random;

static void dawdle(const char *name)
{
	(void)name;
	if (random_below(&dawdle_random, 32))
		return;
	for (uint64_t end = mono_ns() + random_below(&dawdle_random, 100000); mono_ns() < end;)
		;
}

static uint32_t counter_read(const struct mbshm *img, unsigned writer)
{
	uint16_t half[2];
	int rc;

	do
		rc = mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, (uint16_t)(COUNTERS + 2 * writer), 2, half, NULL);
	while (rc == -EAGAIN);
	if (rc) {
		atomic_fetch_add(&storm->wrong, 1);
		return 0;
	}
	return half[0] | (uint32_t)half[1] << 16;
}

struct role { unsigned index; uint64_t seed; };

static void writer_body(void *arg)
{
	const struct role *role = arg;
	struct mbshm_txn *txn = mbshm_txn_new(PATTERN_WORDS);
	uint64_t random = role->seed, version;
	struct mbshm *img;
	uint32_t count;

	dawdle_random = ~role->seed;
	STORM_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = dawdle;
	count = counter_read(img, role->index);
	STORM_CHECK(count >= atomic_load(&storm->counter[role->index]));
	while (!atomic_load(&storm->stop)) {
		uint32_t number = (uint32_t)random_next(&random);
		bool whole = random_below(&random, 2);	/* or the counter only: one page */
		uint16_t half[2];

		count++;
		half[0] = (uint16_t)count;
		half[1] = (uint16_t)(count >> 16);
		mbshm_txn_begin(txn, img);
		STORM_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, (uint16_t)(COUNTERS + 2 * role->index), 2, half));
		STORM_CHECK(!whole || !pattern_stage(txn, number));
		STORM_CHECK(!mbshm_txn_commit(txn, 20 * SECOND_US, &version));
		STORM_CHECK(!whole || ledger_agrees(version, number));
		atomic_store(&storm->counter[role->index], count);
		atomic_fetch_add(&storm->commits[role->index], 1);
	}
	mbshm_close(img);
	mbshm_txn_free(txn);
}

static void reader_body(void *arg)
{
	const struct role *role = arg;
	uint64_t last = 0, version;
	struct mbshm_status status;
	uint32_t number;
	struct mbshm *img;
	int rc;

	STORM_CHECK(!mbshm_open(&config, 0, &img, NULL));
	while (!atomic_load(&storm->stop)) {
		rc = pattern_read(img, &number, &version);
		if (rc == -EAGAIN) {
			atomic_fetch_add(&storm->overtaken[role->index], 1);
			continue;
		}
		STORM_CHECK(rc != TORN);
		STORM_CHECK(!rc && version >= last && ledger_agrees(version, number));
		last = version;
		atomic_fetch_add(&storm->reads[role->index], 1);
	}
	do
		rc = mbshm_status(img, &status);
	while (rc == -EAGAIN);
	STORM_CHECK(!rc);
	atomic_store(&storm->retries[role->index], status.retries);
	mbshm_close(img);
}

static uint64_t sum(const _Atomic uint64_t *counts, unsigned n)
{
	uint64_t total = 0;

	while (n--)
		total += atomic_load(&counts[n]);
	return total;
}

/* Kill, look, start anew, until there were enough deaths (MB_LONG: for a minute at least).  The number of kills. */
static unsigned storm_rage(const struct mbshm *img, pid_t *writers, uint64_t *random, unsigned enough)
{
	uint64_t end = getenv("MB_LONG") ? now_us() + LONG_S * UINT64_C(1000000) : 0;
	unsigned kills = 0;

	while (kills < enough || now_us() < end) {
		unsigned victim = random_below(random, WRITERS);
		struct role role = { victim, random_next(random) };

		pause_us(random_below(random, 8000));
		kill(writers[victim], SIGKILL);
		assert_true(was_killed(child_end(writers[victim])));
		kills++;
		/* What the dead one was told to be published, is. */
		assert_true(counter_read(img, victim) >= atomic_load(&storm->counter[victim]));
		assert_int_equal(atomic_load(&storm->wrong), 0);
		writers[victim] = child_start(writer_body, &role);
	}
	return kills;
}

/* Every writer, also the one started last, commits. */
static void nobody_is_stuck(void)
{
	uint64_t end = now_us() + 30 * SECOND_US;

	for (unsigned i = 0; i < WRITERS; i++)
		for (uint64_t before = atomic_load(&storm->commits[i]); atomic_load(&storm->commits[i]) < before + 10;) {
			assert_true(now_us() < end);
			pause_us(1000);
		}
}

static void storm_of_kills(void **state)
{
	uint64_t random = test_seed();
	pid_t writers[WRITERS], readers[READERS];
	struct role roles[WRITERS];
	struct mbshm_status status;
	struct mbshm *img;
	unsigned kills, enough = getenv("MB_SAN") ? KILLS_SLOW : KILLS;	/* a sanitizer makes each fork slow */

	(void)state;
	storm = shared_new(sizeof *storm);
	pattern_declare();
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, COUNTERS, 2 * WRITERS), 0);
	config.pool_pages = 48;	/* small, so that readers are overtaken */
	img = image_open(MBSHM_CREATE);
	for (unsigned i = 0; i < WRITERS; i++) {
		roles[i] = (struct role){ i, random_next(&random) };
		writers[i] = child_start(writer_body, &roles[i]);
	}
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = child_start(reader_body, &roles[i]);
	kills = storm_rage(img, writers, &random, enough);
	nobody_is_stuck();
	atomic_store(&storm->stop, true);
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(child_end(writers[i]), 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(child_end(readers[i]), 0);
	assert_int_equal(pattern_commit(img, 1, 5 * SECOND_US, NULL), 0);
	image_audit(img);
	status = image_status(img);
	printf("# %llu reads, %llu commits seen to return, version %llu, %u kills, %llu steals, %llu retries, %llu reads given up\n",
	       (unsigned long long)sum(storm->reads, READERS), (unsigned long long)sum(storm->commits, WRITERS),
	       (unsigned long long)status.version, kills, (unsigned long long)status.steals,
	       (unsigned long long)sum(storm->retries, READERS), (unsigned long long)sum(storm->overtaken, READERS));
	/* Did what this test is about happen at all? */
	assert_true(kills >= enough);
	assert_true(status.steals >= enough / 11);	/* 100 of 1,100 */
	assert_true(sum(storm->retries, READERS) > 0);
	for (unsigned i = 0; i < READERS; i++)
		assert_true(atomic_load(&storm->reads[i]) > 1000);
	assert_int_equal(atomic_load(&storm->wrong), 0);
	assert_true(status.version >= sum(storm->commits, WRITERS));
	assert_int_equal(status.free_pages, status.pool_pages - status.live_pages - 1);
	mbshm_close(img);
	munmap(storm, sizeof *storm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(storm_of_kills),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
