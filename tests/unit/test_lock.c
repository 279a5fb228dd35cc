/* The writer lock between processes: stopped and dead owners, slots, time-outs, mutual exclusion.
 */
#include "image_fixture.h"

#include <sys/resource.h>

/* ---- an owner that stops or dies inside the lock ------------------------------------------- */

struct owner {
	const char *point; /* where */
	int signal;        /* SIGSTOP, SIGKILL */
	uint32_t number;   /* the pattern that it commits */
};
static const struct owner *hooked;

static void owner_hook(const char *name)
{
	if (!strcmp(name, hooked->point))
		raise(hooked->signal);
}

static void owner_body(void *arg)
{
	struct owner *owner = arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	hooked = owner;
	mbshm_point_hook = owner_hook;
	CHILD_CHECK(!pattern_commit(img, owner->number, SECOND_US, NULL));
	mbshm_close(img);
}

/* A child that has stopped inside the lock. */
static pid_t owner_stopped(struct owner *owner)
{
	pid_t pid = child_start(owner_body, owner);
	int status;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static void owner_killed(struct owner *owner)
{
	assert_true(was_killed(child_end(child_start(owner_body, owner))));
}

static void pattern_open(struct mbshm **img)
{
	pattern_declare();
	*img = image_open(MBSHM_CREATE);
}

static void stopped_owner(void **state)
{
	struct owner owner = { "root_written", SIGSTOP, 7 };
	struct mbshm *img, *reader;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint64_t version, start;
	pid_t pid;
	(void)state;
	pattern_open(&img);
	reader = image_open(0);
	pid = owner_stopped(&owner);
	mbshm_txn_begin(txn, img);
	assert_int_equal(pattern_stage(txn, 8), 0);
	static const uint32_t timeouts[] = { 0, 1, 20, 21, 1000, 50000 };
	for (unsigned i = 0; i < sizeof timeouts / sizeof *timeouts; i++) {
		start = now_us();
		assert_int_equal(mbshm_txn_commit(txn, timeouts[i], &version), -ETIMEDOUT);
		assert_true(now_us() - start + 1 >= timeouts[i]);
		assert_true(now_us() - start < timeouts[i] + HANG_US);
		pattern_expect(reader, 0);
		pattern_expect(img, 0);
		assert_int_equal(image_status(reader).version, 1);
	}
	assert_int_equal(mbshm_audit(img, 1000, NULL), -ETIMEDOUT);
	/* It goes on, and so do we, with what was staged. */
	kill(pid, SIGCONT);
	assert_int_equal(child_end(pid), 0);
	pattern_expect(reader, 7);
	assert_int_equal(mbshm_txn_commit(txn, 0, &version), 0);
	assert_int_equal(version, 3);
	pattern_expect(reader, 8);
	assert_int_equal(image_status(reader).steals, 0);
	image_audit(img);
	mbshm_txn_free(txn);
	mbshm_close(reader);
	mbshm_close(img);
}

/* A worker of a server tries for 20 us and must get on with its other work: not one try gives the
 * processor away. */
static void short_tries_never_sleep(void **state)
{
	struct owner owner = { "pages_taken", SIGSTOP, 7 };
	struct rusage before, after;
	struct mbshm *img;
	struct mbshm_txn *txn = mbshm_txn_new(0);
	uint64_t start, best = UINT64_MAX;
	(void)state;
	pattern_open(&img);
	owner_stopped(&owner);
	mbshm_txn_begin(txn, img);
	assert_int_equal(pattern_stage(txn, 8), 0);
	getrusage(RUSAGE_THREAD, &before);
	for (unsigned i = 0; i < 1000; i++) {
		start = mono_ns();
		assert_int_equal(mbshm_txn_commit(txn, i % 2 ? 20 : 0, NULL), -ETIMEDOUT);
		if (i % 2 && mono_ns() - start < best)
			best = mono_ns() - start;
	}
	getrusage(RUSAGE_THREAD, &after);
	assert_int_equal(after.ru_nvcsw, before.ru_nvcsw);
	/* The best of 500: a busy machine has some that are not interrupted. */
	assert_true(best >= 20000 && best < 200000);
	mbshm_txn_free(txn);
	mbshm_close(img);
}

static void dead_owner_is_found_soon(void **state)
{
	struct owner owner = { "root_half", SIGKILL, 7 };
	struct mbshm *img, *keeper;
	uint64_t start, best = UINT64_MAX;
	(void)state;
	pattern_open(&img);
	for (uint32_t i = 0; i < 10; i++) {
		owner_killed(&owner);
		start = now_us();
		assert_int_equal(pattern_commit(img, i, 5 * SECOND_US, NULL), 0);
		if (now_us() - start < best)
			best = now_us() - start;
		assert_int_equal(image_status(img).steals, i + 1);
		pattern_expect(img, i);
	}
	/* The best of ten, as above. */
	assert_true(best < 5000);
	/* Even a try that may not sleep asks once whether the owner lives. */
	owner_killed(&owner);
	assert_int_equal(pattern_commit(img, 20, 20, NULL), 0);
	owner_killed(&owner);
	assert_int_equal(pattern_commit(img, 21, 0, NULL), 0);
	assert_int_equal(image_status(img).steals, 12);
	image_audit(img);
	/* Somebody's read lock on the dead one's slot does not pose as the owner. */
	owner_killed(&owner);
	keeper = image_open(0);
	struct flock range = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = SEGMENT_SLOTS - 1
	};
	assert_int_equal(fcntl(keeper->fd, F_OFD_SETLK, &range), 0);
	assert_int_equal(pattern_commit(img, 22, SECOND_US, NULL), 0);
	mbshm_close(keeper);
	mbshm_close(img);
}

/* A child that inherits a descriptor must not keep the dead parent's slot: it lets go of it at the
 * fork. */
struct inherited {
	struct gate forked, end;
};

static void inheriting_body(void *arg)
{
	struct inherited *inherited = arg;
	struct owner owner = { "published", SIGKILL, 9 };
	struct mbshm *img;
	pid_t pid;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	pid = fork();
	if (!pid) {
		gate_signal(&inherited->forked);
		gate_wait(&inherited->end);
		_exit(0);
	}
	CHILD_CHECK(pid > 0 && gate_wait(&inherited->forked));
	hooked = &owner;
	mbshm_point_hook = owner_hook;
	pattern_commit(img, owner.number, SECOND_US, NULL);
}

static void slot_is_free_though_a_child_lives(void **state)
{
	struct inherited inherited;
	struct mbshm *img;
	(void)state;
	pattern_open(&img);
	gate_make(&inherited.forked);
	gate_make(&inherited.end);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_true(was_killed(child_end(child_start(inheriting_body, &inherited))));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the grandchild is ours now, and lives */
	pattern_expect(img, 9);
	assert_int_equal(pattern_commit(img, 10, SECOND_US, NULL), 0);
	assert_int_equal(image_status(img).steals, 1);
	assert_true(gate_signal(&inherited.end));
	assert_true(waitpid(-1, NULL, 0) > 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	gate_close(&inherited.forked);
	gate_close(&inherited.end);
	mbshm_close(img);
}

/* ---- slots --------------------------------------------------------------------------------- */

/* The only writer died in the lock; the next one gets its slot, and with it the lock's word. */
static void slot_taken_over(void **state)
{
	static const char *const deaths[] = { "lock_taken", "page_copied", "published" };
	struct mbshm *img, *reader;
	(void)state;
	pattern_open(&img);
	mbshm_close(img);
	reader = image_open(0);
	for (uint32_t i = 0; i < 3; i++) {
		struct owner owner = { deaths[i], SIGKILL, 100 + i };
		owner_killed(&owner);
		img = image_open(MBSHM_WRITE);
		assert_int_equal(img->slot, 0);
		assert_int_equal(image_status(reader).steals, i + 1);
		pattern_expect(reader, i == 2 ? 102 : i); /* what was there, or what it published */
		assert_int_equal(pattern_commit(img, i + 1, 0, NULL), 0);
		pattern_expect(reader, i + 1);
		image_audit(img);
		mbshm_close(img);
	}
	mbshm_close(reader);
}

/* It died when another image had the name already: whoever takes the lock over retires the old one.
 */
static void replaced_by_the_dead(void **state)
{
	struct owner owner = { "lock_taken", SIGKILL, 7 };
	struct mbshm_config other;
	struct mbshm *img, *reader, *anew;
	uint32_t number;
	(void)state;
	pattern_open(&img);
	reader = image_open(0);
	owner_killed(&owner);
	other = config;
	strcat(other.name, "-new");
	assert_int_equal(mbshm_open(&other, MBSHM_CREATE, &anew, NULL), 0);
	char from[MBSHM_NAME_SIZE + 16];
	strcpy(from, image_path(&other));
	assert_int_equal(rename(from, image_path(&config)), 0);
	pattern_expect(reader, 0);
	/* One that sleeps until a version comes is woken: the futex's count says so. */
	struct segment_control *control = &img->seg->control;
	uint32_t woken = wake_count_load(control);
	waiters_announce(control, mono_ns() + 60 * UINT64_C(1000000000));
	assert_int_equal(pattern_commit(img, 8, SECOND_US, NULL), -ESTALE);
	assert_int_equal(wake_count_load(control), woken + 1);
	assert_int_equal(pattern_read(reader, &number, NULL), -ESTALE);
	assert_int_equal(mbshm_check(reader), -ESTALE);
	mbshm_close(anew);
	mbshm_close(reader);
	mbshm_close(img);
	img = image_open(MBSHM_WRITE);
	assert_int_equal(pattern_commit(img, 8, SECOND_US, NULL), 0);
	mbshm_close(img);
}

static void slots_run_out(void **state)
{
	static struct mbshm *img[SEGMENT_SLOTS];
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *more;
	(void)state;
	pattern_declare();
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++) {
		img[i] = image_open(MBSHM_CREATE);
		assert_int_equal(img[i]->slot, i);
	}
	assert_int_equal(mbshm_open(&config, MBSHM_WRITE, &more, why), -EUSERS);
	assert_non_null(strstr(why, "256"));
	mbshm_close(image_open(0)); /* readers need none */
	assert_int_equal(pattern_commit(img[255], 1, 0, NULL), 0);
	mbshm_close(img[100]);
	img[100] = image_open(MBSHM_WRITE);
	assert_int_equal(img[100]->slot, 100);
	assert_int_equal(pattern_commit(img[100], 2, 0, NULL), 0);
	pattern_expect(img[0], 2);
	for (unsigned i = 0; i < SEGMENT_SLOTS; i++)
		mbshm_close(img[i]);
}

/* Who may only read can keep new writers out, since no write lock goes beside a read lock; it is
 * told apart from 256 writers, and those that are attached go on. */
static void slots_kept_by_reader(void **state)
{
	struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = SEGMENT_SLOTS };
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img, *more, *keeper;
	(void)state;
	pattern_open(&img);
	keeper = image_open(0);
	range.l_start = 1;
	assert_int_equal(fcntl(keeper->fd, F_OFD_SETLK, &range), 0);
	assert_int_equal(mbshm_open(&config, MBSHM_WRITE, &more, why), -EUSERS);
	assert_non_null(strstr(why, "read locks of other processes keep 255 of 256"));
	assert_int_equal(pattern_commit(img, 1, 0, NULL), 0);
	mbshm_close(keeper);
	mbshm_close(image_open(MBSHM_WRITE));
	mbshm_close(img);
}

/* A word that names nobody who could be alive: a slot out of range, or one that nobody holds. */
static void impossible_owners(void **state)
{
	static const uint16_t owners[] = { SEGMENT_SLOTS + 1, 0xffff, SEGMENT_SLOTS, 1, 2 };
	struct mbshm *img;
	struct segment *seg;
	(void)state;
	pattern_open(&img);
	seg = segment_poke(img);
	for (uint32_t i = 0; i < sizeof owners / sizeof *owners; i++) {
		atomic_store(&seg->control.lock, UINT64_C(77) << 16 | owners[i]);
		assert_int_equal(pattern_commit(img, i, SECOND_US, NULL), 0);
		assert_int_equal(atomic_load(&seg->control.lock) >> 16, 79);
		assert_int_equal(image_status(img).steals, i + 1);
	}
	segment_drop(img, seg);
	mbshm_close(img);
}

/* ---- mutual exclusion ---------------------------------------------------------------------- */

enum { PROCESSES = 4, COMMITS = 5000 };

static struct exclusion {
	_Atomic unsigned inside, wrong;
	_Atomic uint8_t seen[PROCESSES * COMMITS + 2]; /* versions that commits returned */
} * exclusion;

static void exclusion_hook(const char *name)
{
	if (!strcmp(name, "lock_taken") && atomic_fetch_add(&exclusion->inside, 1))
		atomic_fetch_add(&exclusion->wrong, 1);
	if (!strcmp(name, "clean"))
		atomic_fetch_sub(&exclusion->inside, 1);
}

static void committer_body(void *arg)
{
	struct mbshm *img;
	uint64_t version;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = exclusion_hook;
	CHILD_CHECK(gate_wait(arg));
	for (uint32_t i = 0; i < COMMITS; i++) {
		CHILD_CHECK(!pattern_commit(img, i, 20 * SECOND_US, &version));
		CHILD_CHECK(version > 1 && version < sizeof exclusion->seen &&
			    !atomic_fetch_add(&exclusion->seen[version], 1));
	}
	mbshm_close(img);
}

static void one_at_a_time(void **state)
{
	pid_t pids[PROCESSES];
	struct gate go;
	struct mbshm *img;
	(void)state;
	exclusion = shared_new(sizeof *exclusion);
	pattern_open(&img);
	gate_make(&go);
	for (unsigned i = 0; i < PROCESSES; i++)
		pids[i] = child_start(committer_body, &go);
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_true(gate_signal(&go));
	for (unsigned i = 0; i < PROCESSES; i++)
		assert_int_equal(child_end(pids[i]), 0);
	assert_int_equal(atomic_load(&exclusion->wrong), 0);
	assert_int_equal(image_status(img).version, 1 + PROCESSES * COMMITS);
	assert_int_equal(image_status(img).steals, 0);
	image_audit(img);
	gate_close(&go);
	munmap(exclusion, sizeof *exclusion);
	mbshm_close(img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(stopped_owner),
		IMAGE_TEST(short_tries_never_sleep),
		IMAGE_TEST(dead_owner_is_found_soon),
		IMAGE_TEST(slot_is_free_though_a_child_lives),
		IMAGE_TEST(slot_taken_over),
		IMAGE_TEST(replaced_by_the_dead),
		IMAGE_TEST(slots_run_out),
		IMAGE_TEST(slots_kept_by_reader),
		IMAGE_TEST(impossible_owners),
		IMAGE_TEST(one_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
