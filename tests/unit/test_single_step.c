/* A writer under ptrace, one instruction at a time.  After every instruction that changed the
 * segment a copy is made of it, as a death of the writer at that instruction would leave it; on the
 * copy readers must see the old or the new image exactly, the audit must be clean and the next
 * commit must succeed.  Then the same with real SIGKILLs at spread instructions.
 *
 * Instructions that change nothing in the segment need no copy of their own: they leave the same
 * file to the survivors. */
#include "image_fixture.h"

#include <sched.h>
#include <sys/ptrace.h>

enum { OLD = 7, NEW = 8, KILLS = 170, KILLS_ALL = 40, SPREAD = 500, STEPS_MAX = 50 * 1000 * 1000 };

/* ---- what is traced ------------------------------------------------------------------------ */

struct job {
	const char *name;
	void (*declare)(void);
	int (*stage)(struct mbshm_txn *txn, uint32_t number);
	bool (*holds)(const struct mbshm *img,
		      uint32_t number); /* every item of the image as number's commit leaves it */
	bool recovery; /* a dead owner was left behind: the traced commit steals and rebuilds */
};

static void small_declare(void)
{
	/* Two pages, and a third that no transaction touches. */
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 1000, 100), 0);
	assert_int_equal(mbshm_layout_add(&config.layout, MBSHM_COILS, 0, 100), 0);
	config.pool_pages = 8;
}

static bool registers_hold(const struct mbshm *img, enum mbshm_table table, uint16_t first,
			   uint16_t count, uint32_t number, uint16_t changed)
{
	uint16_t seen[4096];
	if (mbshm_read_registers(img, table, first, count, seen, NULL))
		return false;
	for (unsigned i = 0; i < count; i++)
		if (seen[i] != (i < changed ? pattern_value(number, i) : 0))
			return false;
	return true;
}

static int registers_stage(struct mbshm_txn *txn, uint16_t first, uint16_t count, uint32_t number)
{
	uint16_t values[4096];
	for (unsigned i = 0; i < count; i++)
		values[i] = pattern_value(number, i);
	return mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, first, count, values);
}

static bool coils_are_zero(const struct mbshm *img)
{
	static const uint8_t zero[13];
	uint8_t seen[13];
	return !mbshm_read_bits(img, MBSHM_COILS, 0, 100, seen, NULL) &&
	       !memcmp(seen, zero, sizeof zero);
}

/* One page: holding registers 1000..1003. */
static int one_page_stage(struct mbshm_txn *txn, uint32_t number)
{
	return registers_stage(txn, 1000, 4, number);
}
static bool one_page_holds(const struct mbshm *img, uint32_t number)
{
	return registers_hold(img, MBSHM_HOLDING_REGISTERS, 1000, 100, number, 4) &&
	       coils_are_zero(img);
}

/* Two pages: all of 1000..1099. */
static int two_pages_stage(struct mbshm_txn *txn, uint32_t number)
{
	return registers_stage(txn, 1000, 100, number);
}
static bool two_pages_holds(const struct mbshm *img, uint32_t number)
{
	return registers_hold(img, MBSHM_HOLDING_REGISTERS, 1000, 100, number, 100) &&
	       coils_are_zero(img);
}

/* All pages of all four tables: the first register or the first 64 bits of each. */
static void all_declare(void)
{
	for (int table = 0; table < MBSHM_TABLES; table++)
		assert_int_equal(mbshm_layout_add(&config.layout, (enum mbshm_table)table, 0,
						  MBSHM_ITEMS),
				 0);
}

static int all_stage(struct mbshm_txn *txn, uint32_t number)
{
	int rc = 0;
	for (uint32_t page = 0; page < MBSHM_PAGES_MAX && !rc; page++) {
		uint16_t values[4];
		for (unsigned i = 0; i < 4; i++)
			values[i] = pattern_value(number, page * 4 + i);
		if (page < 16)
			rc = mbshm_txn_write_bits(txn,
						  page < 8 ? MBSHM_COILS : MBSHM_DISCRETE_INPUTS,
						  (uint16_t)(page % 8 * PAGE_BITS), 64,
						  (const uint8_t *)values);
		else
			rc = mbshm_txn_write_registers(
				txn, page < 144 ? MBSHM_HOLDING_REGISTERS : MBSHM_INPUT_REGISTERS,
				(uint16_t)((page - 16) % 128 * PAGE_REGISTERS), 4, values);
	}
	return rc;
}

static bool all_holds(const struct mbshm *img, uint32_t number)
{
	static uint16_t seen[2][MBSHM_ITEMS], bits[2][MBSHM_ITEMS / 16];
	const struct mbshm_read reads[] = {
		{ MBSHM_COILS, 0, MBSHM_ITEMS, bits[0] },
		{ MBSHM_DISCRETE_INPUTS, 0, MBSHM_ITEMS, bits[1] },
		{ MBSHM_HOLDING_REGISTERS, 0, MBSHM_ITEMS, seen[0] },
		{ MBSHM_INPUT_REGISTERS, 0, MBSHM_ITEMS, seen[1] },
	};
	if (mbshm_read(img, reads, 4, NULL))
		return false;
	for (uint32_t page = 0; page < MBSHM_PAGES_MAX; page++) {
		const uint16_t *words =
			page < 16 ? bits[page / 8] + page % 8 * PAGE_REGISTERS
				  : seen[(page - 16) / 128] + (page - 16) % 128 * PAGE_REGISTERS;
		for (unsigned i = 0; i < PAGE_REGISTERS; i++)
			if (words[i] != (i < 4 ? pattern_value(number, page * 4 + i) : 0))
				return false;
	}
	return true;
}

static int job_commit(struct mbshm *img, const struct job *job, uint32_t number)
{
	struct mbshm_txn *txn = mbshm_txn_new(40 * 1000);
	int rc;
	mbshm_txn_begin(txn, img);
	rc = job->stage(txn, number);
	if (!rc)
		rc = mbshm_txn_commit(txn, SECOND_US, NULL);
	mbshm_txn_free(txn);
	return rc;
}

/* ---- the traced child ---------------------------------------------------------------------- */

static void die_in_commit(const char *name)
{
	if (!strcmp(name, "root_written"))
		raise(SIGKILL);
}

static void dead_owner_body(void *arg)
{
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = die_in_commit;
	job_commit(img, arg, 99);
}

/* Stops before and after the commit. */
static void traced_body(void *arg)
{
	const struct job *job = arg;
	struct mbshm_txn *txn = mbshm_txn_new(40 * 1000);
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_txn_begin(txn, img);
	CHILD_CHECK(!job->stage(txn, NEW));
	CHILD_CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	raise(SIGSTOP);
	CHILD_CHECK(!mbshm_txn_commit(txn, SECOND_US, NULL));
	raise(SIGSTOP);
}

/* An image that holds OLD, and when the job is about recovery a dead owner of its lock. */
static struct mbshm *job_image(const struct job *job)
{
	struct mbshm *img;
	unlink(image_path(&config));
	img = image_open(MBSHM_CREATE);
	assert_int_equal(job_commit(img, job, OLD), 0);
	if (job->recovery)
		assert_true(was_killed(child_end(child_start(dead_owner_body, (void *)job))));
	return img;
}

static pid_t traced_start(const struct job *job)
{
	pid_t pid = child_start(traced_body, (void *)job);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	return pid;
}

/* One instruction; false: the child has stopped itself behind its commit. */
static bool traced_step(pid_t pid)
{
	int status;
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	return WSTOPSIG(status) == SIGTRAP;
}

static void traced_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_true(was_killed(child_end(pid)));
}

/* ---- the checks ---------------------------------------------------------------------------- */

/* What survivors find.  Returns the number that the image holds. */
static uint32_t survivors_check(const struct job *job, struct mbshm *img, const char *where,
				unsigned long step)
{
	bool old = job->holds(img, OLD);
	if (!old && !job->holds(img, NEW))
		fail_msg("%s, %s, instruction %lu: neither the old nor the new image", job->name,
			 where, step);
	image_audit(img);
	assert_int_equal(job_commit(img, job, NEW + 1), 0);
	if (!job->holds(img, NEW + 1))
		fail_msg("%s, %s, instruction %lu: the next commit is not what readers see",
			 job->name, where, step);
	image_audit(img);
	return old ? OLD : NEW;
}

static char *copy;
static size_t copy_size;

/* A death here leaves this file to the survivors: a copy of it under another name, where nobody
 * holds the owner's slot. */
static uint32_t copy_check(const struct job *job, const struct segment *seg, size_t size,
			   unsigned long step)
{
	struct mbshm_config real = config;
	struct mbshm *img;
	uint32_t number;
	strcat(config.name, "-copy");
	if (copy_size != size) {
		int fd = open(image_path(&config), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		copy_size = size;
		close(fd);
	}
	memcpy(copy, seg, size);
	img = image_open(MBSHM_WRITE);
	number = survivors_check(job, img, "copy", step);
	mbshm_close(img);
	config = real;
	return number;
}

static void copy_drop(void)
{
	struct mbshm_config real = config;
	strcat(config.name, "-copy");
	unlink(image_path(&config));
	munmap(copy, copy_size);
	copy_size = 0;
	config = real;
}

/* Step through one commit; copy and check after each every-th instruction that changed the segment.
 * Returns the instructions. */
static unsigned long trace_copies(const struct job *job, unsigned long every)
{
	struct mbshm *img = job_image(job);
	size_t size = img->size_bytes;
	struct segment *seg = segment_poke(img), *last = malloc(size);
	unsigned long steps = 0, changed = 0, checked = 0, seen_old = 0;
	pid_t pid = traced_start(job);
	bool new = false;
	memcpy(last, seg, size);
	while (traced_step(pid)) {
		assert_true(++steps < STEPS_MAX);
		if (every > 1 ? steps % every : !memcmp(last, seg, size))
			continue;
		changed++;
		memcpy(last, seg, size);
		uint32_t number = copy_check(job, seg, size, steps);
		checked++;
		assert_false(new &&number == OLD); /* what was published stays */
		new = number == NEW;
		seen_old += !new;
	}
	print_message(
		"# %s: %lu instructions, %lu states copied and checked, %lu before the publish\n",
		job->name, steps, checked, seen_old);
	assert_true(new &&seen_old > 0);
	assert_true(every > 1 ? checked >= SPREAD : changed > 0);
	traced_kill(pid);
	free(last);
	segment_drop(img, seg);
	mbshm_close(img);
	return steps;
}

/* Real deaths at instructions spread over the commit. */
static void trace_kills(const struct job *job, unsigned long steps, unsigned kills)
{
	unsigned before = 0, after = 0;
	for (unsigned i = 0; i < kills; i++) {
		struct mbshm *img = job_image(job);
		pid_t pid = traced_start(job);
		unsigned long at = steps * i / kills;
		for (unsigned long step = 0; step < at && traced_step(pid); step++)
			;
		traced_kill(pid);
		if (survivors_check(job, img, "killed", at) == OLD)
			before++;
		else
			after++;
		mbshm_close(img);
	}
	print_message("# %s: %u real SIGKILLs, %u before and %u after the publish\n", job->name,
		      kills, before, after);
	assert_true(before > 0 && after > 0);
}

/* ---- tests --------------------------------------------------------------------------------- */

static bool can_trace(void)
{
	if (getenv("MB_SAN")) {
		print_message(
			"# SKIP: the instructions of a sanitizer's build are not those that run\n");
		return false;
	}
	return true;
}

static void run_job(const struct job *job, unsigned long every, unsigned kills)
{
	if (!can_trace())
		skip();
	job->declare();
	unsigned long steps = trace_copies(job, every);
	trace_kills(job, steps, kills);
	copy_drop();
}

static void one_page(void **state)
{
	static const struct job job = { "1 page", small_declare, one_page_stage, one_page_holds,
					false };
	(void)state;
	run_job(&job, 1, KILLS);
}

static void two_pages(void **state)
{
	static const struct job job = { "2 pages", small_declare, two_pages_stage, two_pages_holds,
					false };
	(void)state;
	run_job(&job, 1, KILLS);
}

static void recovery(void **state)
{
	static const struct job job = { "recovery, 2 pages", small_declare, two_pages_stage,
					two_pages_holds, true };
	(void)state;
	run_job(&job, 1, KILLS);
}

static void all_pages(void **state)
{
	static const struct job job = { "272 pages", all_declare, all_stage, all_holds, false };
	(void)state;
	if (!getenv("MB_LONG")) {
		print_message("# SKIP: make check-long\n");
		skip();
	}
	/* Some 145,000 instructions: 1,500 of them copied; a real death takes a second of steps
	 * before it. */
	run_job(&job, 97, KILLS_ALL);
}

/* Tracer and traced on one CPU: a step then costs a switch, not a wake-up of another CPU. */
static void pin(void)
{
	cpu_set_t allowed, one;
	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof allowed, &allowed))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed)) {
			CPU_SET(cpu, &one);
			break;
		}
	sched_setaffinity(0, sizeof one, &one);
}

int main(void)
{
	pin();
	const struct CMUnitTest tests[] = { IMAGE_TEST(one_page), IMAGE_TEST(two_pages),
					    IMAGE_TEST(recovery), IMAGE_TEST(all_pages) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
