/* Threads: several on one handle and several handles in one process, writers and readers at once.
 * Also for ThreadSanitizer. */
#include "image_fixture.h"

enum {
	HANDLES = 2,
	WRITERS = 2,
	READERS = 1,
	COMMITS = 3000
}; /* writers and readers: of each handle */

static struct mbshm *handles[HANDLES];
static _Atomic uint8_t seen[HANDLES * WRITERS * COMMITS + 2];
static _Atomic unsigned wrong, writers_left;
static _Atomic uint64_t reads;

/* cmocka's assertions belong to the main thread. */
#define THREAD_CHECK(condition)                                                           \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "# %s:%d: in a thread: %s\n", __FILE__, __LINE__, \
				#condition);                                              \
			atomic_fetch_add(&wrong, 1);                                      \
		}                                                                         \
	} while (0)

static void *writer(void *arg)
{
	struct mbshm *img = arg;
	uint64_t version = 0;
	for (uint32_t i = 0; i < COMMITS && !atomic_load(&wrong); i++) {
		/* Impatient every other time, as a server's worker is. */
		int rc = -ETIMEDOUT;
		while (rc == -ETIMEDOUT)
			rc = pattern_commit(img, i, i % 2 ? 20 : 10 * SECOND_US, &version);
		THREAD_CHECK(!rc);
		THREAD_CHECK(version > 1 && version < sizeof seen &&
			     !atomic_fetch_add(&seen[version], 1));
	}
	atomic_fetch_sub(&writers_left, 1);
	return NULL;
}

static void *reader(void *arg)
{
	const struct mbshm *img = arg;
	uint64_t last = 0, version;
	struct mbshm_status status;
	uint32_t number;
	int rc;
	while (atomic_load(&writers_left) && !atomic_load(&wrong)) {
		rc = pattern_read(img, &number, &version);
		if (rc == -EAGAIN)
			continue;
		THREAD_CHECK(!rc && version >= last);
		last = version;
		rc = mbshm_status(img, &status);
		THREAD_CHECK(rc == -EAGAIN || (!rc && status.version >= last));
		THREAD_CHECK(!mbshm_check(img));
		atomic_fetch_add(&reads, 1);
	}
	return NULL;
}

static void threads_share_handles(void **state)
{
	pthread_t threads[HANDLES * (WRITERS + READERS)];
	unsigned count = 0;
	(void)state;
	pattern_declare();
	config.pool_pages = 64;
	atomic_store(&writers_left, HANDLES * WRITERS);
	for (unsigned i = 0; i < HANDLES; i++)
		handles[i] = image_open(MBSHM_CREATE);
	for (unsigned i = 0; i < HANDLES; i++) {
		for (unsigned w = 0; w < WRITERS; w++)
			assert_int_equal(
				pthread_create(&threads[count++], NULL, writer, handles[i]), 0);
		for (unsigned r = 0; r < READERS; r++)
			assert_int_equal(
				pthread_create(&threads[count++], NULL, reader, handles[i]), 0);
	}
	while (count)
		pthread_join(threads[--count], NULL);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_true(atomic_load(&reads) > 0);
	assert_int_equal(image_status(handles[0]).version, 1 + HANDLES * WRITERS * COMMITS);
	assert_int_equal(image_status(handles[0]).steals, 0);
	image_audit(handles[0]);
	for (unsigned i = 0; i < HANDLES; i++)
		mbshm_close(handles[i]);
}

/* A thread that holds the handle's lock for long makes the handle's other threads time out, too. */
static struct gate inside, leave;

static void hold_hook(const char *name)
{
	if (!strcmp(name, "pages_taken")) {
		mbshm_point_hook = NULL;
		gate_signal(&inside);
		gate_wait(&leave);
	}
}

static void *holder(void *arg)
{
	THREAD_CHECK(!pattern_commit(arg, 1, 0, NULL));
	return NULL;
}

static void threads_time_out(void **state)
{
	pthread_t thread;
	uint64_t start;
	(void)state;
	pattern_declare();
	gate_make(&inside);
	gate_make(&leave);
	handles[0] = image_open(MBSHM_CREATE);
	mbshm_point_hook = hold_hook;
	assert_int_equal(pthread_create(&thread, NULL, holder, handles[0]), 0);
	assert_true(gate_wait(&inside));
	static const uint32_t timeouts[] = { 0, 20, 30000 };
	for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
		start = now_us();
		assert_int_equal(pattern_commit(handles[0], 2, timeouts[i], NULL), -ETIMEDOUT);
		assert_true(now_us() - start + 1 >= timeouts[i]);
		assert_true(now_us() - start < timeouts[i] + HANG_US);
		pattern_expect(handles[0], 0);
	}
	assert_true(gate_signal(&leave));
	pthread_join(thread, NULL);
	pattern_expect(handles[0], 1);
	assert_int_equal(pattern_commit(handles[0], 2, 0, NULL), 0);
	image_audit(handles[0]);
	mbshm_close(handles[0]);
	gate_close(&inside);
	gate_close(&leave);
	assert_int_equal(atomic_load(&wrong), 0);
}

/* ---- forks of one thread while another opens and closes ------------------------------------ */

enum { FORKS = 1000 };

static _Atomic bool forks_done;

static void *opener(void *arg)
{
	struct mbshm *img;
	while (!atomic_load(&forks_done)) {
		THREAD_CHECK(!mbshm_open(arg, MBSHM_WRITE, &img, NULL));
		mbshm_close(img);
	}
	return NULL;
}

/* Does this process have a descriptor of the image?  (A child may do only what is safe in a signal
 * handler.) */
static bool image_inherited(ino_t ino)
{
	struct stat st;
	for (int fd = 0; fd < 64; fd++)
		if (!fstat(fd, &st) && st.st_ino == ino && S_ISREG(st.st_mode))
			return true;
	return false;
}

/* A descriptor that a child inherits keeps the slot's lock after the parent's death: then nobody
 * could tell that the owner is dead. */
static void children_inherit_no_descriptor(void **state)
{
	struct mbshm *img;
	pthread_t thread;
	unsigned inherited = 0;
	(void)state;
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	atomic_store(&forks_done, false);
	assert_int_equal(pthread_create(&thread, NULL, opener, &config), 0);
	for (unsigned i = 0; i < FORKS; i++) {
		pid_t pid = fork();
		int status;
		if (!pid)
			_exit(image_inherited(img->ino));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		inherited += status != 0;
	}
	atomic_store(&forks_done, true);
	pthread_join(thread, NULL);
	assert_int_equal(inherited, 0);
	assert_int_equal(atomic_load(&wrong), 0);
	mbshm_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(threads_share_handles),
		IMAGE_TEST(threads_time_out),
		IMAGE_TEST(children_inherit_no_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
