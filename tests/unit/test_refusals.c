/* What the library answers when it gets no memory, no rights or no place for a file; and a snapshot
 * that writers overtake until it takes the lock. */
#include "image_fixture.h"
#include "libshm/spans.h"

#include <sys/resource.h>

enum { NOBODY = 65534, SOME_GROUP = 65532, REGISTERS = 65535 };

static char why[MBSHM_WHY_SIZE];

/* ---- no memory ----------------------------------------------------------------------------- */

/* From now on this process gets no more pages. */
static void memory_end(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	CHILD_CHECK(file && fscanf(file, "%lu", &pages) == 1 && !fclose(file));
	struct rlimit limit = { pages * (rlim_t)sysconf(_SC_PAGESIZE), RLIM_INFINITY };
	CHILD_CHECK(!setrlimit(RLIMIT_AS, &limit));
}

static void starve(void *arg)
{
	static uint16_t values[REGISTERS];
	struct mbshm *img = arg, *second;
	struct mbshm_txn *txn = mbshm_txn_new(1);
	uint16_t value = 7, seen = 0;
	memory_end();
	CHILD_CHECK(!mbshm_txn_new(1 << 24));
	CHILD_CHECK(mbshm_open(&config, 0, &second, why) == -ENOMEM && *why);
	CHILD_CHECK(mbshm_values_save(img, "/dev/shm/mbtest-none", 0, NULL, why) == -ENOMEM);

	/* What cannot be staged leaves what was staged before. */
	mbshm_txn_begin(txn, img);
	CHILD_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 3, 1, &value));
	CHILD_CHECK(mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 0, REGISTERS, values) ==
		    -ENOMEM);
	CHILD_CHECK(!mbshm_txn_commit(txn, SECOND_US, NULL));
	CHILD_CHECK(!mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, 3, 1, &seen, NULL));
	CHILD_CHECK(seen == value);
	mbshm_txn_free(txn);
}

/* The handle is the child's: one that a fork inherits is dead. */
static void open_and_starve(void *arg)
{
	(void)arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, why));
	starve(img);
	mbshm_close(img);
}

static void test_no_memory(void **state)
{
	(void)state;
	const char *san = getenv("MB_SAN");
	if (san && strcmp(san, "coverage"))
		skip(); /* a sanitizer maps memory all the time */
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 0, REGISTERS),
			 0);
	assert_int_equal(child_end(child_start(open_and_starve, NULL)), 0);
}

/* ---- no rights ----------------------------------------------------------------------------- */

static void create_for_a_group(void *arg)
{
	(void)arg;
	struct mbshm *img;
	CHILD_CHECK(!setgid(NOBODY) && !setuid(NOBODY));
	config.group = SOME_GROUP;
	CHILD_CHECK(mbshm_open(&config, MBSHM_CREATE, &img, why) == -EPERM);
	CHILD_CHECK(strstr(why, "cannot give the image to group 65532"));
}

static void test_no_rights(void **state)
{
	(void)state;
	if (geteuid())
		skip(); /* needs to become two others */
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_COILS, 0, 1), 0);
	assert_int_equal(child_end(child_start(create_for_a_group, NULL)), 0);
	assert_int_equal(image_names(false), 0);
}

/* ---- no place for a file ------------------------------------------------------------------- */

static int save_to(struct mbshm *img, const char *path)
{
	*why = '\0';
	int rc = mbshm_values_save(img, path, SECOND_US, NULL, why);
	assert_int_equal(rc != 0, *why != '\0');
	return rc;
}

static void test_no_place(void **state)
{
	(void)state;
	char folder[] = "/dev/shm/mbtest-refusals-XXXXXX", path[5000];
	pattern_declare();
	struct mbshm *img = image_open(MBSHM_CREATE);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/none/values", folder);
	assert_int_equal(save_to(img, path), -ENOENT);
	/* A folder cannot be replaced by a file, and nothing is left beside it. */
	assert_int_equal(save_to(img, folder), -EISDIR);
	assert_int_equal(rmdir(folder), 0);
	snprintf(path, sizeof path, "%s.new", folder);
	assert_int_equal(access(path, F_OK), -1);
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(save_to(img, path), -ENAMETOOLONG);
	mbshm_close(img);
}

/* ---- overtaken ----------------------------------------------------------------------------- */

static struct mbshm *overtaker;
static unsigned overtakes; /* reads that are still to be overtaken */
static uint32_t published;

/* Of the smallest pool, two commits of all pages take those that a reader has begun with. */
static void overtake(const char *name)
{
	if (strcmp(name, "read_begun") || !overtakes)
		return;
	overtakes--;
	mbshm_point_hook = NULL;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pattern_commit(overtaker, ++published, SECOND_US, NULL), 0);
	mbshm_point_hook = overtake;
}

static int snapshot_overtaken(struct mbshm *img, unsigned times, uint16_t *first)
{
	const struct mbshm_read read = { MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING, 1, first };
	overtakes = times;
	mbshm_point_hook = overtake;
	int rc = mbshm_snapshot(img, &read, 1, SECOND_US, NULL);
	mbshm_point_hook = NULL;
	return rc;
}

static void test_overtaken(void **state)
{
	(void)state;
	uint16_t first = 0;
	pattern_declare();
	config.pool_pages = 2 * (PATTERN_PAGES + 1);
	overtaker = image_open(MBSHM_CREATE);
	published = 0;
	struct mbshm *writer = image_open(MBSHM_WRITE), *reader = image_open(0);
	/* A reader gives up; who may write waits for the lock, under which nobody overtakes. */
	assert_int_equal(snapshot_overtaken(reader, 16, &first), -EAGAIN);
	assert_int_equal(overtakes, 0);
	assert_int_equal(snapshot_overtaken(writer, 16, &first), 0);
	assert_int_equal(overtakes, 0);
	assert_int_equal(first, published);
	mbshm_close(reader);
	mbshm_close(writer);
	mbshm_close(overtaker);
}

/* ---- no room for a text -------------------------------------------------------------------- */

static void test_short_text(void **state)
{
	(void)state;
	struct mbshm_layout layout = { .span_count = 0 };
	char whole[100], cut[20];
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_COILS, 0, 100), 0);
	assert_int_equal(mbshm_layout_add(&layout, MBSHM_INPUT_REGISTERS, 1000, 100), 0);
	layout_text(&layout, whole, sizeof whole);
	assert_non_null(strstr(whole, "1000-1099"));
	layout_text(&layout, cut, sizeof cut);
	assert_string_equal(cut + sizeof cut - 4, "...");
	assert_memory_equal(cut, whole, sizeof cut - 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(test_no_memory), IMAGE_TEST(test_no_rights),  IMAGE_TEST(test_no_place),
		IMAGE_TEST(test_overtaken), IMAGE_TEST(test_short_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
