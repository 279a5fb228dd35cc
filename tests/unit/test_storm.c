/* A storm of SIGKILLs and SIGSTOPs on writers and readers, while the readers check every version
 * they see.
 *
 * Every version has a stamp, which follows from its number, on two pages: a writer may only replace
 * the version that it has seen, so the one that it publishes has the next number.  Half of the
 * versions hold a new pattern over all tables as well, and each writer counts its commits in a
 * register of its own; after a commit it notes both, by version, in memory shared with the test. So
 * a mix of two versions shows in stamp or pattern, two values seen under one version show in the
 * ledger, and a published value that got lost shows in stamps and counters. */
#include "image_fixture.h"

enum {
	WRITERS = 4,
	READERS = 4,
	READERS_SHORT = 2, /* every other one reads everything */
	KILLS = 1100,
	KILLS_SLOW = 300,
	LONG_S = 60,
	LONG_READS = 100 * 1000 * 1000,
	COUNTERS = 1600, /* holding registers: two for each writer, on a page without a pattern */
	STAMP_A = 1700,
	STAMP_B = 2100, /* four registers each, on two pages without a pattern */
	STAMP = 4,
	BATCH = 1000, /* reads between two looks at the world */
	LEDGER = 1 << 16,
};

struct storm {
	_Atomic uint64_t commits[WRITERS],
		counter[WRITERS]; /* the counter's value in the last commit that returned */
	_Atomic uint64_t refused; /* commits that came too late: -ECANCELED */
	_Atomic uint64_t starved; /* waited in vain for 20 s, while others published */
	_Atomic bool inside[WRITERS];
	_Atomic uint64_t reads[READERS], retries[READERS], overtaken[READERS];
	_Atomic uint64_t wrong; /* anything that must not be */
	_Atomic bool stop;
	struct guard guard;
	_Atomic uint64_t ledger[LEDGER]; /* [version]: version << 32 | number */
};
static struct storm *storm;

/* The test's own. */
static unsigned readers;
static pid_t pids[WRITERS + READERS];
static uint64_t kills, reader_kills, deaths_inside, stops, stops_inside;

#define STORM_CHECK(condition)                              \
	do {                                                \
		if (!(condition)) {                         \
			atomic_fetch_add(&storm->wrong, 1); \
			CHILD_CHECK(!#condition);           \
		}                                           \
	} while (0)

/* Who publishes or sees a version first writes down its number, everybody else must agree. */
static bool ledger_agrees(uint64_t version, uint32_t number)
{
	_Atomic uint64_t *entry = &storm->ledger[version % LEDGER];
	uint64_t mine = version << 32 | number, seen = atomic_load(entry);
	while (seen >> 32 < (mine >> 32))
		if (atomic_compare_exchange_weak(entry, &seen, mine))
			return true;
	return seen == mine || seen >> 32 > mine >> 32; /* a later one took the place: no opinion */
}

/* Stay now and then a while where a kill hurts. */
static uint64_t dawdle_random;

static void dawdle(const char *name)
{
	guard_hook(name);
	if (random_below(&dawdle_random, 32))
		return;
	for (uint64_t end = mono_ns() + random_below(&dawdle_random, 100000); mono_ns() < end;)
		;
	guard_hook("");
}

static inline void stamp_fill(uint16_t *stamp, uint64_t version)
{
	for (unsigned i = 0; i < 2 * STAMP; i++)
		stamp[i] = pattern_value((uint32_t)version, 2000 + i);
}

/* 0, TORN, or the error of the read. */
static inline int stamp_read(const struct mbshm *img, uint64_t *version)
{
	uint16_t seen[2 * STAMP], whole[2 * STAMP];
	const struct mbshm_read reads[] = {
		{ MBSHM_HOLDING_REGISTERS, STAMP_A, STAMP, seen },
		{ MBSHM_HOLDING_REGISTERS, STAMP_B, STAMP, seen + STAMP },
	};
	int rc = mbshm_read(img, reads, 2, version);
	if (rc)
		return rc;
	stamp_fill(whole, *version);
	return memcmp(seen, whole, sizeof seen) ? TORN : 0;
}

static int stamp_stage(struct mbshm_txn *txn, uint64_t version)
{
	uint16_t stamp[2 * STAMP];
	int rc;
	stamp_fill(stamp, version);
	rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, STAMP_A, STAMP, stamp);
	if (!rc)
		rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, STAMP_B, STAMP,
					       stamp + STAMP);
	return rc;
}

/* Only on top of that version. */
static int stamp_expect(struct mbshm_txn *txn, uint64_t version)
{
	uint16_t stamp[2 * STAMP];
	stamp_fill(stamp, version);
	const struct mbshm_write wanted = { MBSHM_HOLDING_REGISTERS, STAMP_A, STAMP, stamp };
	return mbshm_txn_expect(txn, &wanted, 1);
}

static uint32_t counter_read(const struct mbshm *img, unsigned writer)
{
	uint16_t half[2];
	int rc;
	do
		rc = mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS,
					  (uint16_t)(COUNTERS + 2 * writer), 2, half, NULL);
	while (rc == -EAGAIN);
	if (rc) {
		atomic_fetch_add(&storm->wrong, 1);
		return 0;
	}
	return half[0] | (uint32_t)half[1] << 16;
}

struct role {
	unsigned index;
	uint64_t seed;
};

/* Commit on top of version seen; false: others were faster.  Nobody else either for 20 s is what
 * stuck means. */
static bool committed(struct mbshm *img, struct mbshm_txn *txn, uint64_t seen)
{
	uint64_t version = 0;
	int rc = mbshm_txn_commit(txn, 20 * SECOND_US, &version);
	uint64_t now = commit_version(commit_load(&img->seg->control));
	if (rc == -ECANCELED || (rc == -ETIMEDOUT && now > seen)) {
		atomic_fetch_add(rc == -ECANCELED ? &storm->refused : &storm->starved, 1);
		return false;
	}
	if (rc)
		fprintf(stderr, "# commit on version %llu: %s; version %llu, lock %#llx\n",
			(unsigned long long)seen, strerror(-rc), (unsigned long long)now,
			(unsigned long long)lock_load(&img->seg->control));
	STORM_CHECK(!rc && version == seen + 1);
	return true;
}

/* One commit of this writer, tried until it is the first. */
static void writer_commit(struct mbshm *img, struct mbshm_txn *txn, unsigned index, uint32_t count,
			  const uint32_t *number)
{
	const uint16_t half[2] = { (uint16_t)count, (uint16_t)(count >> 16) };
	uint64_t seen;
	int rc;
	do {
		while ((rc = stamp_read(img, &seen)) == -EAGAIN)
			;
		STORM_CHECK(!rc);
		mbshm_txn_begin(txn, img);
		STORM_CHECK(!stamp_expect(txn, seen) && !stamp_stage(txn, seen + 1));
		STORM_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS,
						       (uint16_t)(COUNTERS + 2 * index), 2, half));
		STORM_CHECK(!number || !pattern_stage(txn, *number));
	} while (!committed(img, txn, seen));
	STORM_CHECK(!number || ledger_agrees(seen + 1, *number));
	atomic_store(&storm->counter[index], count);
	atomic_fetch_add(&storm->commits[index], 1);
}

static void writer_body(void *arg)
{
	const struct role *role = arg;
	struct mbshm_txn *txn = mbshm_txn_new(PATTERN_WORDS);
	uint64_t random = role->seed;
	struct mbshm *img;
	uint32_t count;
	dawdle_random = ~role->seed;
	guard = &storm->guard;
	guard_token = role->seed;
	guard_inside = &storm->inside[role->index];
	STORM_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = dawdle;
	count = counter_read(img, role->index);
	STORM_CHECK(count >= atomic_load(&storm->counter[role->index]));
	while (!atomic_load(&storm->stop)) {
		uint32_t number = (uint32_t)random_next(&random);
		writer_commit(img, txn, role->index, ++count,
			      random_below(&random, 2) ? &number : NULL);
	}
	mbshm_close(img);
	mbshm_txn_free(txn);
}

/* Some read everything, the others two pages as often as they can. */
static int reader_look(const struct mbshm *img, bool whole, uint64_t *version)
{
	uint32_t number;
	int rc = whole ? pattern_read(img, &number, version) : stamp_read(img, version);
	STORM_CHECK(rc == 0 || rc == -EAGAIN); /* above all not TORN */
	STORM_CHECK(rc || !whole || ledger_agrees(*version, number));
	return rc;
}

static void reader_body(void *arg)
{
	const struct role *role = arg;
	unsigned batch = role->index % 2 ? BATCH : 1;
	uint64_t last = 0, version = 0, retries = 0;
	struct mbshm *img;
	STORM_CHECK(!mbshm_open(&config, 0, &img, NULL));
	while (!atomic_load(&storm->stop)) {
		unsigned good = 0;
		for (unsigned i = 0; i < batch; i++) {
			if (reader_look(img, batch == 1, &version))
				continue;
			STORM_CHECK(version >= last);
			last = version;
			good++;
		}
		atomic_fetch_add(&storm->reads[role->index], good);
		atomic_fetch_add(&storm->overtaken[role->index], batch - good);
		atomic_fetch_add(&storm->retries[role->index], count_load(img->retries) - retries);
		retries = count_load(img->retries);
	}
	mbshm_close(img);
}

static uint64_t sum(const _Atomic uint64_t *counts, unsigned n)
{
	uint64_t total = 0;
	while (n--)
		total += atomic_load(&counts[n]);
	return total;
}

static void start(unsigned who, uint64_t *random)
{
	struct role role = { who < WRITERS ? who : who - WRITERS, random_next(random) };
	pids[who] = child_start(who < WRITERS ? writer_body : reader_body, &role);
}

/* Stop it for a while.  A stopped owner is alive: nobody may take its lock. */
static void stop(unsigned who, uint64_t *random)
{
	int status;
	kill(pids[who], SIGSTOP);
	assert_int_equal(waitpid(pids[who], &status, WUNTRACED), pids[who]);
	assert_true(WIFSTOPPED(status));
	stops++;
	stops_inside += who < WRITERS && atomic_load(&storm->inside[who]);
	pause_us(random_below(random, 2000));
}

static void kill_and_replace(unsigned who, uint64_t *random, const struct mbshm *img)
{
	kill(pids[who], SIGKILL);
	assert_true(was_killed(child_end(pids[who])));
	if (who < WRITERS) {
		kills++;
		deaths_inside += atomic_exchange(&storm->inside[who], false);
		/* What the dead one was told to be published, is. */
		assert_true(counter_read(img, who) >= atomic_load(&storm->counter[who]));
	} else {
		reader_kills++;
	}
	start(who, random);
}

/* Three of four blows hit writers; one of four stops, and of the stopped every other one never goes
 * on.  Until there were enough deaths, and in the long mode enough reads and time, too. */
static void storm_rage(const struct mbshm *img, uint64_t *random, unsigned enough)
{
	bool longer = getenv("MB_LONG");
	uint64_t end = now_us() + LONG_S * UINT64_C(1000000);
	while (kills < enough ||
	       (longer && (now_us() < end || sum(storm->reads, READERS) < LONG_READS))) {
		unsigned who = random_below(random, 4) ? random_below(random, WRITERS)
						       : WRITERS + random_below(random, readers);
		pause_us(random_below(random, 4000));
		if (!random_below(random, 4)) {
			stop(who, random);
			if (random_below(random, 2)) {
				kill(pids[who], SIGCONT);
				continue;
			}
		}
		kill_and_replace(who, random, img);
		assert_int_equal(atomic_load(&storm->wrong), 0);
	}
}

/* Everybody, also who was started last, gets on. */
static void nobody_is_stuck(void)
{
	for (unsigned i = 0; i < WRITERS + readers; i++) {
		const _Atomic uint64_t *count =
			i < WRITERS ? &storm->commits[i] : &storm->reads[i - WRITERS];
		count_wait(count, atomic_load(count) + 10);
	}
}

/* Did what this test is about happen at all? */
static void storm_happened(const struct mbshm_status *status, unsigned enough)
{
	printf("# %llu reads, 0 torn, 0 stuck, %llu retries, %llu reads given up; version %llu, "
	       "%llu commits overtaken, %llu starved\n",
	       (unsigned long long)sum(storm->reads, READERS),
	       (unsigned long long)sum(storm->retries, READERS),
	       (unsigned long long)sum(storm->overtaken, READERS),
	       (unsigned long long)status->version,
	       (unsigned long long)atomic_load(&storm->refused),
	       (unsigned long long)atomic_load(&storm->starved));
	printf("# %llu writers killed, %llu of them in the lock, %llu locks stolen; %llu readers "
	       "killed; %llu stopped, %llu in the lock\n",
	       (unsigned long long)kills, (unsigned long long)deaths_inside,
	       (unsigned long long)status->steals, (unsigned long long)reader_kills,
	       (unsigned long long)stops, (unsigned long long)stops_inside);
	assert_true(kills >= enough && reader_kills > 0);
	assert_true(deaths_inside >= enough / 11 &&
		    status->steals >= enough / 11); /* 100 of 1,100 */
	assert_true(stops_inside > 0);
	assert_true(sum(storm->retries, READERS) > 0);
	for (unsigned i = 0; i < readers; i++)
		assert_true(atomic_load(&storm->reads[i]) > 1000);
	if (getenv("MB_LONG"))
		assert_true(sum(storm->reads, READERS) >= LONG_READS);
}

static void storm_of_signals(void **state)
{
	uint64_t random = test_seed();
	struct mbshm_status status;
	struct mbshm_txn *txn = mbshm_txn_new(PATTERN_WORDS);
	struct mbshm *img;
	unsigned enough =
		getenv("MB_SAN") ? KILLS_SLOW : KILLS; /* a sanitizer makes each fork slow */
	(void)state;
	readers = getenv("MB_LONG") ? READERS : READERS_SHORT;
	storm = shared_new(sizeof *storm);
	pattern_declare();
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, COUNTERS,
					  2 * WRITERS),
			 0);
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, STAMP_A, STAMP),
			 0);
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, STAMP_B, STAMP),
			 0);
	config.pool_pages = 48; /* small, so that readers are overtaken */
	img = image_open(MBSHM_CREATE);
	mbshm_txn_begin(txn, img);
	assert_int_equal(stamp_stage(txn, 2), 0);
	assert_int_equal(mbshm_txn_commit(txn, 0, NULL), 0);
	for (unsigned i = 0; i < WRITERS + readers; i++)
		start(i, &random);
	storm_rage(img, &random, enough);
	nobody_is_stuck();
	atomic_store(&storm->stop, true);
	for (unsigned i = 0; i < WRITERS + readers; i++)
		assert_int_equal(child_end(pids[i]), 0);
	assert_int_equal(atomic_load(&storm->wrong), 0);
	assert_int_equal(atomic_load(&storm->guard.broken), 0);
	assert_int_equal(pattern_commit(img, 1, 5 * SECOND_US, NULL), 0);
	image_audit(img);
	status = image_status(img);
	storm_happened(&status, enough);
	assert_true(status.version >= sum(storm->commits, WRITERS));
	assert_int_equal(status.free_pages, status.pool_pages - status.live_pages - 1);
	mbshm_txn_free(txn);
	mbshm_close(img);
	munmap(storm, sizeof *storm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(storm_of_signals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
