/* Would the tests notice a mistake in the protocol?  Each of the mistakes that any machine can show
 * is switched on in the library, and a reader that is overtaken at the worst moment must notice;
 * without it the same reader must notice nothing.
 *
 * Nothing is left to luck: the reader is held where it has the version and has not yet read a page,
 * until writers have come to where the mistake shows.  The pool is the smallest there is: the
 * fourth commit overwrites the pages that the reader is about to read. */
#include "image_fixture.h"

extern enum mbshm_mutation mbshm_mutation;

enum { REGISTERS = 512, POOL = 8, RECYCLING = 4 };

/* What happens while the reader is held. */
static struct attack {
	unsigned victim_commits; /* of a child, which is killed at a point of the last of them */
	const char *victim_point;
	unsigned commits; /* of a writer after it */
	bool overtakes;   /* the reader has to try again */
	void (*damage)(struct segment *seg, const struct mbshm *img); /* before those, or NULL */
} attack;
static struct mbshm *writer;
static bool attacked;

/* Version n holds n in every register. */
static int commit_next(struct mbshm *img)
{
	struct mbshm_txn *txn = mbshm_txn_new(REGISTERS / 4);
	uint16_t values[REGISTERS];
	uint64_t version;
	int rc;
	if (!txn)
		return -ENOMEM;
	mbshm_txn_begin(txn, img);
	rc = mbshm_read(img, NULL, 0, &version);
	for (unsigned i = 0; i < REGISTERS; i++)
		values[i] = (uint16_t)(version + 1);
	if (!rc)
		rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 0, REGISTERS, values);
	if (!rc)
		rc = mbshm_txn_commit(txn, SECOND_US, NULL);
	mbshm_txn_free(txn);
	return rc;
}

static unsigned commits_left;

static void victim_hook(const char *name)
{
	if (commits_left == 1 && strcmp(name, attack.victim_point) == 0)
		raise(SIGKILL);
}

static void victim_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = victim_hook;
	for (commits_left = attack.victim_commits; commits_left; commits_left--)
		CHILD_CHECK(!commit_next(img));
}

static void reader_hook(const char *name)
{
	if (attacked || strcmp(name, "read_begun") != 0)
		return;
	attacked = true;
	if (attack.victim_commits)
		assert_true(was_killed(child_end(child_start(victim_body, NULL))));
	if (attack.damage) {
		struct segment *seg = segment_poke(writer);
		attack.damage(seg, writer);
		segment_drop(writer, seg);
	}
	for (unsigned i = 0; i < attack.commits; i++)
		assert_int_equal(commit_next(writer), 0);
}

/* Does anybody notice: the reader by its values, or the audit?  Without a mutation the reader must
 * have been overtaken. */
static bool noticed(enum mbshm_mutation mutation)
{
	uint16_t values[REGISTERS];
	uint64_t version;
	bool torn = false, leaked;
	struct mbshm *reader;
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 0, REGISTERS);
	config.pool_pages = POOL;
	writer = image_open(MBSHM_CREATE);
	reader = image_open(0);
	/* Version 2 retires the pages of the empty version 1, so that all stamps of the attack are
	 * real ones. */
	assert_int_equal(commit_next(writer), 0);

	mbshm_mutation = mutation;
	attacked = false;
	mbshm_point_hook = reader_hook;
	assert_int_equal(mbshm_read_registers(reader, MBSHM_HOLDING_REGISTERS, 0, REGISTERS, values,
					      &version),
			 0);
	mbshm_point_hook = NULL;
	assert_true(attacked);
	for (unsigned i = 0; i < REGISTERS; i++)
		torn |= values[i] != version;
	leaked = mbshm_audit(writer, SECOND_US, NULL) != 0;
	if (!mutation && attack.overtakes)
		assert_true(image_status(reader).retries);

	mbshm_mutation = MUTATION_NONE;
	mbshm_close(reader);
	mbshm_close(writer);
	image_teardown(NULL);
	image_setup(NULL);
	return torn || leaked;
}

static void mutation_is_noticed(enum mbshm_mutation mutation, struct attack with)
{
	attack = with;
	assert_false(noticed(MUTATION_NONE));
	assert_true(noticed(mutation));
}

/* Killed when the reader's page has been overwritten and the late warning not yet been given. */
static void min_valid_late(void **state)
{
	(void)state;
	mutation_is_noticed(MUTATION_MIN_VALID_LATE,
			    (struct attack){ RECYCLING, "root_written", 0, true, NULL });
}

static void min_valid_missing(void **state)
{
	(void)state;
	mutation_is_noticed(MUTATION_MIN_VALID_MISSING,
			    (struct attack){ 0, NULL, RECYCLING, true, NULL });
}

static void stamp_low(void **state)
{
	(void)state;
	mutation_is_noticed(MUTATION_STAMP_LOW, (struct attack){ 0, NULL, RECYCLING, true, NULL });
}

/* Killed with the reader's pages retired and not yet given back: in the rebuilt list they are
 * second to those of version 1. */
static void stamp_zero(void **state)
{
	(void)state;
	mutation_is_noticed(MUTATION_STAMP_ZERO, (struct attack){ 1, "published", 2, true, NULL });
}

static void no_rebuild(void **state)
{
	(void)state;
	mutation_is_noticed(MUTATION_NO_REBUILD, (struct attack){ 1, "published", 1, false, NULL });
}

/* The pages that were taken last come again: those of the version that is read. */
static void head_too_low(struct segment *seg, const struct mbshm *img)
{
	(void)img;
	owner_store(&seg->control.free_head, owner_load(&seg->control.free_head) - 2);
}

static void entry_names_live_page(struct segment *seg, const struct mbshm *img)
{
	uint64_t head = owner_load(&seg->control.free_head);
	owner_store(&seg->free_list[head & img->free_mask],
		    root_entry(img, commit_root(commit_load(&seg->control)), 0));
}

static void list_trusted(void **state)
{
	(void)state;
	mutation_is_noticed(MUTATION_LIST_TRUSTED,
			    (struct attack){ 0, NULL, 1, false, head_too_low });
	mutation_is_noticed(MUTATION_LIST_TRUSTED,
			    (struct attack){ 0, NULL, 1, false, entry_names_live_page });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(min_valid_late), IMAGE_TEST(min_valid_missing), IMAGE_TEST(stamp_low),
		IMAGE_TEST(stamp_zero),     IMAGE_TEST(no_rebuild),        IMAGE_TEST(list_trusted),
	};
	return cmocka_run_group_tests_name("mutations", tests, NULL, NULL);
}
