/* 64 creators at once, some of them killed at any instruction: one image, the same for all, and
 * nothing left over.
 *
 * Where it may, the test has a /dev/shm of its own, so that it can count the file system's blocks.
 */
#include "image_fixture.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

enum { CREATORS = 64, VICTIMS = 24, ROUNDS = 30, ROUNDS_LONG = 1000, HURRY_US = 200 };

static struct creation {
	_Atomic bool opening; /* it has called mbshm_open */
	_Atomic ino_t ino;    /* and got this */
} * creations;
static struct gate go;
static bool own_tmpfs;

static void creator_body(void *arg)
{
	unsigned index = *(unsigned *)arg;
	char why[MBSHM_WHY_SIZE], byte;
	struct mbshm *img;
	/* All of them wait for the same byte to go away: the end of the pipe. */
	close(go.fd[1]);
	CHILD_CHECK(read(go.fd[0], &byte, 1) == 0);
	atomic_store(&creations[index].opening, true);
	CHILD_CHECK(!mbshm_open(&config, MBSHM_CREATE, &img, why) && !why[0]);
	atomic_store(&creations[index].ino, img->ino);
	CHILD_CHECK(!pattern_commit(img, index, 10 * SECOND_US, NULL) && !mbshm_check(img));
	mbshm_close(img);
}

/* Bytes of /dev/shm in use. */
static uint64_t bytes_used(void)
{
	struct statvfs st;
	assert_int_equal(statvfs("/dev/shm", &st), 0);
	return (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
}

/* Rather one that is creating or attaching just now. */
static unsigned victim_pick(uint64_t *random)
{
	unsigned first = random_below(random, CREATORS);
	for (unsigned i = first; i < first + CREATORS; i++)
		if (atomic_load(&creations[i % CREATORS].opening) &&
		    !atomic_load(&creations[i % CREATORS].ino))
			return i % CREATORS;
	return first;
}

struct tally {
	unsigned killed, while_opening;
};

/* Everybody runs; some of them not for long. */
static unsigned creators_run(uint64_t *random, struct tally *tally)
{
	unsigned index[CREATORS], finished = 0;
	pid_t pids[CREATORS];
	memset(creations, 0, CREATORS * sizeof *creations);
	gate_make(&go);
	for (unsigned i = 0; i < CREATORS; i++) {
		index[i] = i;
		pids[i] = child_start(creator_body, &index[i]);
	}
	gate_close(&go);
	for (unsigned i = 0; i < VICTIMS; i++) {
		pause_us(random_below(random, HURRY_US));
		kill(pids[victim_pick(random)], SIGKILL); /* a zombie at worst: not reaped yet */
	}
	for (unsigned i = 0; i < CREATORS; i++) {
		int status = child_end(pids[i]);
		assert_true(!status || was_killed(status));
		finished += !status;
		tally->killed += status != 0;
		tally->while_opening += status && atomic_load(&creations[i].opening) &&
					!atomic_load(&creations[i].ino);
	}
	return finished;
}

static void round_run(uint64_t *random, struct tally *tally)
{
	uint64_t used = bytes_used(), version;
	unsigned finished = creators_run(random, tally), opened = 0;
	uint32_t number;
	struct mbshm *img;
	assert_true(image_names(false) <= 1);
	img = image_open(finished ? MBSHM_WRITE : MBSHM_CREATE); /* who finished left an image */
	for (unsigned i = 0; i < CREATORS; i++)
		if (atomic_load(&creations[i].ino)) {
			assert_int_equal(atomic_load(&creations[i].ino), img->ino);
			opened++;
		}
	/* Nobody's commit went to another image. */
	assert_int_equal(pattern_read(img, &number, &version), 0);
	assert_true(version - 1 >= finished && version - 1 <= opened);
	image_audit(img);
	mbshm_close(img);
	assert_int_equal(unlink(image_path(&config)), 0);
	assert_int_equal(image_names(false), 0);
	if (own_tmpfs)
		assert_int_equal(bytes_used(), used);
}

static void creators_killed(void **state)
{
	unsigned rounds = getenv("MB_LONG") ? ROUNDS_LONG : ROUNDS;
	struct tally tally = { 0, 0 };
	uint64_t random = test_seed();
	(void)state;
	creations = shared_new(CREATORS * sizeof *creations);
	pattern_declare();
	config.pool_pages = 8192; /* takes its time to build */
	unsigned done = 0;
	/* On a busy machine fewer die at the right moment: go on until enough did. */
	for (; done < rounds || (tally.while_opening <= rounds && done < 10 * rounds); done++)
		round_run(&random, &tally);
	printf("# %u rounds of %d creators: one image each; %u killed, %u of them while creating "
	       "or attaching; %s\n",
	       done, CREATORS, tally.killed, tally.while_opening,
	       own_tmpfs ? "every block given back" : "blocks not counted: not root");
	assert_true(tally.killed > rounds && tally.while_opening > rounds);
	munmap(creations, CREATORS * sizeof *creations);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(creators_killed),
	};
	own_tmpfs = !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
		    !mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=1g,mode=1777");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
