/* Another segment under the same name: recreate with another layout and revive after the name is
 * gone, under running readers and writers, and with the one that does it killed at each point.  No
 * acknowledged value is lost. */
#include "image_fixture.h"

#include <sched.h>

#define NAME(name) #name,
static const char *const points[] = { MBSHM_POINT_LIST(NAME) };
enum { POINTS = sizeof points / sizeof *points, FIRST = 1000, WRITERS = 3, READERS = 2 };

static const char *die_at;
static char why[MBSHM_WHY_SIZE];

static void die_hook(const char *name)
{
	if (die_at && !strcmp(name, die_at))
		raise(SIGKILL);
}

/* Registers FIRST..FIRST + 9 are in every layout, the rest changes. */
static void layout_set(struct mbshm_config *of, unsigned variant)
{
	of->layout.span_count = 0;
	mbshm_layout_add(&of->layout, MBSHM_HOLDING_REGISTERS, FIRST - variant % 3 * 100,
			 100 + variant % 3 * 100);
	mbshm_layout_add(&of->layout, MBSHM_COILS, 7, 100 + variant * 11 % 1000);
	of->pool_pages = variant % 2 ? 0 : 64 + variant % 4 * 100;
}

static struct mbshm *first_open(void)
{
	layout_set(&config, 0);
	return image_open(MBSHM_CREATE);
}

/* As the programs do: whatever layout it has. */
static int any_open(int flags, struct mbshm **img)
{
	struct mbshm_config any = config;
	any.layout.span_count = 0;
	any.pool_pages = 0;
	return mbshm_open(&any, flags, img, NULL);
}

static int write_some(struct mbshm *img, uint16_t addr, uint16_t count, const uint16_t *values)
{
	struct mbshm_txn *txn = mbshm_txn_new(2);
	int rc;
	mbshm_txn_begin(txn, img);
	rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, addr, count, values);
	if (!rc)
		rc = mbshm_txn_commit(txn, 5 * SECOND_US, NULL);
	mbshm_txn_free(txn);
	return rc;
}

static int write_one(struct mbshm *img, uint16_t addr, uint16_t value)
{
	return write_some(img, addr, 1, &value);
}

static uint16_t read_one(struct mbshm *img, uint16_t addr)
{
	uint16_t value = 0xdead;
	assert_int_equal(mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, addr, 1, &value, NULL),
			 0);
	return value;
}

static uint16_t value_now(uint16_t addr)
{
	struct mbshm *img;
	assert_int_equal(any_open(0, &img), 0);
	uint16_t value = read_one(img, addr);
	mbshm_close(img);
	return value;
}

/* Nothing beside the name. */
static void alone(void)
{
	char path[4096];
	snprintf(path, sizeof path, "/dev/shm/.%s.new", config.name + 1);
	assert_int_equal(access(path, F_OK), -1);
}

/* ---- recreate ------------------------------------------------------------------------------ */

static void keeps_what_is_in_both(void **state)
{
	const struct mbshm_origin local = { .kind = MBSHM_ORIGIN_LOCAL };
	struct mbshm *old = first_open(), *reader = image_open(0), *img, *other;
	struct mbshm_txn *txn = mbshm_txn_new(8);
	struct mbshm_journal_entry entry;
	struct mbshm_source source;
	const uint8_t bits[2] = { 0x5a, 0x3c };
	uint8_t seen[2];
	uint16_t registers[100], value = 4711;
	uint64_t cursor = 0, version;
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		registers[i] = (uint16_t)(i * 7 + 1);
	assert_int_equal(mbshm_source_claim(old, "plant floor", SECOND_US), 0);
	mbshm_txn_begin(txn, old);
	mbshm_txn_journal(txn, &local);
	assert_int_equal(
		mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, FIRST, 100, registers), 0);
	assert_int_equal(mbshm_txn_write_bits(txn, MBSHM_COILS, 9, 16, bits), 0);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, &version), 0);
	assert_int_equal(mbshm_check(old), 0);

	config.layout.span_count = 0;
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, FIRST - 50, 100);
	mbshm_layout_add(&config.layout, MBSHM_COILS, 11, 10);
	mbshm_layout_add(&config.layout, MBSHM_INPUT_REGISTERS, FIRST, 1);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	alone();

	/* The old ones say so, whatever is asked of them. */
	assert_int_equal(mbshm_check(reader), -ESTALE);
	assert_int_equal(mbshm_read_registers(reader, MBSHM_HOLDING_REGISTERS, FIRST, 1, &value,
					      NULL),
			 -ESTALE);
	assert_int_equal(mbshm_wait(reader, 0, 1000, NULL), -ESTALE);
	assert_int_equal(mbshm_wait(old, 1000, 10000, NULL), -ESTALE);
	assert_int_equal(write_one(old, FIRST, 1), -ESTALE);
	assert_int_equal(mbshm_revive(old, &config, SECOND_US, why), -ESTALE);
	assert_int_equal(mbshm_audit(old, SECOND_US, why), -ESTALE);

	img = image_open(MBSHM_WRITE);
	assert_true(image_status(img).version > version);
	for (uint16_t i = 0; i < 50; i++) {
		assert_int_equal(read_one(img, (uint16_t)(FIRST - 50 + i)), 0);
		assert_int_equal(read_one(img, (uint16_t)(FIRST + i)), registers[i]);
	}
	assert_int_equal(mbshm_read_bits(img, MBSHM_COILS, 11, 10, seen, NULL), 0);
	assert_int_equal(seen[0] | seen[1] << 8, (0x3c5a >> 2) & 0x3ff);
	/* The journal goes on. */
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(mbshm_journal_next(img, &cursor, &entry, NULL), 0);
	assert_int_equal(entry.sequence, 2);
	assert_int_equal(entry.version, version);
	assert_int_equal(mbshm_journal_next(img, &cursor, &entry, NULL), -EAGAIN);
	/* So do the sources. */
	assert_int_equal(mbshm_source_get(img, 0, &source), 0);
	assert_string_equal(source.name, "plant floor");
	assert_int_equal(source.version, version);
	/* Nobody holds them in the new one, whoever has the slot there. */
	assert_int_equal(mbshm_source_claim(img, "another", SECOND_US), 0);
	other = image_open(MBSHM_WRITE);
	assert_int_equal(mbshm_source_claim(other, "plant floor", SECOND_US), 0);
	mbshm_close(other);
	image_audit(img);
	mbshm_txn_free(txn);
	mbshm_close(img);
	mbshm_close(reader);
	mbshm_close(old);
}

/* Layouts without a common address, and the same layout. */
static void nothing_or_all(void **state)
{
	struct mbshm *old = first_open(), *img;
	(void)state;
	assert_int_equal(write_one(old, FIRST, 7), 0); /* version 2 */
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	assert_int_equal(value_now(FIRST), 7);
	config.layout.span_count = 0;
	mbshm_layout_add(&config.layout, MBSHM_INPUT_REGISTERS, 5, 5);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	img = image_open(MBSHM_WRITE);
	/* Who waits for a version above the old one's sees that there is one. */
	assert_int_equal(image_status(img).version, 4);
	image_audit(img);
	mbshm_close(img);
	mbshm_close(old);
}

/* The names beside it must fit as well, so a longer one is refused before it is made. */
static void longest_name(void **state)
{
	struct mbshm *img;
	char aside[4096];
	(void)state;
	layout_set(&config, 0);
	memset(config.name + strlen(config.name), 'x', MBSHM_NAME_NEW + 1 - strlen(config.name));
	config.name[MBSHM_NAME_NEW + 1] = '\0';
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), -EINVAL);
	assert_non_null(strstr(why, "248 characters; expected at most 247"));
	assert_int_equal(mbshm_open(&config, MBSHM_WRITE, &img, why), -ENOENT);
	config.name[MBSHM_NAME_NEW] = '\0';
	img = image_open(MBSHM_CREATE);
	assert_int_equal(write_one(img, FIRST, 7), 0);
	mbshm_close(img);
	layout_set(&config, 1);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	assert_int_equal(value_now(FIRST), 7);
	/* Damaged, it is kept aside, and made again. */
	assert_int_equal(truncate(image_path(&config), 0), 0);
	assert_int_equal(mbshm_open(&config, MBSHM_CREATE, &img, why), 0);
	mbshm_close(img);
	snprintf(aside, sizeof aside, "/dev/shm/.%s.damaged", config.name + 1);
	assert_int_equal(access(aside, F_OK), 0);
}

static void refuses(void **state)
{
	struct mbshm_config bad;
	struct mbshm *img;
	(void)state;
	layout_set(&config, 0);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), -ENOENT);
	assert_int_equal(access(image_path(&config), F_OK), -1);
	img = image_open(MBSHM_CREATE);
	bad = config;
	bad.pool_pages = 3;
	assert_int_equal(mbshm_recreate(&bad, SECOND_US, why), -EINVAL);
	bad = config;
	bad.layout.span_count = 0;
	assert_int_equal(mbshm_recreate(&bad, SECOND_US, why), -EINVAL);
	assert_int_equal(mbshm_check(img), 0);
	assert_int_equal(mbshm_revive(img, &config, SECOND_US, why), -EEXIST);
	assert_int_equal(write_one(img, FIRST, 1), 0);
	mbshm_close(img);
}

/* The image of another user: its group may write, and yet not replace it. */
static void others_body(void *arg)
{
	(void)arg;
	CHILD_CHECK(!setgid(config.group) && !setuid(60123));
	CHILD_CHECK(mbshm_recreate(&config, SECOND_US, why) == -EPERM);
	CHILD_CHECK(strstr(why, "only its owner and root may replace it"));
}

static void refuses_others(void **state)
{
	struct mbshm *img;
	(void)state;
	if (geteuid() != 0)
		skip();
	config.group = 60123;
	img = first_open();
	assert_int_equal(child_end(child_start(others_body, NULL)), 0);
	assert_int_equal(write_one(img, FIRST, 1), 0);
	mbshm_close(img);
}

/* What stands in the way of the new image: nothing happens, and the old one goes on. */
static void cannot_be_named(void **state)
{
	struct mbshm *img = first_open();
	char path[4096];
	(void)state;
	snprintf(path, sizeof path, "/dev/shm/.%s.new", config.name + 1);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), -EEXIST);
	assert_int_equal(rmdir(path), 0);
	assert_non_null(strstr(why, path));
	assert_int_equal(write_one(img, FIRST, 3), 0);
	assert_int_equal(value_now(FIRST), 3);
	mbshm_close(img);
}

/* Root replaces somebody's image, or brings it back: it stays theirs, or they could not write it
 * any more. */
static void stays_its_owners(void **state)
{
	struct mbshm *img;
	struct stat st;
	(void)state;
	if (geteuid() != 0)
		skip();
	config.group = 60123;
	mbshm_close(first_open());
	assert_int_equal(chown(image_path(&config), 60124, 60123), 0);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	assert_int_equal(stat(image_path(&config), &st), 0);
	assert_true(st.st_uid == 60124 && st.st_gid == 60123 &&
		    (st.st_mode & 07777) == config.mode);
	img = image_open(MBSHM_WRITE);
	assert_int_equal(unlink(image_path(&config)), 0);
	assert_int_equal(mbshm_revive(img, &config, SECOND_US, why), 0);
	assert_int_equal(stat(image_path(&config), &st), 0);
	assert_true(st.st_uid == 60124 && st.st_gid == 60123);
	mbshm_close(img);
}

static void stopped_hook(const char *name)
{
	if (!strcmp(name, "dirty_set"))
		raise(SIGSTOP);
}

static void stopped_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!any_open(MBSHM_WRITE, &img));
	mbshm_point_hook = stopped_hook;
	CHILD_CHECK(!write_one(img, FIRST, 8));
}

/* A writer stopped inside the lock: it takes its time, and nothing has happened. */
static void times_out(void **state)
{
	struct mbshm *img = first_open();
	pid_t pid;
	int status;
	(void)state;
	assert_int_equal(write_one(img, FIRST, 7), 0);
	pid = child_start(stopped_body, NULL);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(mbshm_recreate(&config, 20000, why), -ETIMEDOUT);
	assert_int_equal(mbshm_check(img), 0);
	assert_int_equal(read_one(img, FIRST), 7);
	kill(pid, SIGCONT);
	assert_int_equal(child_end(pid), 0);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	assert_int_equal(value_now(FIRST), 8);
	mbshm_close(img);
}

/* ---- killed -------------------------------------------------------------------------------- */

static void recreate_body(void *arg)
{
	layout_set(&config, *(unsigned *)arg);
	mbshm_point_hook = die_hook;
	CHILD_CHECK(!mbshm_recreate(&config, SECOND_US, why));
}

/* Killed at each point, either image is the one: who was attached writes on, or is told to open
 * anew, and loses nothing. */
static void killed_in_recreate(void **state)
{
	unsigned deaths = 0, replaced = 0;
	struct mbshm *img = first_open();
	uint16_t value = 0;
	(void)state;
	for (unsigned round = 1; round <= 3 * POINTS; round++) {
		int rc;
		die_at = points[round % POINTS];
		deaths += was_killed(child_end(child_start(recreate_body, &round)));
		assert_int_equal(value_now(FIRST), value);
		rc = write_one(img, FIRST, (uint16_t)(value + 1));
		if (rc) {
			assert_int_equal(rc, -ESTALE);
			assert_int_equal(mbshm_check(img), -ESTALE);
			mbshm_close(img);
			assert_int_equal(any_open(MBSHM_WRITE, &img), 0);
			assert_int_equal(write_one(img, FIRST, (uint16_t)(value + 1)), 0);
			replaced++;
		}
		assert_int_equal(value_now(FIRST), ++value);
		image_audit(img);
	}
	printf("# %u killed, %u images replaced\n", deaths, replaced);
	assert_true(deaths > POINTS && replaced > 3 && replaced < 3 * POINTS);
	/* The leftovers of the dead do not stand in the way. */
	die_at = NULL;
	layout_set(&config, 5);
	assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
	alone();
	mbshm_close(img);
}

/* ---- under load ---------------------------------------------------------------------------- */

struct load {
	_Atomic bool stop;
	_Atomic uint64_t acknowledged[WRITERS], reopened[WRITERS + READERS], reads[READERS];
};

struct worker {
	struct load *load;
	unsigned index;
	bool revive;
};

static void reopen(const struct worker *worker, struct mbshm **img, int flags, unsigned counter)
{
	int rc;
	mbshm_close(*img);
	while ((rc = any_open(flags, img)) == -ENOENT && !worker->load->stop)
		usleep(100);
	CHILD_CHECK(rc == 0 || worker->load->stop);
	worker->load->reopened[counter]++;
}

/* Each writer has a counter of 32 bits. */
static uint16_t counter_addr(unsigned writer)
{
	return (uint16_t)(FIRST + 2 * writer);
}
static uint32_t counter(const uint16_t *registers)
{
	return registers[0] | (uint32_t)registers[1] << 16;
}

/* Counts up, one step for each acknowledgement, from the value it finds: a lost one would be seen.
 */
static void writer_body(void *arg)
{
	struct worker *worker = arg;
	uint16_t addr = counter_addr(worker->index), registers[2];
	struct mbshm *img;
	CHILD_CHECK(!any_open(MBSHM_WRITE, &img));
	while (!worker->load->stop) {
		int rc = mbshm_check(img);
		if (rc == -ENOENT && worker->revive) {
			rc = mbshm_revive(img, &config, SECOND_US, NULL);
			CHILD_CHECK(!rc || rc == -EEXIST || rc == -ESTALE || rc == -ETIMEDOUT);
		}
		if (!rc)
			rc = mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, addr, 2, registers,
						  NULL);
		if (!rc) {
			uint32_t value = counter(registers);
			CHILD_CHECK(value == worker->load->acknowledged[worker->index]);
			value++;
			rc = write_some(img, addr, 2,
					(const uint16_t[]){ (uint16_t)value,
							    (uint16_t)(value >> 16) });
		}
		if (!rc)
			worker->load->acknowledged[worker->index]++;
		else if (rc == -ESTALE || rc == -EEXIST || rc == -ENOENT)
			reopen(worker, &img, MBSHM_WRITE, worker->index);
		else
			CHILD_CHECK(rc == -ETIMEDOUT || rc == -EAGAIN);
	}
}

/* Never sees a value go back. */
static void reader_body(void *arg)
{
	struct worker *worker = arg;
	uint32_t before[WRITERS] = { 0 };
	struct mbshm *img;
	CHILD_CHECK(!any_open(0, &img));
	while (!worker->load->stop) {
		uint16_t registers[2 * WRITERS];
		int rc = mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, FIRST, 2 * WRITERS,
					      registers, NULL);
		if (rc == -ESTALE) {
			reopen(worker, &img, 0, WRITERS + worker->index);
			continue;
		}
		CHILD_CHECK(rc == 0 || rc == -EAGAIN);
		if (rc)
			continue;
		for (unsigned i = 0; i < WRITERS; i++) {
			CHILD_CHECK(counter(registers + 2 * i) >= before[i]);
			before[i] = counter(registers + 2 * i);
		}
		worker->load->reads[worker->index]++;
	}
}

static void all_get_on(struct load *load)
{
	_Atomic uint64_t *counts[WRITERS + READERS];
	uint64_t before[WRITERS + READERS];
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		counts[i] = i < WRITERS ? &load->acknowledged[i] : &load->reads[i - WRITERS];
		before[i] = *counts[i];
	}
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		for (uint64_t start = now_us(); *counts[i] < before[i] + 3; usleep(100))
			if (now_us() - start > HANG_US)
				fail_msg("%s %u is stuck", i < WRITERS ? "writer" : "reader",
					 i < WRITERS ? i : i - WRITERS);
}

/* Writers and readers at work, while disturb(round) is called again and again. */
static void under_load(bool revive, void (*disturb)(unsigned round), unsigned rounds)
{
	struct load *load = shared_new(sizeof *load);
	struct worker workers[WRITERS + READERS];
	pid_t pids[WRITERS + READERS];
	uint64_t reopened = 0, acknowledged = 0;
	mbshm_close(first_open());
	for (unsigned i = 0; i < WRITERS + READERS; i++) {
		workers[i] = (struct worker){ load, i < WRITERS ? i : i - WRITERS, revive };
		pids[i] = child_start(i < WRITERS ? writer_body : reader_body, &workers[i]);
	}
	for (unsigned round = 0; round <= rounds; round++) {
		if (round)
			disturb(round);
		all_get_on(load);
	}
	load->stop = true;
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		assert_int_equal(child_end(pids[i]), 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		assert_int_equal(value_now(counter_addr(i)), (uint16_t)load->acknowledged[i]);
		assert_true(load->reopened[i] > rounds / 4);
		acknowledged += load->acknowledged[i];
		reopened += load->reopened[i];
	}
	for (unsigned i = 0; i < READERS; i++)
		assert_true(load->reads[i] > rounds);
	printf("# %u rounds, %llu writes acknowledged, none lost; writers opened anew %llu times\n",
	       rounds, (unsigned long long)acknowledged, (unsigned long long)reopened);
	munmap(load, sizeof *load);
}

static void recreate_round(unsigned round)
{
	layout_set(&config, round);
	assert_int_equal(mbshm_recreate(&config, 5 * SECOND_US, why), 0);
	alone();
}

static void recreate_under_load(void **state)
{
	(void)state;
	under_load(false, recreate_round, getenv("MB_LONG") ? 5000 : 200);
}

/* Every other round the one that replaces the image is killed somewhere. */
static void recreate_killed_round(unsigned round)
{
	static const char *const deaths[] = { "recreate_read", "recreate_named", "recreate_retired",
					      "published", "lock_taken" };
	die_at = deaths[round / 2 % 5];
	if (round % 2)
		assert_true(was_killed(child_end(child_start(recreate_body, &round))));
	else
		recreate_round(round);
}

static void recreate_killed_under_load(void **state)
{
	(void)state;
	under_load(false, recreate_killed_round, getenv("MB_LONG") ? 5000 : 200);
}

/* ---- the name is gone ---------------------------------------------------------------------- */

/* The writers bring it back, all at once; one image wins, and has everything. */
static void unlink_round(unsigned round)
{
	(void)round;
	unlink(image_path(&config));
	for (uint64_t start = now_us(); access(image_path(&config), F_OK); usleep(100))
		assert_true(now_us() - start < HANG_US);
}

static void revive_under_load(void **state)
{
	(void)state;
	under_load(true, unlink_round, getenv("MB_LONG") ? 5000 : 200);
}

static void revive_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!any_open(MBSHM_WRITE, &img));
	CHILD_CHECK(!unlink(image_path(&config)));
	mbshm_point_hook = die_hook;
	CHILD_CHECK(!mbshm_revive(img, &config, SECOND_US, why));
}

/* Killed at each point: whoever is left brings it back, or finds it back. */
static void killed_in_revive(void **state)
{
	struct mbshm *img = first_open();
	unsigned deaths = 0;
	uint16_t value = 0;
	(void)state;
	for (unsigned round = 0; round < 3 * POINTS; round++) {
		int rc;
		die_at = points[round % POINTS];
		deaths += was_killed(child_end(child_start(revive_body, NULL)));
		/* Without looking at the name: either the orphan takes it, or says that it is none
		 * of ours any more. */
		rc = write_one(img, FIRST, (uint16_t)(value + 1));
		assert_true(rc == 0 || rc == -ESTALE);
		value = (uint16_t)(value + !rc);
		if (mbshm_check(img) == -ENOENT) {
			rc = mbshm_revive(img, &config, SECOND_US, why);
			assert_true(rc == 0 || rc == -EEXIST || rc == -ESTALE);
		}
		mbshm_close(img);
		assert_int_equal(any_open(MBSHM_WRITE, &img), 0);
		assert_int_equal(read_one(img, FIRST), value);
		image_audit(img);
	}
	assert_true(deaths > POINTS);
	mbshm_close(img);
}

/* Somebody made a fresh image before we looked: that is the one, and nobody goes on writing into
 * the orphan. */
static void fresh_one_was_faster(void **state)
{
	struct mbshm *old = first_open(), *other = image_open(MBSHM_WRITE), *fresh;
	(void)state;
	assert_int_equal(unlink(image_path(&config)), 0);
	assert_int_equal(mbshm_check(old), -ENOENT);
	fresh = image_open(MBSHM_CREATE);
	assert_int_equal(mbshm_check(old), -ESTALE);
	assert_int_equal(mbshm_revive(old, &config, SECOND_US, why), -ESTALE);
	assert_int_equal(write_one(other, FIRST, 1), -ESTALE);
	assert_int_equal(write_one(fresh, FIRST, 1), 0);
	mbshm_close(fresh);
	mbshm_close(other);
	mbshm_close(old);
}

static void revive_needs_a_writer(void **state)
{
	struct mbshm *old = first_open(), *reader = image_open(0);
	(void)state;
	assert_int_equal(unlink(image_path(&config)), 0);
	assert_int_equal(mbshm_revive(reader, &config, SECOND_US, why), -EACCES);
	assert_int_equal(mbshm_revive(old, &config, SECOND_US, why), 0);
	mbshm_close(reader);
	mbshm_close(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(keeps_what_is_in_both),
		IMAGE_TEST(nothing_or_all),
		IMAGE_TEST(longest_name),
		IMAGE_TEST(refuses),
		IMAGE_TEST(refuses_others),
		IMAGE_TEST(cannot_be_named),
		IMAGE_TEST(stays_its_owners),
		IMAGE_TEST(times_out),
		IMAGE_TEST(killed_in_recreate),
		IMAGE_TEST(recreate_under_load),
		IMAGE_TEST(recreate_killed_under_load),
		IMAGE_TEST(killed_in_revive),
		IMAGE_TEST(revive_under_load),
		IMAGE_TEST(fresh_one_was_faster),
		IMAGE_TEST(revive_needs_a_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
