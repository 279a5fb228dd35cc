/* A writer killed by SIGKILL at each named point of commit and of recovery: readers see the old or
 * the new image whole, the next writer goes on, and nothing is leaked. */
#include "image_fixture.h"

#define POINT_NAME(name) #name,
static const char *const points[] = { MBSHM_POINT_LIST(POINT_NAME) };
#define POINT_INDEX(name) AT_##name,
enum { MBSHM_POINT_LIST(POINT_INDEX) POINT_COUNT };

/* An owner that dies here leaves dirty set, so that the next one has to rebuild. */
enum { DIRTY_FIRST = AT_dirty_set, DIRTY_LAST = AT_pages_returned };

/* Replacing an image has points of its own. */
static bool is_of_commit(unsigned point)
{
	return strncmp(points[point], "recreate_", strlen("recreate_"));
}

static unsigned die_at = POINT_COUNT;

static void die_hook(const char *name)
{
	if (die_at < POINT_COUNT && !strcmp(name, points[die_at]))
		raise(SIGKILL);
}

/* A pattern, and one journal entry for a part of it. */
static int journaled_commit(struct mbshm *img, uint32_t number)
{
	const struct mbshm_origin origin = { .kind = MBSHM_ORIGIN_LOCAL };
	struct mbshm_txn *txn = mbshm_txn_new(PATTERN_WORDS);
	uint16_t value = (uint16_t)number;
	int rc;
	mbshm_txn_begin(txn, img);
	rc = pattern_stage(txn, number);
	mbshm_txn_journal(txn, &origin);
	if (!rc)
		rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING, 1,
					       &value);
	if (!rc)
		rc = mbshm_txn_commit(txn, SECOND_US, NULL);
	mbshm_txn_free(txn);
	return rc;
}

/* A child that opens the image anew, says so, waits to be told, and dies while it commits number's
 * pattern. */
struct victim {
	unsigned point;
	uint32_t number;
	struct gate opened, go;
	pid_t pid;
};

static void victim_body(void *arg)
{
	struct victim *victim = arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	die_at = victim->point;
	mbshm_point_hook = die_hook;
	CHILD_CHECK(gate_signal(&victim->opened) && gate_wait(&victim->go));
	CHILD_CHECK(!journaled_commit(img, victim->number));
}

static void victim_start(struct victim *victim, unsigned point, uint32_t number)
{
	*victim = (struct victim){ .point = point, .number = number };
	gate_make(&victim->opened);
	gate_make(&victim->go);
	victim->pid = child_start(victim_body, victim);
	assert_true(gate_wait(&victim->opened));
}

/* Let it run to its end, which must be its point: a victim that never reaches it exits with 0. */
static void victim_run(struct victim *victim)
{
	assert_true(gate_signal(&victim->go));
	if (!was_killed(child_end(victim->pid)))
		fail_msg("point %s was not reached", points[victim->point]);
	gate_close(&victim->opened);
	gate_close(&victim->go);
}

/* An image with a few commits behind it, so that the free list is not in its first order.
 * rescuer: a writer attached before any death. */
static void image_start(struct mbshm **rescuer, struct mbshm **reader)
{
	pattern_declare();
	config.pool_pages = 64;
	*rescuer = image_open(MBSHM_CREATE);
	*reader = image_open(0);
	for (uint32_t number = 1; number <= 5; number++)
		assert_int_equal(pattern_commit(*rescuer, number, 0, NULL), 0);
}

/* Old and new readers see number at version, and as many journal entries as victims have published.
 */
static void readers_expect(const struct mbshm *reader, uint32_t number, uint64_t version,
			   unsigned journaled)
{
	struct mbshm *fresh = image_open(0);
	pattern_expect(reader, number);
	pattern_expect(fresh, number);
	assert_int_equal(image_status(reader).version, version);
	assert_int_equal(image_status(reader).journal_next, 1 + journaled);
	mbshm_close(fresh);
}

/* The next writer goes on, and every page of the pool can be used again. */
static void writer_goes_on(struct mbshm *rescuer, const struct mbshm *reader, uint64_t version)
{
	uint64_t published;
	assert_int_equal(pattern_commit(rescuer, 1000, SECOND_US, &published), 0);
	assert_int_equal(published, version + 1);
	pattern_expect(reader, 1000);
	image_audit(rescuer);
	for (uint32_t number = 1001; number < 1020; number++) {
		assert_int_equal(pattern_commit(rescuer, number, 0, NULL), 0);
		pattern_expect(reader, number);
	}
	image_audit(rescuer);
	assert_int_equal(image_status(reader).free_pages, config.pool_pages - PATTERN_PAGES - 1);
}

static void killed_in_commit(void **state)
{
	(void)state;
	for (unsigned point = 0; point < POINT_COUNT; point++) {
		struct mbshm *rescuer, *reader;
		struct victim victim;
		bool published = point >= AT_published;
		if ((point >= AT_lock_stolen && point <= AT_rebuild_done) || !is_of_commit(point))
			continue; /* only after a death: below */
		image_start(&rescuer, &reader);
		victim_start(&victim, point, 6);
		victim_run(&victim);
		readers_expect(reader, published ? 6 : 5, published ? 7 : 6, published);
		writer_goes_on(rescuer, reader, published ? 7 : 6);
		assert_int_equal(image_status(reader).steals, point == AT_unlocked ? 0 : 1);
		mbshm_close(reader);
		mbshm_close(rescuer);
		image_teardown(NULL);
		image_setup(NULL);
	}
}

static void killed_in_recovery_at(unsigned first, unsigned second)
{
	struct mbshm *rescuer, *reader;
	struct victim dead, heir;
	uint32_t number = 5;
	uint64_t version = 6;
	image_start(&rescuer, &reader);
	victim_start(&dead, first, 6);
	victim_start(&heir, second, 7);
	victim_run(&dead);
	if (first >= AT_published) {
		number = 6;
		version++;
	}
	readers_expect(reader, number, version, (unsigned)version - 6);
	victim_run(&heir);
	if (second >= AT_published) {
		number = 7;
		version++;
	}
	readers_expect(reader, number, version, (unsigned)version - 6);
	writer_goes_on(rescuer, reader, version);
	/* The heir counts its own steal just before the point lock_stolen. */
	assert_int_equal(image_status(reader).steals,
			 (second >= AT_lock_stolen) + (second != AT_unlocked));
	mbshm_close(reader);
	mbshm_close(rescuer);
}

/* Each death that leaves work, times each point of the commit that has to do it. */
static void killed_in_recovery(void **state)
{
	(void)state;
	for (unsigned first = DIRTY_FIRST; first <= DIRTY_LAST; first++)
		for (unsigned second = 0; second < POINT_COUNT; second++) {
			if (!is_of_commit(second))
				continue;
			killed_in_recovery_at(first, second);
			image_teardown(NULL);
			image_setup(NULL);
		}
}

/* A free list that was damaged by other means, and a death while it is made anew: half a list must
 * not pass for a whole one. */
static void killed_in_repair(void **state)
{
	(void)state;
	for (unsigned point = AT_rebuild_started; point <= AT_rebuild_done; point++) {
		struct mbshm *rescuer, *reader;
		struct victim victim;
		struct segment *seg;
		image_start(&rescuer, &reader);
		seg = segment_poke(rescuer);
		assert_int_equal(atomic_load(&seg->control.dirty), 0);
		/* It begins with an entry that cannot be, in a place that the repair comes to late.
		 */
		atomic_store(&seg->control.free_head, 40);
		atomic_store(&seg->control.free_tail, 40 + config.pool_pages - PATTERN_PAGES - 1);
		atomic_store(&seg->free_list[40], UINT64_MAX);
		victim_start(&victim, point, 6);
		victim_run(&victim);
		assert_int_equal(atomic_load(&seg->control.dirty), 1);
		readers_expect(reader, 5, 6, 0);
		writer_goes_on(rescuer, reader, 6);
		segment_drop(rescuer, seg);
		mbshm_close(reader);
		mbshm_close(rescuer);
		image_teardown(NULL);
		image_setup(NULL);
	}
}

/* Deaths in a row, each in the recovery from the one before. */
static void killed_in_a_row(void **state)
{
	struct mbshm *rescuer, *reader;
	uint64_t seed = test_seed(), version = 6;
	uint32_t number = 5;
	(void)state;
	image_start(&rescuer, &reader);
	for (unsigned i = 0; i < 100; i++) {
		struct victim victim;
		unsigned point = DIRTY_FIRST + random_below(&seed, DIRTY_LAST - DIRTY_FIRST + 1);
		victim_start(&victim, point, 100 + i);
		victim_run(&victim);
		if (point >= AT_published) {
			number = 100 + i;
			version++;
		}
		readers_expect(reader, number, version, (unsigned)version - 6);
	}
	writer_goes_on(rescuer, reader, version);
	mbshm_close(reader);
	mbshm_close(rescuer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(killed_in_commit),
		IMAGE_TEST(killed_in_recovery),
		IMAGE_TEST(killed_in_repair),
		IMAGE_TEST(killed_in_a_row),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
