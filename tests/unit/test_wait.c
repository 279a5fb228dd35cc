/* Waiting for a version: woken by a publish, for every kind of handle; none lost, nothing leaked.
 * And sources. */
#include "image_fixture.h"

#include <pthread.h>

/* A waiter that nobody wakes looks for itself each SLICE_US. */
enum { SLICE_US = 100000, FOREVER_MS = 3 * HANG_US / 1000, ROUNDS = 4000, SLEEPS = 50 };

static int touch(struct mbshm *img, uint16_t value, uint64_t *version)
{
	struct mbshm_txn *txn = mbshm_txn_new(1);
	int rc;
	mbshm_txn_begin(txn, img);
	rc = mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, PATTERN_HOLDING, 1, &value);
	if (!rc)
		rc = mbshm_txn_commit(txn, SECOND_US, version);
	mbshm_txn_free(txn);
	return rc;
}

static struct mbshm *writer_open(void)
{
	pattern_declare();
	return image_open(MBSHM_CREATE);
}

static uint64_t announced_until(struct mbshm *img)
{
	return waiters_load(&img->seg->control);
}

/* ---- without a publish --------------------------------------------------------------------- */

static void answers_at_once(void **state)
{
	struct mbshm *writer = writer_open(), *reader = image_open(0);
	uint64_t now = 0;
	(void)state;
	assert_int_equal(mbshm_wait(writer, 0, 0, &now), 0);
	assert_int_equal(now, 1);
	assert_int_equal(touch(writer, 1, NULL), 0);
	assert_int_equal(mbshm_wait(reader, 1, FOREVER_MS, &now), 0);
	assert_int_equal(now, 2);
	assert_int_equal(mbshm_wait(reader, 1, FOREVER_MS, NULL), 0);
	assert_int_equal(announced_until(writer), 0); /* who need not wait leaves nothing */
	mbshm_close(reader);
	mbshm_close(writer);
}

static void times_out(void **state)
{
	struct mbshm *img[] = { writer_open(), image_open(0) };
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		static const uint32_t timeouts_ms[] = { 0, 1, 30,
							250 }; /* also longer than one slice */
		for (unsigned k = 0; k < 4; k++) {
			uint64_t start = now_us(), now = 77;
			assert_int_equal(mbshm_wait(img[i], 1, timeouts_ms[k], &now), -ETIMEDOUT);
			assert_int_equal(now, 77);
			assert_true(now_us() - start >= timeouts_ms[k] * 1000);
			assert_true(now_us() - start < timeouts_ms[k] * 1000 + HANG_US);
		}
	}
	mbshm_close(img[1]);
	mbshm_close(img[0]);
}

static void dead_after_fork(void **state)
{
	struct mbshm *img = writer_open();
	pid_t pid = fork();
	(void)state;
	if (!pid)
		_exit(mbshm_wait(img, 0, 0, NULL) == -EPERM &&
				      mbshm_source_claim(img, "x", 0) == -EPERM
			      ? 0
			      : 1);
	assert_int_equal(child_end(pid), 0);
	mbshm_close(img);
}

/* ---- with one ------------------------------------------------------------------------------ */

/* A waiter in a process of its own that reports, in shared memory, what it saw last and when. */
struct waiter {
	int flags;
	uint64_t version, until; /* waits for each version from version + 1 to until */
	_Atomic uint64_t seen, seen_us;
	_Atomic bool waiting;
};

static void waiter_body(void *arg)
{
	struct waiter *waiter = arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, waiter->flags, &img, NULL));
	waiter->waiting = true;
	for (uint64_t version = waiter->version, now; version < waiter->until; version = now) {
		CHILD_CHECK(!mbshm_wait(img, version, FOREVER_MS, &now));
		waiter->seen_us = now_us();
		waiter->seen = now;
	}
	mbshm_close(img);
}

/* Each publish follows the report that the last was seen: if one wake-up is lost, the next publish
 * is late by a slice (100 ms) or the whole. */
static void wakes(struct mbshm *writer, int flags, unsigned rounds)
{
	struct waiter *waiter = shared_new(sizeof *waiter);
	unsigned late = 0;
	uint64_t worst = 0, sum = 0, version = image_status(writer).version;
	pid_t pid;
	*waiter = (struct waiter){ .flags = flags, .version = version, .until = version + rounds };
	pid = child_start(waiter_body, waiter);
	while (!waiter->waiting)
		usleep(50);
	for (unsigned i = 0; i < rounds; i++) {
		uint64_t start;
		/* Not always in the same phase of the waiter's way into its sleep. */
		for (volatile unsigned spin = 0; spin < i % 64 * 50; spin++)
			;
		start = now_us();
		assert_int_equal(touch(writer, (uint16_t)i, &version), 0);
		while (waiter->seen < version) {
			assert_true(now_us() - start < FOREVER_MS * UINT64_C(1000));
			sched_yield();
		}
		uint64_t took = waiter->seen_us > start ? waiter->seen_us - start : 0;
		sum += took;
		late += took > SLICE_US / 2;
		worst = took > worst ? took : worst;
	}
	assert_int_equal(child_end(pid), 0);
	printf("# %s: woken %u times, on average after %llu us, at worst after %llu us\n",
	       flags & MBSHM_WRITE ? "writable" : "read-only", rounds,
	       (unsigned long long)(sum / rounds), (unsigned long long)worst);
	/* One in five may have waited for the processor instead. */
	assert_true(late <= rounds / 5);
	munmap(waiter, sizeof *waiter);
}

static void wakes_writable(void **state)
{
	struct mbshm *writer = writer_open();
	(void)state;
	wakes(writer, MBSHM_WRITE, ROUNDS);
	mbshm_close(writer);
}

static void wakes_read_only(void **state)
{
	struct mbshm *writer = writer_open();
	(void)state;
	wakes(writer, 0, 500);
	mbshm_close(writer);
}

/* A waiter sleeps until it is woken: after its announcement it is in the futex, or will find the
 * count changed. */
static void wakes_a_sleeper(void **state)
{
	struct mbshm *writer = writer_open();
	struct waiter *waiter = shared_new(sizeof *waiter);
	uint64_t worst = 0;
	unsigned prompt = 0;
	(void)state;
	for (unsigned i = 0; i < SLEEPS; i++) {
		uint64_t version = image_status(writer).version, start;
		pid_t pid;
		*waiter = (struct waiter){ .flags = MBSHM_WRITE,
					   .version = version,
					   .until = version + 1 };
		pid = child_start(waiter_body, waiter);
		while (!announced_until(writer))
			usleep(50);
		usleep(1000);
		start = now_us();
		assert_int_equal(touch(writer, (uint16_t)i, NULL), 0);
		assert_int_equal(child_end(pid), 0);
		worst = waiter->seen_us - start > worst ? waiter->seen_us - start : worst;
		prompt += waiter->seen_us - start < SLICE_US / 2;
		assert_int_equal(announced_until(writer), 0); /* taken by the writer */
	}
	printf("# a sleeper is woken at worst after %llu us\n", (unsigned long long)worst);
	/* Not woken, it would look for itself after 100 ms; the others had no processor. */
	assert_true(prompt > SLEEPS / 2);
	munmap(waiter, sizeof *waiter);
	mbshm_close(writer);
}

/* Eight waiters of both kinds in processes, and two threads on one handle, see the end of a storm
 * of publishes. */
struct thread {
	const struct mbshm *img;
	uint64_t until;
	int rc;
};

static void *thread_body(void *arg)
{
	struct thread *thread = arg;
	for (uint64_t version = 0; version < thread->until && !thread->rc;)
		thread->rc = mbshm_wait(thread->img, version, FOREVER_MS, &version);
	return NULL;
}

static void many_waiters(void **state)
{
	enum { WAITERS = 8, PUBLISHES = 20000 };
	struct mbshm *writer = writer_open();
	struct waiter *waiters = shared_new(WAITERS * sizeof *waiters);
	struct thread threads[2] = { { writer, 1 + PUBLISHES, 0 }, { writer, 1 + PUBLISHES, 0 } };
	pthread_t ids[2];
	pid_t pids[WAITERS];
	(void)state;
	for (unsigned i = 0; i < WAITERS; i++) {
		waiters[i] = (struct waiter){ .flags = i % 4 ? MBSHM_WRITE : 0,
					      .version = 1,
					      .until = 1 + PUBLISHES };
		pids[i] = child_start(waiter_body, &waiters[i]);
	}
	for (unsigned i = 0; i < WAITERS; i++)
		while (!waiters[i].waiting)
			usleep(50);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&ids[i], NULL, thread_body, &threads[i]), 0);
	for (unsigned i = 0; i < PUBLISHES; i++)
		assert_int_equal(touch(writer, (uint16_t)i, NULL), 0);
	uint64_t end = now_us();
	for (unsigned i = 0; i < WAITERS; i++) {
		assert_int_equal(child_end(pids[i]), 0);
		assert_true(waiters[i].seen == 1 + PUBLISHES && waiters[i].seen_us < end + HANG_US);
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(ids[i], NULL);
		assert_int_equal(threads[i].rc, 0);
	}
	munmap(waiters, WAITERS * sizeof *waiters);
	mbshm_close(writer);
}

/* What a killed waiter left behind runs out by itself. */
static void killed_waiter_leaks_nothing(void **state)
{
	struct mbshm *writer = writer_open();
	struct waiter *waiter = shared_new(sizeof *waiter);
	(void)state;
	for (unsigned i = 0; i < 300; i++) { /* more than there are slots */
		pid_t pid;
		*waiter = (struct waiter){ .flags = MBSHM_WRITE, .version = 1000, .until = 1001 };
		pid = child_start(waiter_body, waiter);
		while (!announced_until(writer))
			usleep(20);
		kill(pid, SIGKILL);
		assert_true(was_killed(child_end(pid)));
		assert_true(announced_until(writer) < mono_ns() + 200 * 1000 * 1000);
		assert_int_equal(touch(writer, (uint16_t)i, NULL), 0);
		assert_int_equal(announced_until(writer), 0);
	}
	image_audit(writer);
	munmap(waiter, sizeof *waiter);
	mbshm_close(writer);
}

/* A writer killed after its publish wakes nobody: the waiter looks for itself. */
static void die_published(const char *name)
{
	if (!strcmp(name, "unlocked"))
		raise(SIGKILL);
}

static void killed_writer_body(void *arg)
{
	struct mbshm *img;
	(void)arg;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = die_published;
	touch(img, 7, NULL);
}

static void writer_killed_before_the_wake(void **state)
{
	struct mbshm *writer = writer_open();
	struct waiter *waiter = shared_new(sizeof *waiter);
	uint64_t start;
	pid_t pid;
	(void)state;
	*waiter = (struct waiter){ .flags = MBSHM_WRITE, .version = 1, .until = 2 };
	pid = child_start(waiter_body, waiter);
	while (!announced_until(writer))
		usleep(20);
	start = now_us();
	assert_true(was_killed(child_end(child_start(killed_writer_body, NULL))));
	assert_int_equal(child_end(pid), 0);
	assert_true(now_us() - start < HANG_US);
	munmap(waiter, sizeof *waiter);
	mbshm_close(writer);
}

/* ---- sources ------------------------------------------------------------------------------- */

static void source_body(void *arg)
{
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	CHILD_CHECK(!mbshm_source_claim(img, arg, SECOND_US));
	CHILD_CHECK(!touch(img, 1, NULL) && !touch(img, 2, NULL));
	raise(SIGKILL);
}

static void sources_outlive_processes(void **state)
{
	struct mbshm *writer = writer_open(), *reader = image_open(0);
	struct mbshm_source source;
	int64_t touched;
	(void)state;
	assert_int_equal(mbshm_source_get(reader, 0, &source), -ENOENT);
	assert_int_equal(mbshm_source_get(reader, MBSHM_SOURCES_MAX, &source), -ERANGE);
	assert_int_equal(mbshm_source_claim(reader, "x", 0), -EACCES);
	for (unsigned life = 1; life <= 3; life++) {
		char name[] = "pump \"A\"";
		assert_true(was_killed(child_end(child_start(source_body, name))));
		assert_int_equal(mbshm_source_get(reader, 0, &source), 0);
		assert_string_equal(source.name, name);
		assert_int_equal(source.commits, 2 * life);
		assert_int_equal(source.version, 1 + 2 * life);
		assert_true(source.mono_ns <= (int64_t)mono_ns() &&
			    source.mono_ns > (int64_t)mono_ns() - INT64_C(20000000000));
		assert_int_equal(mbshm_source_get(reader, 1, &source),
				 -ENOENT); /* the same entry each time */
	}
	/* Nobody's commits do not count for it; a touch refreshes without a version. */
	assert_int_equal(touch(writer, 3, NULL), 0);
	mbshm_source_touch(writer); /* no source: nothing happens */
	assert_int_equal(mbshm_source_get(reader, 0, &source), 0);
	assert_int_equal(source.commits, 6);
	assert_int_equal(mbshm_source_claim(writer, "pump \"A\"", SECOND_US), 0);
	touched = source.mono_ns;
	do { /* the clock ticks each 4 ms */
		mbshm_source_touch(writer);
		assert_int_equal(mbshm_source_get(reader, 0, &source), 0);
	} while (source.mono_ns == touched);
	assert_true(source.mono_ns > touched);
	assert_int_equal(source.commits, 6);
	assert_int_equal(image_status(reader).version, 8);
	mbshm_close(reader);
	mbshm_close(writer);
}

static void sources_are_32(void **state)
{
	struct mbshm *writer = writer_open();
	struct mbshm_source source;
	char name[MBSHM_SOURCE_NAME_SIZE];
	(void)state;
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++) {
		snprintf(name, sizeof name, "producer %u", i);
		assert_int_equal(mbshm_source_claim(writer, name, SECOND_US), 0);
	}
	assert_int_equal(mbshm_source_claim(writer, "one more", SECOND_US), -ENOSPC);
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++) {
		snprintf(name, sizeof name, "producer %u", i);
		assert_int_equal(mbshm_source_get(writer, i, &source), 0);
		assert_string_equal(source.name, name);
	}
	/* The last one claimed is the handle's, also after a refusal. */
	assert_int_equal(touch(writer, 1, NULL), 0);
	assert_int_equal(mbshm_source_get(writer, 31, &source), 0);
	assert_int_equal(source.commits, 1);
	assert_int_equal(mbshm_source_claim(writer, "producer 7", SECOND_US), 0);
	image_audit(writer);
	mbshm_close(writer);
}

static struct mbshm *claimed(const char *name, int expected)
{
	struct mbshm *img = image_open(MBSHM_WRITE);
	assert_int_equal(mbshm_source_claim(img, name, SECOND_US), expected);
	return img;
}

/* While its holder lives nobody else gets a source; and whoever gets the dead's slot holds nothing.
 */
static void source_is_held(void **state)
{
	struct mbshm *writer = writer_open(), *first = claimed("pump", 0), *second;
	(void)state;
	assert_int_equal(mbshm_source_claim(first, "pump", SECOND_US), 0);
	second = claimed("pump", -EBUSY);
	assert_int_equal(mbshm_source_forget(second, "pump", SECOND_US), -EBUSY);
	assert_int_equal(mbshm_source_claim(second, "well", SECOND_US), 0);
	mbshm_close(first);
	first = image_open(MBSHM_WRITE); /* the same slot */
	assert_int_equal(mbshm_source_claim(second, "pump", SECOND_US), 0);
	assert_int_equal(mbshm_source_claim(first, "well", SECOND_US), 0);
	mbshm_close(second);
	mbshm_close(first);
	mbshm_close(writer);
}

/* Words of an entry in use (docs/image.md). */
enum { WALL = 6, MONO = 7, CLAIMED = 12 };

/* Of a time before the boot of this machine the wall clock tells. */
static void source_age(struct segment *seg, unsigned index, uint64_t age_s)
{
	uint64_t age_ns = age_s * 1000000000, then = mono_ns() - age_ns;
	page_store(&seg->sources[index].word[WALL], (uint64_t)clock_ns(CLOCK_REALTIME) - age_ns);
	page_store(&seg->sources[index].word[MONO], then);
	page_store(&seg->sources[index].word[CLAIMED], then);
}

/* A full table: a new name gets the entry of the one that is dead longest, but of no living one,
 * and of none that lived a minute ago. */
static void dead_longest_is_replaced(void **state)
{
	struct mbshm *writer = writer_open(), *holder;
	struct segment *seg = segment_poke(writer);
	struct mbshm_source source;
	char name[MBSHM_SOURCE_NAME_SIZE];
	(void)state;
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++) {
		snprintf(name, sizeof name, "producer %u", i);
		assert_int_equal(mbshm_source_claim(writer, name, SECOND_US), 0);
		source_age(seg, i, 50);
	}
	assert_int_equal(mbshm_source_claim(writer, "new", SECOND_US), -ENOSPC);
	holder = claimed("producer 3", 0);
	source_age(seg, 3, 10000);
	source_age(seg, 4, 5000);
	source_age(seg, 5, 6000);
	source_age(seg, 6, (uint64_t)-1000); /* still to come */
	assert_int_equal(touch(holder, 1, NULL), 0);
	source_age(seg, 3, 10000);
	assert_int_equal(mbshm_source_claim(writer, "new", SECOND_US), 0);
	assert_int_equal(mbshm_source_get(writer, 5, &source), 0);
	assert_string_equal(source.name, "new");
	assert_int_equal(source.commits, 0);
	assert_int_equal(mbshm_source_claim(writer, "newer", SECOND_US), 0);
	assert_int_equal(mbshm_source_get(writer, 4, &source), 0);
	assert_string_equal(source.name, "newer");
	mbshm_close(holder);
	assert_int_equal(mbshm_source_claim(writer, "newest", SECOND_US), 0);
	assert_int_equal(mbshm_source_get(writer, 3, &source), 0);
	assert_string_equal(source.name, "newest");
	image_audit(writer);
	segment_drop(writer, seg);
	mbshm_close(writer);
}

static void source_is_forgotten(void **state)
{
	struct mbshm *writer = writer_open();
	struct mbshm_source source;
	(void)state;
	assert_int_equal(mbshm_source_forget(writer, "pump", SECOND_US), -ENOENT);
	assert_int_equal(mbshm_source_forget(writer, "", SECOND_US), -EINVAL);
	assert_int_equal(mbshm_source_claim(writer, "pump", SECOND_US), 0);
	assert_int_equal(mbshm_source_forget(writer, "pump", SECOND_US), 0);
	assert_int_equal(mbshm_source_get(writer, 0, &source), -ENOENT);
	assert_int_equal(touch(writer, 1, NULL), 0); /* it has no source any more */
	assert_int_equal(mbshm_source_claim(writer, "well", SECOND_US), 0);
	assert_int_equal(mbshm_source_get(writer, 0, &source), 0);
	assert_int_equal(source.commits, 0);
	mbshm_close(writer);
}

static void source_names(void **state)
{
	struct mbshm *writer = writer_open();
	struct mbshm_source source;
	char name[MBSHM_SOURCE_NAME_SIZE + 1];
	(void)state;
	assert_int_equal(mbshm_source_claim(writer, "", 0), -EINVAL);
	assert_int_equal(mbshm_source_claim(writer, "a\nb", 0), -EINVAL);
	assert_int_equal(mbshm_source_claim(writer, "\x7f", 0), -EINVAL);
	memset(name, 'x', sizeof name);
	name[MBSHM_SOURCE_NAME_SIZE] = '\0';
	assert_int_equal(mbshm_source_claim(writer, name, 0), -EINVAL);
	name[MBSHM_SOURCE_NAME_SIZE - 1] = '\0';
	assert_int_equal(mbshm_source_claim(writer, name, SECOND_US), 0);
	assert_int_equal(mbshm_source_get(writer, 0, &source), 0);
	assert_string_equal(source.name, name);
	mbshm_close(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(answers_at_once),
		IMAGE_TEST(times_out),
		IMAGE_TEST(dead_after_fork),
		IMAGE_TEST(wakes_writable),
		IMAGE_TEST(wakes_read_only),
		IMAGE_TEST(wakes_a_sleeper),
		IMAGE_TEST(many_waiters),
		IMAGE_TEST(killed_waiter_leaks_nothing),
		IMAGE_TEST(writer_killed_before_the_wake),
		IMAGE_TEST(sources_outlive_processes),
		IMAGE_TEST(sources_are_32),
		IMAGE_TEST(source_is_held),
		IMAGE_TEST(dead_longest_is_replaced),
		IMAGE_TEST(source_is_forgotten),
		IMAGE_TEST(source_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
