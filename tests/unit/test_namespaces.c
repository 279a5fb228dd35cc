/* The writer lock between PID namespaces: all contenders have the same PID (and TID), and are
 * killed in the lock.  The lock asks the kernel about slots, not about PIDs, so nobody takes a
 * living owner for a dead one, or a dead one for itself. */
#include "image_fixture.h"

#include <sched.h>

enum { NAMESPACES = 2, KILLS = 400, KILLS_LONG = 20000, COUNTER = 100 };

static struct contest {
	struct guard guard;
	_Atomic bool inside[NAMESPACES], stop;
	_Atomic pid_t inner[NAMESPACES];
	_Atomic uint64_t commits[NAMESPACES], acknowledged[NAMESPACES];
} * contest;

struct contender {
	unsigned index;
	uint64_t token;
};

/* Stay in the lock for a while, so that a kill can hit, and now and then so long that the other one
 * asks whether we live. */
static void linger_hook(const char *name)
{
	static uint64_t random;
	guard_hook(name);
	if (strcmp(name, "pages_taken") && strcmp(name, "root_written"))
		return;
	random += guard_token;
	for (uint64_t end = mono_ns() + (random_below(&random, 16) ? 20000 : 2500000);
	     mono_ns() < end;)
		;
	guard_hook("");
}

/* Counts its own register up. */
static void contender_body(void *arg)
{
	const struct contender *contender = arg;
	unsigned me = contender->index;
	struct mbshm_txn *txn = mbshm_txn_new(4);
	struct mbshm *img;
	uint16_t count;
	atomic_store(&contest->inner[me], getpid());
	guard = &contest->guard;
	guard_token = contender->token;
	guard_inside = &contest->inside[me];
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = linger_hook;
	CHILD_CHECK(!mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, (uint16_t)(COUNTER + me), 1,
					  &count, NULL));
	CHILD_CHECK((int16_t)(count - (uint16_t)atomic_load(&contest->acknowledged[me])) >= 0);
	while (!atomic_load(&contest->stop)) {
		count++;
		mbshm_txn_begin(txn, img);
		CHILD_CHECK(!mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS,
						       (uint16_t)(COUNTER + me), 1, &count));
		CHILD_CHECK(!mbshm_txn_commit(txn, 20 * SECOND_US, NULL));
		atomic_store(&contest->acknowledged[me], count);
		atomic_fetch_add(&contest->commits[me], 1);
		pause_us(20); /* the other's turn */
	}
	mbshm_close(img);
	mbshm_txn_free(txn);
}

/* Each incarnation is the first process of a PID namespace of its own. */
static pid_t contender_start(unsigned index, uint64_t token)
{
	struct contender contender = { index, token };
	int home = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t pid = 0;
	if (home >= 0 && !unshare(CLONE_NEWPID)) {
		pid = child_start(contender_body, &contender);
		assert_int_equal(setns(home, CLONE_NEWPID), 0);
	}
	close(home);
	return pid;
}

static void equal_pids(void **state)
{
	uint64_t random = test_seed(), deaths_inside = 0, token = 1;
	unsigned kills = getenv("MB_LONG") ? KILLS_LONG : KILLS;
	pid_t pids[NAMESPACES];
	struct mbshm *img;
	(void)state;
	contest = shared_new(sizeof *contest);
	assert_int_equal(
		mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, COUNTER, NAMESPACES), 0);
	img = image_open(MBSHM_CREATE);
	for (unsigned i = 0; i < NAMESPACES; i++) {
		pids[i] = contender_start(i, token++);
		if (!pids[i])
			skip(); /* not root */
	}
	for (unsigned i = 0; i < NAMESPACES; i++) /* it has told its process id by then */
		count_wait(&contest->commits[i], 1);
	for (unsigned i = 0; i < kills; i++) {
		unsigned who = random_below(&random, NAMESPACES);
		count_wait(&contest->commits[who], atomic_load(&contest->commits[who]) + 3);
		pause_us(random_below(&random, 300));
		assert_true(atomic_load(&contest->inner[0]) == 1 &&
			    atomic_load(&contest->inner[1]) == 1);
		kill(pids[who], SIGKILL);
		assert_true(was_killed(child_end(pids[who])));
		deaths_inside += atomic_exchange(&contest->inside[who], false);
		pids[who] = contender_start(who, token++);
	}
	atomic_store(&contest->stop, true);
	for (unsigned i = 0; i < NAMESPACES; i++)
		assert_int_equal(child_end(pids[i]), 0);
	printf("# %d PID namespaces, every contender PID 1: %llu commits, %u killed, %llu in the "
	       "lock, %llu locks stolen, %llu double owners\n",
	       NAMESPACES,
	       (unsigned long long)(atomic_load(&contest->commits[0]) +
				    atomic_load(&contest->commits[1])),
	       kills, (unsigned long long)deaths_inside,
	       (unsigned long long)image_status(img).steals,
	       (unsigned long long)atomic_load(&contest->guard.broken));
	assert_int_equal(atomic_load(&contest->guard.broken), 0);
	assert_true(deaths_inside > kills / 20 && image_status(img).steals > kills / 20);
	image_audit(img);
	mbshm_close(img);
	munmap(contest, sizeof *contest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IMAGE_TEST(equal_pids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
