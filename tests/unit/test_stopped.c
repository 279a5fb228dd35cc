/* A writer that is stopped inside the lock: readers notice nothing, other writers are told in time,
 * and all go on afterwards.  And how the lock is shared among those that go on. */
#include "image_fixture.h"

static bool is_long;

/* ---- an owner that can be stopped at will -------------------------------------------------- */

static void stop_hook(const char *name)
{
	if (!strcmp(name, "root_written"))
		raise(SIGSTOP);
}

/* Stops in each of its commits, and outside the lock as well. */
static void stopping_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = stop_hook;
	for (uint32_t i = 1;; i++) {
		CHILD_CHECK(!pattern_commit(img, i, SECOND_US, NULL));
		raise(SIGSTOP);
	}
}

static void stopped_wait(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

/* Let it go on to where it stops next: in the lock, out of it, ... */
static void stopped_next(pid_t pid)
{
	kill(pid, SIGCONT);
	stopped_wait(pid);
}

/* ---- readers ------------------------------------------------------------------------------- */

enum { SLICES = 25, SLICE_US = 10000 };

/* Reads in a slice of time: 125 registers across two pages. */
static uint64_t reads_in_slice(const struct mbshm *img)
{
	uint64_t reads = 0, end = mono_ns() + SLICE_US * UINT64_C(1000);
	uint16_t out[125];
	for (; mono_ns() < end; reads += 100)
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS,
							      PATTERN_HOLDING, 125, out, NULL),
					 0);
	return reads;
}

static void readers_do_not_notice(void **state)
{
	uint64_t without[SLICES], with[SLICES], retries;
	struct mbshm *img;
	pid_t pid;
	(void)state;
	pattern_declare();
	mbshm_close(image_open(MBSHM_CREATE));
	img = image_open(0);
	pid = child_start(stopping_body, NULL);
	stopped_wait(pid);
	retries = image_status(img).retries;
	for (unsigned i = 0; i < SLICES; i++) {
		with[i] = reads_in_slice(img);
		assert_int_not_equal(lock_load(&img->seg->control) & 0xffff, 0);
		stopped_next(pid);
		without[i] = reads_in_slice(img);
		assert_int_equal(lock_load(&img->seg->control) & 0xffff, 0);
		stopped_next(pid);
	}
	/* Slices of both kinds in turns, and medians: what else the machine does hits both alike.
	 */
	double ratio =
		(double)percentile(with, SLICES, 50) / (double)percentile(without, SLICES, 50);
	printf("# %.1f million reads/s of 125 registers with a writer stopped in the lock, %.3f of "
	       "those without\n",
	       (double)with[SLICES / 2] / SLICE_US, ratio);
	assert_int_equal(image_status(img).retries, retries);
	/* Anything that a reader would wait for shows as a factor of a thousand.  A busy machine
	 * was seen to halve the figure; make bench has a quiet one. */
	assert_true(ratio > 0.05);
	mbshm_close(img);
}

/* ---- writers ------------------------------------------------------------------------------- */

enum { OTHERS = 3, TRIES = 25, TRIES_LONG = 400, DEADLINES = 3 };
static const uint32_t deadlines_us[DEADLINES] = { 1000, 10000,
						  50000 }; /* the last is the server's */

static struct late {
	uint64_t commit_us[DEADLINES][OTHERS][TRIES_LONG];
	uint64_t sleep_us[DEADLINES][OTHERS]
			 [TRIES_LONG]; /* how late a bare sleep of the same time ended */
	_Atomic uint64_t tries;        /* of all */
} * late;

static void other_body(void *arg)
{
	unsigned index = *(unsigned *)arg, tries = is_long ? TRIES_LONG : TRIES;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	for (unsigned d = 0; d < DEADLINES; d++)
		for (unsigned i = 0; i < tries; i++) {
			uint64_t start = now_us();
			CHILD_CHECK(pattern_commit(img, index, deadlines_us[d], NULL) ==
				    -ETIMEDOUT);
			late->commit_us[d][index][i] = now_us() - start - deadlines_us[d];
			start = now_us();
			pause_us(deadlines_us[d]);
			late->sleep_us[d][index][i] = now_us() - start - deadlines_us[d];
			atomic_fetch_add(&late->tries, 1);
		}
	/* And now it is to succeed, whenever the owner goes on. */
	CHILD_CHECK(!pattern_commit(img, 1000 + index, 30 * SECOND_US, NULL));
	mbshm_close(img);
}

/* Sorts. */
static uint64_t all_percentile(uint64_t (*of)[TRIES_LONG], unsigned tries, unsigned percent)
{
	static uint64_t all[OTHERS * TRIES_LONG];
	for (unsigned i = 0; i < OTHERS * tries; i++)
		all[i] = of[i / tries][i % tries];
	return percentile(all, OTHERS * tries, percent);
}

static void writers_time_out_in_time(void **state)
{
	unsigned index[OTHERS], tries = is_long ? TRIES_LONG : TRIES;
	uint64_t machine = 0;
	pid_t stopped, pids[OTHERS];
	struct mbshm *img;
	(void)state;
	late = shared_new(sizeof *late);
	pattern_declare();
	img = image_open(MBSHM_CREATE);
	stopped = child_start(stopping_body, NULL);
	stopped_wait(stopped);
	for (unsigned i = 0; i < OTHERS; i++) {
		index[i] = i;
		pids[i] = child_start(other_body, &index[i]);
	}
	count_wait(&late->tries, OTHERS * DEADLINES * tries);
	assert_int_equal(image_status(img).version, 1);
	kill(stopped, SIGCONT);
	for (unsigned i = 0; i < OTHERS; i++)
		assert_int_equal(child_end(pids[i]), 0);
	assert_int_equal(image_status(img).version, 2 + OTHERS);
	assert_int_equal(image_status(img).steals, 0);
	for (unsigned d = 0; d < DEADLINES; d++) {
		uint64_t p99 = all_percentile(late->sleep_us[d], tries, 99);
		machine = p99 > machine ? p99 : machine;
	}
	for (unsigned d = 0; d < DEADLINES; d++) {
		uint64_t p50 = all_percentile(late->commit_us[d], tries, 50),
			 p99 = all_percentile(late->commit_us[d], tries, 99);
		printf("# deadline %u us: -ETIMEDOUT after it by %llu us (median), %llu us (p99); "
		       "a bare sleep %llu us (p99)\n",
		       deadlines_us[d], (unsigned long long)p50, (unsigned long long)p99,
		       (unsigned long long)machine);
		/* Beyond what the machine makes any sleeper wait for its turn.  Few tries beside
		 * other tests say little about 1 in 100: then half of them must be in time. */
		assert_true(is_long ? p99 <= machine + 5000 : p50 <= machine + 100000);
	}
	image_audit(img);
	mbshm_close(img);
	munmap(late, sizeof *late);
}

/* ---- fairness ------------------------------------------------------------------------------ */

enum { WRITERS = 4, CONTENTION_US = SECOND_US };

static struct shares {
	_Atomic bool go, stop;
	_Atomic uint64_t commits[WRITERS], worst_us[WRITERS];
} * shares;

static void sharing_body(void *arg)
{
	unsigned index = *(unsigned *)arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	while (!atomic_load(&shares->go))
		pause_us(100);
	while (!atomic_load(&shares->stop)) {
		uint64_t start = now_us(), took;
		CHILD_CHECK(!pattern_commit(img, index, 20 * SECOND_US, NULL));
		took = now_us() - start;
		if (took > atomic_load(&shares->worst_us[index]))
			atomic_store(&shares->worst_us[index], took);
		atomic_fetch_add(&shares->commits[index], 1);
	}
	mbshm_close(img);
}

/* The lock promises nobody a turn: whoever spins when it is released has it.  So this is a figure,
 * and a bound for starvation. */
static void contenders_share(void **state)
{
	uint64_t least = UINT64_MAX, most = 0, all = 0, worst = 0;
	unsigned index[WRITERS];
	pid_t pids[WRITERS];
	(void)state;
	shares = shared_new(sizeof *shares);
	pattern_declare();
	mbshm_close(image_open(MBSHM_CREATE));
	for (unsigned i = 0; i < WRITERS; i++) {
		index[i] = i;
		pids[i] = child_start(sharing_body, &index[i]);
	}
	atomic_store(&shares->go, true);
	pause_us(CONTENTION_US);
	atomic_store(&shares->stop, true);
	for (unsigned i = 0; i < WRITERS; i++) {
		uint64_t commits;
		assert_int_equal(child_end(pids[i]), 0);
		commits = atomic_load(&shares->commits[i]);
		all += commits;
		least = commits < least ? commits : least;
		most = commits > most ? commits : most;
		worst = atomic_load(&shares->worst_us[i]) > worst
				? atomic_load(&shares->worst_us[i])
				: worst;
	}
	printf("# %d writers in a tight loop: %llu commits/s; the least lucky had %llu, the "
	       "luckiest %llu; the longest wait was %llu us\n",
	       WRITERS, (unsigned long long)(all * SECOND_US / CONTENTION_US),
	       (unsigned long long)least, (unsigned long long)most, (unsigned long long)worst);
	assert_true(least >= most / 100);
	munmap(shares, sizeof *shares);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(readers_do_not_notice),
		IMAGE_TEST(writers_time_out_in_time),
		IMAGE_TEST(contenders_share),
	};
	is_long = getenv("MB_LONG");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
