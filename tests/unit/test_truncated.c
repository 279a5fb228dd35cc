/* Another process truncates the segment, or puts a file of its own under the name: everybody lives
 * on, nobody reads a value that was never there, and the values come back. */
#include "image_fixture.h"

#include <dirent.h>

enum { NUMBER = 77 };

static const char *hook_point;
static off_t hook_bytes;

static void cut(off_t bytes)
{
	assert_int_equal(truncate(image_path(&config), bytes), 0);
}

static void cut_at(const char *name)
{
	if (hook_point && !strcmp(name, hook_point)) {
		hook_point = NULL;
		if (truncate(image_path(&config), hook_bytes))
			abort();
	}
}

static int truncated_setup(void **state)
{
	image_setup(state);
	pattern_declare();
	return 0;
}

#define TRUNCATED_TEST(function) \
	cmocka_unit_test_setup_teardown(function, truncated_setup, image_teardown)

static struct mbshm *image_new(int flags)
{
	assert_int_equal(mbshm_guard(), 0); /* cmocka has just installed a handler of its own */
	struct mbshm *img = image_open(MBSHM_CREATE);
	assert_int_equal(pattern_commit(img, NUMBER, SECOND_US, NULL), 0);
	if (flags & MBSHM_WRITE)
		return img;
	mbshm_close(img);
	return image_open(0);
}

/* The sizes that are tried: nothing, inside of header, control and pool, and all but a byte. */
static off_t size_of(unsigned i, const struct mbshm *img)
{
	const off_t sizes[] = { 0,
				100,
				4096,
				8192,
				(off_t)img->size_bytes / 2,
				(off_t)img->size_bytes - 4096,
				(off_t)img->size_bytes - 1 };
	return i < sizeof sizes / sizeof *sizes ? sizes[i] : -1;
}

/* Every call on a truncated image, and again when it has got its size back. */
static void calls_fail(struct mbshm *img)
{
	char why[MBSHM_WHY_SIZE], path[] = "/tmp/mbtest-XXXXXX";
	struct mbshm_journal_entry entry;
	struct mbshm_source source;
	struct mbshm_status status;
	uint64_t cursor = 0, version = 1;
	uint32_t number;
	int fd = mkstemp(path);
	assert_int_equal(mbshm_check(img), -EBADMSG);
	assert_int_equal(pattern_read(img, &number, NULL), -ESTALE);
	assert_int_equal(mbshm_status(img, &status), -ESTALE);
	assert_int_equal(mbshm_wait(img, version, 1000, NULL), -ESTALE);
	assert_int_equal(mbshm_journal_next(img, &cursor, &entry, NULL), -ESTALE);
	assert_int_equal(mbshm_source_get(img, 0, &source), -ENOENT);
	assert_int_equal(pattern_commit(img, 1, SECOND_US, NULL), -ESTALE);
	assert_int_equal(mbshm_audit(img, SECOND_US, why), -ESTALE);
	assert_int_equal(mbshm_values_save(img, path, SECOND_US, NULL, why), -ESTALE);
	assert_int_equal(mbshm_source_claim(img, "pump", SECOND_US), -ESTALE);
	assert_int_equal(mbshm_keep(img), -ESTALE);
	close(fd);
	unlink(path);
}

static void test_calls(void **state)
{
	(void)state;
	for (unsigned i = 0;; i++) {
		struct mbshm *img = image_new(MBSHM_WRITE);
		off_t bytes = size_of(i, img), whole = (off_t)img->size_bytes;
		if (bytes < 0) {
			mbshm_close(img);
			break;
		}
		cut(bytes);
		if (bytes <= 4096) { /* the word that says so is gone */
			calls_fail(img);
			cut(whole);
			calls_fail(img);
		}
		assert_int_equal(mbshm_check(img), -EBADMSG);
		mbshm_close(img);
		image_names(true);
	}
}

/* At each step of a commit: it fails or is whole, and never ends the process. */
static void test_commit(void **state)
{
	(void)state;
	static const char *const points[] = {
		"lock_taken",     "dirty_set", "pages_taken",  "min_valid_raised",
		"page_copied",    "root_half", "root_written", "published",
		"pages_returned", "clean",     "unlocked"
	};
	mbshm_point_hook = cut_at;
	for (unsigned p = 0; p < sizeof points / sizeof *points; p++)
		for (unsigned i = 0; i < 2; i++) {
			struct mbshm *img = image_new(MBSHM_WRITE);
			hook_point = points[p];
			hook_bytes = i ? 8192 + 1024 : 0;
			int rc = pattern_commit(img, 1, SECOND_US, NULL);
			assert_null(hook_point);
			if (rc && rc != -EBADMSG && rc != -ESTALE)
				fail_msg("%s: %s", points[p], strerror(-rc));
			assert_int_equal(mbshm_check(img), -EBADMSG);
			mbshm_close(img);
			image_names(true);
		}
}

/* In the middle of a read: refused, not zeros. */
static void test_read(void **state)
{
	(void)state;
	mbshm_point_hook = cut_at;
	for (unsigned i = 0;; i++) {
		struct mbshm *img = image_new(0);
		uint32_t number = 0;
		hook_bytes = size_of(i, img);
		if (hook_bytes < 0) {
			mbshm_close(img);
			break;
		}
		hook_point = "read_begun";
		int rc = pattern_read(img, &number, NULL);
		assert_null(hook_point);
		if (rc || !hook_bytes)
			assert_int_equal(rc, -ESTALE);
		else
			assert_int_equal(number, NUMBER); /* it needed none of what is gone */
		mbshm_close(img);
		image_names(true);
	}
}

static struct gate waiting;

static void wait_long(void *arg)
{
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, *(int *)arg, &img, NULL));
	CHILD_CHECK(gate_signal(&waiting));
	CHILD_CHECK(mbshm_wait(img, 2, HANG_US / 1000, NULL) == -ESTALE);
	mbshm_close(img);
}

static void test_waiter(void **state)
{
	(void)state;
	for (int flags = 0; flags <= MBSHM_WRITE; flags++) {
		struct mbshm *img = image_new(MBSHM_WRITE);
		gate_make(&waiting);
		pid_t child = child_start(wait_long, &flags);
		assert_true(gate_wait(&waiting));
		gate_close(&waiting);
		while (flags && !waiters_load(&img->seg->control))
			pause_us(100);
		cut(0);
		assert_int_equal(child_end(child), 0);
		mbshm_close(img);
		image_names(true);
	}
}

/* A bus error that is not ours ends the process, as without the guard. */
static void bus_error_raise(void *arg)
{
	(void)arg;
	signal(SIGBUS, SIG_DFL);
	CHILD_CHECK(!mbshm_guard());
	raise(SIGBUS);
}
static void bus_error_other(void *arg)
{
	(void)arg;
	signal(SIGBUS, SIG_DFL);
	CHILD_CHECK(!mbshm_guard());
	int fd = memfd_create("other", MFD_CLOEXEC);
	volatile char *bytes = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHILD_CHECK(bytes != MAP_FAILED);
	(void)bytes[0];
}

static void test_others_signal(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip(); /* their runtime has a handler of its own */
#endif
	struct mbshm *img = image_new(MBSHM_WRITE);
	void (*bodies[])(void *) = { bus_error_raise, bus_error_other };
	for (unsigned i = 0; i < 2; i++) {
		int status = child_end(child_start(bodies[i], NULL));
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGBUS);
	}
	mbshm_close(img);
}

static const char *aside(void)
{
	static char path[MBSHM_NAME_SIZE + 32];
	snprintf(path, sizeof path, "/dev/shm/.%.200s.damaged", config.name + 1);
	return path;
}

/* Of two that have kept the values, one makes the new image and the other is told. */
static void test_revive(void **state)
{
	(void)state;
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img = image_new(MBSHM_WRITE), *other = image_open(MBSHM_WRITE), *again;
	uint64_t before = image_status(img).version;
	assert_int_equal(mbshm_keep(img), 0);
	assert_int_equal(mbshm_keep(other), 0);
	cut(5000);
	assert_int_equal(mbshm_revive(img, &config, SECOND_US, why), 0);
	assert_int_equal(mbshm_check(img), -ESTALE);
	assert_int_equal(mbshm_check(other), -ESTALE);
	assert_int_equal(mbshm_revive(other, &config, SECOND_US, why), -ESTALE);
	again = image_open(MBSHM_WRITE);
	pattern_expect(again, NUMBER);
	assert_true(image_status(again).version > before);
	image_audit(again);
	assert_int_equal(unlink(aside()), 0);
	mbshm_close(again);
	mbshm_close(other);
	mbshm_close(img);
}

/* The name is gone as well. */
static void test_revive_nameless(void **state)
{
	(void)state;
	struct mbshm *img = image_new(MBSHM_WRITE);
	assert_int_equal(mbshm_keep(img), 0);
	cut(0);
	assert_int_equal(mbshm_unlink(config.name), 0);
	assert_int_equal(mbshm_revive(img, &config, SECOND_US, NULL), 0);
	mbshm_close(img);
	img = image_open(MBSHM_WRITE);
	pattern_expect(img, NUMBER);
	mbshm_close(img);
}

static void revive_at_once(void *arg)
{
	const struct gate *gates = arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	CHILD_CHECK(!mbshm_keep(img));
	CHILD_CHECK(gate_signal(&gates[0]) && gate_wait(&gates[1]));
	for (int rc; (rc = mbshm_check(img)) != -ESTALE;) {
		CHILD_CHECK(rc == -EBADMSG);
		rc = mbshm_revive(img, &config, SECOND_US, NULL);
		CHILD_CHECK(!rc || rc == -EAGAIN || rc == -ESTALE);
	}
	mbshm_close(img);
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, NULL));
	uint32_t number;
	CHILD_CHECK(!pattern_read(img, &number, NULL) && number == NUMBER);
	CHILD_CHECK(!mbshm_check(img));
}

static void test_many_revive(void **state)
{
	(void)state;
	enum { CHILDREN = 4, ROUNDS = 20 };
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct gate gates[2];
		pid_t pids[CHILDREN];
		gate_make(&gates[0]);
		gate_make(&gates[1]);
		mbshm_close(image_new(MBSHM_WRITE));
		for (unsigned i = 0; i < CHILDREN; i++)
			pids[i] = child_start(revive_at_once, gates);
		for (unsigned i = 0; i < CHILDREN; i++)
			assert_true(gate_wait(&gates[0]));
		cut(round * 1000);
		for (unsigned i = 0; i < CHILDREN; i++)
			assert_true(gate_signal(&gates[1]));
		for (unsigned i = 0; i < CHILDREN; i++)
			assert_int_equal(child_end(pids[i]), 0);
		gate_close(&gates[0]);
		gate_close(&gates[1]);
		unlink(aside());
		image_names(true);
	}
}

/* Whoever starts next replaces what is left, and says so. */
static void test_start(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct mbshm *img = image_new(MBSHM_WRITE);
		char why[MBSHM_WHY_SIZE];
		off_t whole = (off_t)img->size_bytes;
		mbshm_close(img);
		cut(size_of(i, img = image_open(0)));
		mbshm_close(img);
		if (i == 3)
			cut(0), cut(whole);
		assert_int_equal(mbshm_open(&config, MBSHM_WRITE, &img, why), -EBADMSG);
		assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), 0);
		assert_non_null(strstr(why, "was damaged"));
		pattern_expect(img, 0);
		assert_int_equal(mbshm_check(img), 0);
		image_audit(img);
		mbshm_close(img);
		assert_int_equal(unlink(aside()), 0);
		image_names(true);
	}
}

/* ---- overwritten ------------------------------------------------------------------------------
 */

/* A word that another process writes into the segment, at an offset of docs/image.md. */
static const struct overwritten {
	off_t at; /* WHOLE_POOL: each word of it */
	uint64_t word;
	bool readable; /* by those who are attached */
	bool foreign;  /* for the next who starts, it is no image of ours */
} overwritten[] = {
	{ 0, UINT64_MAX, true, true },
	{ 8, UINT64_MAX, true, true },
	{ 16, UINT64_MAX, true, false },
	{ 24, 0, true, false },
	{ 40, UINT64_MAX, true, false },
	{ 4080, 1, true, false },
	{ 4088, 0, true, false },
	{ 4096, 0, false, false },
	{ 4096, 2, false, false },                 /* of no version */
	{ 4096, UINT64_C(1) << 44, false, false }, /* another root page, of another version */
	{ 4096, UINT64_MAX - 1, false, false },
	{ 4096, UINT64_MAX, false, false }, /* retired */
	{ -1, UINT64_MAX, false, false },
	{ -1, 0, false, false },
};
enum { OVERWRITTEN = sizeof overwritten / sizeof *overwritten, WHOLE_POOL = -1 };

static void overwrite(const struct overwritten *what)
{
	uint32_t pages;
	int fd = open(image_path(&config), O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &pages, sizeof pages, 24), sizeof pages);
	off_t at = what->at, end = at + 8;
	if (at == WHOLE_POOL) {
		at = (off_t)pool_offset(pages);
		end = (off_t)segment_size(pages);
	}
	for (; at < end; at += 8)
		assert_int_equal(pwrite(fd, &what->word, 8, at), 8);
	close(fd);
}

/* Whoever is attached creates it again, with the present values if they can still be read. */
static void test_overwritten(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OVERWRITTEN; i++) {
		struct mbshm *img = image_new(MBSHM_WRITE), *other = image_open(MBSHM_WRITE);
		assert_int_equal(mbshm_keep(img), 0);
		assert_int_equal(pattern_commit(img, NUMBER + 1, SECOND_US, NULL), 0);
		overwrite(&overwritten[i]);
		assert_int_equal(mbshm_check(img), -EBADMSG);
		assert_int_equal(mbshm_revive(img, &config, SECOND_US, NULL), 0);
		assert_int_equal(mbshm_check(other), -ESTALE);
		mbshm_close(other);
		other = image_open(MBSHM_WRITE);
		pattern_expect(other, overwritten[i].readable ? NUMBER + 1 : NUMBER);
		image_audit(other);
		mbshm_close(other);
		mbshm_close(img);
		assert_int_equal(unlink(aside()), 0);
		image_names(true);
	}
}

/* When nobody is, whoever starts next: unless another magic number or layout makes it something
 * else. */
static void test_start_overwritten(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OVERWRITTEN; i++) {
		char why[MBSHM_WHY_SIZE];
		struct mbshm *img;
		mbshm_close(image_new(MBSHM_WRITE));
		overwrite(&overwritten[i]);
		int rc = mbshm_open(&config, MBSHM_CREATE, &img, why);
		assert_int_equal(rc, overwritten[i].foreign ? -EBADMSG : 0);
		if (!rc) {
			assert_non_null(strstr(why, "was damaged"));
			pattern_expect(img, 0);
			mbshm_close(img);
			assert_int_equal(unlink(aside()), 0);
		}
		image_names(true);
	}
}

/* Not what belongs to another user, nor what is something else. */
static void test_start_refuses(void **state)
{
	(void)state;
	char why[MBSHM_WHY_SIZE];
	struct mbshm *img;
	int fd = open(image_path(&config), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "a note of somebody", 18), 18);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), -EBADMSG);
	if (!geteuid()) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(fchown(fd, 4711, 4711), 0);
		assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), -EPERM);
	}
	close(fd);
	assert_int_equal(access(aside(), F_OK), -1);
}

/* ---- a file of a stranger under the name ---------------------------------------------------- */

static void put_file(void)
{
	int fd = open(image_path(&config), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
}
static void put_folder(void)
{
	assert_int_equal(mkdir(image_path(&config), 0700), 0);
}
static void put_link(void)
{
	assert_int_equal(symlink("/etc/passwd", image_path(&config)), 0);
}
static void put_fifo(void)
{
	assert_int_equal(mkfifo(image_path(&config), 0600), 0);
}

static void (*const strangers[])(void) = { put_file, put_folder, put_link, put_fifo };

static void test_stranger(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof strangers / sizeof *strangers; i++) {
		char why[MBSHM_WHY_SIZE] = "";
		struct mbshm *img = image_new(MBSHM_WRITE), *other = image_open(0);
		assert_int_equal(mbshm_unlink(config.name), 0);
		strangers[i]();
		assert_int_equal(mbshm_check(img), -EBUSY);
		assert_int_equal(mbshm_revive(img, &config, SECOND_US, why), -EBUSY);
		assert_non_null(strstr(why, "another file"));
		assert_int_equal(pattern_commit(img, 5, SECOND_US, NULL), 0);
		pattern_expect(other, 5); /* not retired */
		image_names(true);
		assert_int_equal(mbshm_revive(img, &config, SECOND_US, why), 0);
		assert_int_equal(mbshm_check(img), -ESTALE);
		mbshm_close(other);
		mbshm_close(img);
		img = image_open(0);
		pattern_expect(img, 5);
		mbshm_close(img);
		image_names(true);
	}
}

static void die_here(const char *point)
{
	if (!strcmp(point, "lock_taken"))
		raise(SIGKILL);
}
static void die_in_lock(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = die_here;
	pattern_commit(img, 1, SECOND_US, NULL);
}

/* The taker of a dead owner's lock looks where the name leads, too. */
static void test_stranger_steal(void **state)
{
	(void)state;
	struct mbshm *img = image_new(MBSHM_WRITE);
	assert_true(was_killed(child_end(child_start(die_in_lock, NULL))));
	assert_int_equal(mbshm_unlink(config.name), 0);
	put_file();
	assert_int_equal(pattern_commit(img, 5, SECOND_US, NULL), 0);
	assert_int_equal(image_status(img).steals, 1);
	pattern_expect(img, 5);
	mbshm_close(img);
}

static void put_at(const char *name)
{
	if (hook_point && !strcmp(name, hook_point)) {
		hook_point = NULL;
		put_file();
	}
}

/* It takes the name between the look and the link. */
static void test_stranger_faster(void **state)
{
	(void)state;
	struct mbshm *img = image_new(MBSHM_WRITE);
	assert_int_equal(mbshm_unlink(config.name), 0);
	mbshm_point_hook = put_at;
	hook_point = "recreate_read";
	assert_int_equal(mbshm_revive(img, &config, SECOND_US, NULL), -EBUSY);
	assert_null(hook_point);
	pattern_expect(img, NUMBER);
	mbshm_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRUNCATED_TEST(test_calls),
		TRUNCATED_TEST(test_commit),
		TRUNCATED_TEST(test_read),
		TRUNCATED_TEST(test_waiter),
		TRUNCATED_TEST(test_others_signal),
		TRUNCATED_TEST(test_revive),
		TRUNCATED_TEST(test_revive_nameless),
		TRUNCATED_TEST(test_many_revive),
		TRUNCATED_TEST(test_start),
		TRUNCATED_TEST(test_overwritten),
		TRUNCATED_TEST(test_start_overwritten),
		TRUNCATED_TEST(test_start_refuses),
		TRUNCATED_TEST(test_stranger),
		TRUNCATED_TEST(test_stranger_steal),
		TRUNCATED_TEST(test_stranger_faster),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
