/* What the tests of libshm share: an image of their own, children that cannot outlive the test, and
 * a pattern over all four tables that shows a read mixed from two versions. */
#ifndef TESTS_UNIT_IMAGE_FIXTURE_H
#define TESTS_UNIT_IMAGE_FIXTURE_H

#include "libshm/clock.h"
#include "libshm/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#ifdef GCOV
#include <gcov.h>
#endif

extern void (*mbshm_point_hook)(const char *name);

/* HANG_US: what takes longer waits for something that does not come; a busy machine is late by
 * less, though a shared one was seen to stand still for twenty seconds. */
enum { CHILDREN_MAX = 128, SECOND_US = 1000000, HANG_US = 40 * SECOND_US };

/* Of the running test: what it opens, and which children it has. */
static struct mbshm_config config;
static pid_t children[CHILDREN_MAX];
static unsigned child_count;

/* ---- small things -------------------------------------------------------------------------- */

/* splitmix64 */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* 0 .. limit - 1 */
static inline uint32_t random_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)((random_next(state) >> 32) * limit >> 32);
}

static inline uint64_t test_seed(void)
{
	const char *text = getenv("MB_SEED");
	return text ? strtoull(text, NULL, 0) : 1;
}

static inline uint64_t now_us(void)
{
	return mono_ns() / 1000;
}

static inline void pause_us(uint32_t us)
{
	struct timespec time = { us / SECOND_US, us % SECOND_US * 1000L };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static inline int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Sorts. */
static inline uint64_t percentile(uint64_t *values, size_t count, unsigned percent)
{
	qsort(values, count, sizeof *values, compare_u64);
	return values[(count - 1) * percent / 100];
}

/* Memory that children share with the test. */
static inline void *shared_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	return memory;
}

/* ---- the image ----------------------------------------------------------------------------- */

static inline const char *image_path(const struct mbshm_config *of)
{
	static char path[MBSHM_NAME_SIZE + 16];
	snprintf(path, sizeof path, "/dev/shm%s", of->name);
	return path;
}

/* Count, or remove as well, what this process' tests have in /dev/shm; removed is also what the
 * library puts beside a name. */
static inline unsigned image_names(bool and_remove)
{
	DIR *dir = opendir("/dev/shm");
	char prefix[32];
	unsigned count = 0;
	snprintf(prefix, sizeof prefix, "mbtest-%d-", (int)getpid());
	for (const struct dirent *entry; dir && (entry = readdir(dir));) {
		bool beside = and_remove && entry->d_name[0] == '.';
		if (strncmp(entry->d_name + beside, prefix, strlen(prefix)))
			continue;
		count++;
		if (and_remove)
			unlinkat(dirfd(dir), entry->d_name,
				 entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	}
	if (dir)
		closedir(dir);
	return count;
}

static inline int image_setup(void **state)
{
	(void)state;
	config = (struct mbshm_config){ .mode = 0660, .group = (gid_t)-1 };
	snprintf(config.name, sizeof config.name, "/mbtest-%d-%s", (int)getpid(),
		 program_invocation_short_name);
	child_count = 0;
	return 0;
}

static inline int image_teardown(void **state)
{
	(void)state;
	mbshm_point_hook = NULL;
	for (unsigned i = 0; i < child_count; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	child_count = 0;
	image_names(true);
	return 0;
}

#define IMAGE_TEST(function) cmocka_unit_test_setup_teardown(function, image_setup, image_teardown)

static inline struct mbshm *image_open(int flags)
{
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img;
	int rc = mbshm_open(&config, flags, &img, why);
	if (rc)
		fail_msg("mbshm_open: %s: %s", strerror(-rc), why);
	return img;
}

static inline struct mbshm_status image_status(const struct mbshm *img)
{
	struct mbshm_status status;
	assert_int_equal(mbshm_status(img, &status), 0);
	return status;
}

static inline void image_audit(struct mbshm *img)
{
	char why[MBSHM_WHY_SIZE] = "";
	int rc = mbshm_audit(img, 5 * SECOND_US, why);
	if (rc)
		fail_msg("mbshm_audit: %s: %s", strerror(-rc), why);
}

/* The segment itself, to damage it; segment_drop unmaps. */
static inline struct segment *segment_poke(const struct mbshm *img)
{
	int fd = open(image_path(&config), O_RDWR | O_CLOEXEC);
	struct segment *seg =
		mmap(NULL, img->size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(seg, MAP_FAILED);
	close(fd);
	return seg;
}

static inline void segment_drop(const struct mbshm *img, struct segment *seg)
{
	munmap(seg, img->size_bytes);
}

/* ---- children ------------------------------------------------------------------------------ */

/* Wait until others have counted up to that; fails after a minute without progress, as when a child
 * has died. */
static inline void count_wait(const _Atomic uint64_t *count, uint64_t wanted)
{
	uint64_t last = atomic_load(count), end = now_us() + 60 * SECOND_US;
	for (uint64_t now; (now = atomic_load(count)) < wanted; pause_us(100)) {
		if (now != last)
			end = now_us() + 60 * SECOND_US;
		last = now;
		if (now_us() > end)
			fail_msg("stuck at %llu of %llu", (unsigned long long)now,
				 (unsigned long long)wanted);
	}
}

/* In a child cmocka's assertions would jump into the parent's runner: say it and leave. */
#define CHILD_CHECK(condition)                                                            \
	do {                                                                              \
		if (!(condition)) {                                                       \
			fprintf(stderr, "# %s:%d: in a child: %s (errno %d)\n", __FILE__, \
				__LINE__, #condition, errno);                             \
			_exit(1);                                                         \
		}                                                                         \
	} while (0)

/* Leave a child without what the parent has registered for its exit, but with its counts for "make
 * coverage". */
static inline _Noreturn void child_leave(int status)
{
#ifdef GCOV
	__gcov_dump();
#endif
	_exit(status);
}

/* Run body(arg) in a child, which then exits with 0. */
static inline pid_t child_start(void (*body)(void *), void *arg)
{
	pid_t parent = getpid(), pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent || !getppid()) /* 0: in a PID namespace of its own */
			body(arg);
		child_leave(0);
	}
	assert_true(child_count < CHILDREN_MAX);
	children[child_count++] = pid;
	return pid;
}

/* Wait for a child's end; its wait status. */
static inline int child_end(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (unsigned i = 0; i < child_count; i++)
		if (children[i] == pid)
			children[i] = children[--child_count];
	return status;
}

static inline bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* A pipe of bytes: one signal lets one waiter pass. */
struct gate {
	int fd[2];
};

static inline void gate_make(struct gate *gate)
{
	assert_int_equal(pipe2(gate->fd, O_CLOEXEC), 0);
}
static inline bool gate_signal(const struct gate *gate)
{
	return write(gate->fd[1], "", 1) == 1;
}
static inline bool gate_wait(const struct gate *gate)
{
	char byte;
	return read(gate->fd[0], &byte, 1) == 1;
}
static inline void gate_close(struct gate *gate)
{
	close(gate->fd[0]);
	close(gate->fd[1]);
}

/* ---- one owner at a time ------------------------------------------------------------------- */

/* Shared by all writers of an image: who takes the lock leaves a token of its own, and must find it
 * there at each point until it lets go.  A death in between leaves nothing to clear. */
struct guard {
	_Atomic uint64_t token, broken;
};

static struct guard *guard;
static uint64_t guard_token;       /* of this process */
static _Atomic bool *guard_inside; /* shared with the test: this process is in the lock */

static inline void guard_hook(const char *name)
{
	if (!strcmp(name, "lock_taken")) {
		atomic_store(guard_inside, true);
		atomic_store(&guard->token, guard_token);
	} else if (!strcmp(name, "unlocked")) {
		atomic_store(guard_inside, false);
	} else if (atomic_load(guard_inside) && atomic_load(&guard->token) != guard_token) {
		atomic_fetch_add(&guard->broken, 1);
	}
}

/* ---- the pattern --------------------------------------------------------------------------- */

/* All of it follows from one number; 0 gives zeros, a fresh image.  Each span but the discrete
 * inputs' crosses pages. */
enum {
	PATTERN_COIL = 8100,
	PATTERN_COILS = 200,
	PATTERN_DISCRETE = 77,
	PATTERN_DISCRETES = 200,
	PATTERN_HOLDING = 500,
	PATTERN_HOLDINGS = 600,
	PATTERN_INPUT = 65000,
	PATTERN_INPUTS = 64,
	PATTERN_PAGES = 2 + 1 + 3 + 2,
	TORN = 1,
};

struct pattern {
	uint8_t coils[PATTERN_COILS / 8], discretes[PATTERN_DISCRETES / 8];
	uint16_t holdings[PATTERN_HOLDINGS], inputs[PATTERN_INPUTS];
};

static inline void pattern_declare(void)
{
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_COILS, PATTERN_COIL, PATTERN_COILS),
			 0);
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_DISCRETE_INPUTS, PATTERN_DISCRETE,
					  PATTERN_DISCRETES),
			 0);
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING,
					  PATTERN_HOLDINGS),
			 0);
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_INPUT_REGISTERS, PATTERN_INPUT,
					  PATTERN_INPUTS),
			 0);
}

static inline uint16_t pattern_value(uint32_t number, unsigned index)
{
	uint32_t x = number * (2 * index + 1) * UINT32_C(0x9e3779b1);
	return (uint16_t)(x ^ x >> 16);
}

static inline void pattern_fill(struct pattern *pattern, uint32_t number)
{
	for (unsigned i = 0; i < sizeof pattern->coils; i++)
		pattern->coils[i] = (uint8_t)pattern_value(number, i);
	for (unsigned i = 0; i < sizeof pattern->discretes; i++)
		pattern->discretes[i] = (uint8_t)pattern_value(number, 100 + i);
	for (unsigned i = 0; i < PATTERN_HOLDINGS; i++)
		pattern->holdings[i] = pattern_value(number, 200 + i);
	for (unsigned i = 0; i < PATTERN_INPUTS; i++)
		pattern->inputs[i] = pattern_value(number, 1000 + i);
	pattern->holdings[0] = (uint16_t)number;
	pattern->holdings[1] = (uint16_t)(number >> 16);
}

static inline int pattern_stage(struct mbshm_txn *txn, uint32_t number)
{
	struct pattern pattern;
	int rc;
	pattern_fill(&pattern, number);
	rc = mbshm_txn_write_bits(txn, MBSHM_COILS, PATTERN_COIL, PATTERN_COILS, pattern.coils);
	if (!rc)
		rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING,
					       PATTERN_HOLDINGS, pattern.holdings);
	if (!rc)
		rc = mbshm_txn_write_bits(txn, MBSHM_DISCRETE_INPUTS, PATTERN_DISCRETE,
					  PATTERN_DISCRETES, pattern.discretes);
	if (!rc)
		rc = mbshm_txn_write_registers(txn, MBSHM_INPUT_REGISTERS, PATTERN_INPUT,
					       PATTERN_INPUTS, pattern.inputs);
	return rc;
}

/* One transaction that writes number's pattern. */
enum { PATTERN_WORDS = 300 };

static inline int pattern_commit(struct mbshm *img, uint32_t number, uint32_t timeout_us,
				 uint64_t *version)
{
	struct mbshm_txn *txn = mbshm_txn_new(PATTERN_WORDS);
	int rc;
	if (!txn)
		return -ENOMEM;
	mbshm_txn_begin(txn, img);
	rc = pattern_stage(txn, number);
	if (!rc)
		rc = mbshm_txn_commit(txn, timeout_us, version);
	mbshm_txn_free(txn);
	return rc;
}

/* 0, TORN (not the pattern of any one number), or the error of the read. */
static inline int pattern_read(const struct mbshm *img, uint32_t *number, uint64_t *version)
{
	struct pattern seen, whole;
	const struct mbshm_read reads[] = {
		{ MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING, PATTERN_HOLDINGS, seen.holdings },
		{ MBSHM_COILS, PATTERN_COIL, PATTERN_COILS, seen.coils },
		{ MBSHM_INPUT_REGISTERS, PATTERN_INPUT, PATTERN_INPUTS, seen.inputs },
		{ MBSHM_DISCRETE_INPUTS, PATTERN_DISCRETE, PATTERN_DISCRETES, seen.discretes },
	};
	int rc = mbshm_read(img, reads, 4, version);
	if (rc)
		return rc;
	*number = seen.holdings[0] | (uint32_t)seen.holdings[1] << 16;
	pattern_fill(&whole, *number);
	return memcmp(&seen, &whole, sizeof seen) ? TORN : 0;
}

/* The image must hold number's pattern, whole. */
static inline void pattern_expect(const struct mbshm *img, uint32_t number)
{
	uint32_t seen = 0;
	assert_int_equal(pattern_read(img, &seen, NULL), 0);
	assert_int_equal(seen, number);
}

#endif
