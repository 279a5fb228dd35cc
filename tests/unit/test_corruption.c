/* A hostile segment: any byte of a live image may turn into any other, at any time.  Every call
 * then ends, within its time, with 0 or an error that mbshm.h names for it; after a call has
 * succeeded its result is within bounds.
 *
 * Quick: some thousands of rounds; MB_LONG: a million.  A round is one to four corruptions and a
 * look at everything. */
#include "image_fixture.h"

enum {
	ROUNDS = 20000,
	ROUNDS_LONG = 1000000,
	ROUNDS_OPEN = 16,              /* each that many rounds it is opened anew, */
	ROUNDS_RECREATE = 512,         /* and replaced */
	PATIENCE_US = 500,             /* of the calls that wait */
	ROUND_MAX_US = 10 * SECOND_US, /* far more than all waits of a round together */
};

static struct segment *seg;
static uint8_t *pristine;
static struct mbshm_txn *txn;
static unsigned rounds_that[2]; /* went well; had something refused */

/* ---- what a call may say ------------------------------------------------------------------- */

static bool refused; /* this round: something was found out */

/* rc is 0 or one of allowed, which ends with 0. */
static void allow(const char *call, int rc, const int *allowed)
{
	if (rc == 0)
		return;
	if (rc == -EBADMSG || rc == -ESTALE)
		refused = true;
	while (*allowed != 0 && *allowed != rc)
		allowed++;
	if (*allowed == 0)
		fail_msg("%s: %s", call, strerror(-rc));
}

#define ALLOW(call, ...) allow(#call, call, (const int[]){ __VA_ARGS__, 0 })
#define READ_ERRORS      -EAGAIN, -ESTALE, -EBADMSG
#define COMMIT_ERRORS    -ETIMEDOUT, -ESTALE, -EBADMSG

static void look(const struct mbshm *img)
{
	static uint16_t registers[2000];
	static uint8_t bits[2000 / 8];
	struct mbshm_read reads[] = { { MBSHM_HOLDING_REGISTERS, 400, 600, registers },
				      { MBSHM_COILS, 5, 1000, bits } };
	struct mbshm_status status;
	struct mbshm_source source;
	struct mbshm_journal_entry entry;
	uint64_t cursor = 0, missed, now;
	ALLOW(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 450, 125, registers, NULL),
	      READ_ERRORS);
	ALLOW(mbshm_read_bits(img, MBSHM_COILS, 7, 2000, bits, NULL), READ_ERRORS);
	ALLOW(mbshm_read(img, reads, 2, NULL), READ_ERRORS);
	ALLOW(mbshm_status(img, &status), READ_ERRORS);
	for (unsigned i = 0; i < 4; i++)
		if (mbshm_journal_next(img, &cursor, &entry, &missed) == 0)
			assert_true(entry.table < MBSHM_TABLES && entry.count > 0);
	ALLOW(mbshm_journal_next(img, &cursor, &entry, NULL), READ_ERRORS);
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++) {
		ALLOW(mbshm_source_get(img, i, &source), -ENOENT, -EBADMSG);
		if (mbshm_source_get(img, i, &source) == 0)
			assert_in_range(strnlen(source.name, sizeof source.name), 1,
					sizeof source.name - 1);
	}
	ALLOW(mbshm_wait(img, 1, 0, &now), -ETIMEDOUT, -ESTALE);
}

static void change(struct mbshm *img, uint64_t *random)
{
	const struct mbshm_origin origin = { .kind = MBSHM_ORIGIN_LOCAL };
	uint16_t values[123] = { (uint16_t)random_next(random) };
	const uint8_t bits[4] = { 1, 2, 3, 4 };
	char why[MBSHM_WHY_SIZE];
	struct mbshm_read read = { MBSHM_COILS, 0, 8, values };
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, &origin);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 500, 20, values),
			 0);
	assert_int_equal(mbshm_txn_write_bits(txn, MBSHM_COILS, 30, 32, bits), 0);
	assert_int_equal(mbshm_txn_read(txn, &read), 0);
	ALLOW(mbshm_txn_commit(txn, PATIENCE_US, NULL), COMMIT_ERRORS);
	mbshm_txn_begin(txn, img);
	assert_int_equal(
		mbshm_txn_expect(txn, &(struct mbshm_write){ MBSHM_COILS, 30, 32, bits }, 1), 0);
	assert_int_equal(mbshm_txn_mask_register(txn, MBSHM_HOLDING_REGISTERS, 999, 0xff00, 0x1234),
			 0);
	ALLOW(mbshm_txn_commit(txn, 0, NULL), COMMIT_ERRORS, -ECANCELED);
	ALLOW(mbshm_audit(img, PATIENCE_US, why), COMMIT_ERRORS);
	ALLOW(mbshm_source_claim(img, random_below(random, 2) ? "first" : "second", PATIENCE_US),
	      COMMIT_ERRORS, -ENOSPC);
	mbshm_source_touch(img);
	ALLOW(mbshm_snapshot(img, &read, 1, PATIENCE_US, NULL), READ_ERRORS, COMMIT_ERRORS);
	ALLOW(mbshm_wait(img, 1, 0, NULL), -ETIMEDOUT, -ESTALE);
}

/* Attach to what is there, for reading and for writing. */
static void attach(void)
{
	char why[MBSHM_WHY_SIZE];
	for (int flags = 0; flags <= MBSHM_WRITE; flags += MBSHM_WRITE) {
		struct mbshm *img = NULL;
		ALLOW(mbshm_open(&config, flags, &img, why), -EBADMSG, -ESTALE, -EEXIST);
		if (img)
			look(img);
		mbshm_close(img);
	}
}

/* ---- corruption ---------------------------------------------------------------------------- */

/* Words that lead to other words are hit more often than their share. */
static size_t corrupt_where(const struct mbshm *img, uint64_t *random)
{
	size_t from = sizeof(struct segment_header), end = img->size_bytes;
	switch (random_below(random, 4)) {
	case 0: /* a word of control that is in use */
		return offsetof(struct segment, control) + random_below(random, 28) * 8;
	case 1: /* the root page */
		return (size_t)((uint8_t *)&img->pool[commit_root(commit_load(&seg->control)) %
						      img->pool_pages] -
				(uint8_t *)img->seg) +
		       random_below(random, img->root_words) * 8;
	case 2: /* the free list */
		return offsetof(struct segment, free_list) +
		       random_below(random, img->pool_pages) * 8;
	default:
		return from + random_below(random, (uint32_t)(end - from)) / 8 * 8;
	}
}

static void corrupt(const struct mbshm *img, uint64_t *random)
{
	static const uint64_t edges[] = {
		0,      1,      UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, VERSION_MAX << 16,
		0xffff, 0x10000
	};
	_Atomic uint64_t *word = (_Atomic uint64_t *)((uint8_t *)seg + corrupt_where(img, random));
	uint64_t value = page_load(word);
	switch (random_below(random, 5)) {
	case 0:
		value ^= UINT64_C(1) << random_below(random, 64);
		break;
	case 1:
		value += random_below(random, 16) - UINT64_C(8);
		break;
	case 2:
		value = edges[random_below(random, sizeof edges / sizeof *edges)];
		break;
	case 3:
		value = (value & ~UINT64_C(0xffff)) | random_below(random, 0x10000);
		break;
	default:
		value = random_next(random);
	}
	page_store(word, value);
}

static void segment_restore(const struct mbshm *img)
{
	memcpy((uint8_t *)seg + sizeof(struct segment_header),
	       pristine + sizeof(struct segment_header),
	       img->size_bytes - sizeof(struct segment_header));
}

/* A new image, with something in all of its parts. */
static struct mbshm *image_fresh(void)
{
	uint64_t random = 1;
	unlink(image_path(&config));
	config.layout.span_count = 0;
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 400, 600);
	mbshm_layout_add(&config.layout, MBSHM_COILS, 0, 2100);
	config.pool_pages = 16;
	struct mbshm *img = image_open(MBSHM_CREATE);
	for (unsigned i = 0; i < 10; i++)
		change(img, &random);
	image_audit(img);
	seg = segment_poke(img);
	memcpy(pristine, seg, img->size_bytes);
	return img;
}

/* The image is replaced by one that is whole, whatever is in this one; or nothing happens. */
static struct mbshm *recreate(struct mbshm *img)
{
	char why[MBSHM_WHY_SIZE];
	ALLOW(mbshm_recreate(&config, PATIENCE_US, why), READ_ERRORS, COMMIT_ERRORS, -EEXIST);
	struct mbshm *new = NULL;
	if (mbshm_open(&config, MBSHM_WRITE, &new, why) == 0 && new->ino != img->ino)
		image_audit(new);
	mbshm_close(new);
	segment_drop(img, seg);
	mbshm_close(img);
	return image_fresh();
}

static void only_documented_errors(void **state)
{
	uint64_t random = test_seed();
	unsigned rounds = getenv("MB_LONG") ? ROUNDS_LONG : ROUNDS;
	(void)state;
	pristine = malloc(1 << 20);
	txn = mbshm_txn_new(64);
	struct mbshm *img = image_fresh(), *reader = image_open(0);
	assert_true(img->size_bytes <= 1 << 20);
	for (unsigned round = 1; round <= rounds; round++) {
		uint64_t start = now_us();
		refused = false;
		for (unsigned n = 1 + random_below(&random, 4); n; n--)
			corrupt(img, &random);
		look(reader);
		change(img, &random);
		look(img);
		if (round % ROUNDS_OPEN == 0)
			attach();
		if (round % ROUNDS_RECREATE == 0) {
			mbshm_close(reader);
			img = recreate(img);
			reader = image_open(0);
		}
		if (now_us() - start > ROUND_MAX_US)
			fail_msg("round %u took %llu us", round,
				 (unsigned long long)(now_us() - start));
		rounds_that[refused]++;
		segment_restore(img);
	}
	mbshm_close(reader);
	image_audit(img); /* as it was before all this */
	assert_true(rounds_that[false] > 0 && rounds_that[true] > 0);
	print_message("# %u rounds: %u went well, in %u something was refused\n", rounds,
		      rounds_that[false], rounds_that[true]);
	segment_drop(img, seg);
	mbshm_close(img);
	mbshm_txn_free(txn);
	free(pristine);
}

/* ---- a free list that looks whole ---------------------------------------------------------- */

enum { LISTED = 16, ORDERS = LISTED * 4 /* more than go four times round the list */ };

/* Damage that no entry shows: ends moved a little, entries that name a live page or one twice. */
static void list_damage(const struct mbshm *img, uint64_t *random)
{
	struct segment_control *control = &seg->control;
	uint64_t head = owner_load(&control->free_head), tail = owner_load(&control->free_tail),
		 commit = commit_load(control);
	_Atomic uint64_t *entry =
		&seg->free_list[(head + random_below(random, (uint32_t)(tail - head))) &
				img->free_mask];
	uint64_t stamp = page_load(entry) & ~UINT64_C(0xffff);
	unsigned few = 1 + random_below(random, 4);
	switch (random_below(random, 5)) {
	case 0:
		owner_store(&control->free_head, head - few);
		break;
	case 1:
		owner_store(&control->free_tail, tail + few);
		break;
	case 2: /* shorter: pages are lost */
		owner_store(&control->free_head, head + few);
		break;
	case 3: /* a page of the tables, or the root */
		few = random_below(random, img->live + 1);
		owner_store(entry,
			    stamp | (few < img->live ? root_entry(img, commit_root(commit), few)
						     : commit_root(commit)));
		break;
	default: /* a free page twice, side by side */
		owner_store(&seg->free_list[(head + few) & img->free_mask],
			    owner_load(&seg->free_list[(head + few - 1) & img->free_mask]));
	}
}

static void order_commit(struct mbshm *img, unsigned at, uint16_t value)
{
	mbshm_txn_begin(txn, img);
	assert_int_equal(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, (uint16_t)at, 1,
						   &value),
			 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
}

/* Every commit goes well, no page of the tables is written by a commit that did not mean it, and
 * when the list has gone round no page has two owners and none is lost. */
static void list_damage_is_mended(void **state)
{
	uint64_t random = test_seed();
	uint16_t want[3] = { 0 }, got;
	char why[MBSHM_WHY_SIZE] = "";
	(void)state;
	config.layout.span_count = 0;
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 0, 3 * PAGE_REGISTERS);
	config.pool_pages = LISTED;
	txn = mbshm_txn_new(64);
	struct mbshm *img = image_open(MBSHM_CREATE);
	seg = segment_poke(img);
	for (unsigned round = 0; round < 2000; round++) {
		list_damage(img, &random);
		for (unsigned n = 0; n < ORDERS; n++) {
			unsigned page = random_below(&random, 3);
			want[page] = (uint16_t)random_next(&random);
			order_commit(img, page * PAGE_REGISTERS, want[page]);
			for (page = 0; page < 3; page++) {
				assert_int_equal(
					mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS,
							     (uint16_t)(page * PAGE_REGISTERS), 1,
							     &got, NULL),
					0);
				assert_int_equal(got, want[page]);
			}
		}
		if (mbshm_audit(img, SECOND_US, why))
			fail_msg("round %u: %s", round, why);
	}
	segment_drop(img, seg);
	mbshm_close(img);
	mbshm_txn_free(txn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(only_documented_errors),
		IMAGE_TEST(list_damage_is_mended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
