/* A step on a real image: one version each, and bounded when another writer is stopped inside the
 * lock; and what cannot be had. */
#include "plant/load.h"
#include "simulatord/pace.h"
#include "simulatord/simulation.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

extern void (*mbshm_point_hook)(const char *name); /* libshm/points.h */

static char name[64];

static struct plant *load(const char *points)
{
	char path[] = "/tmp/mbtest-XXXXXX", error[PLANT_ERROR_SIZE] = "";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	dprintf(fd,
		"image = { name = \"%s\" holding_registers = [\"1000-1099\"] coils = "
		"[\"1000-1099\"] }\n"
		"simulator = { period = \"100ms\" seed = 7 }\npoints = { %s }\n",
		name, points);
	close(fd);
	struct plant *plant = NULL;
	int rc = plant_load(path, &plant, error);
	unlink(path);
	if (rc)
		fail_msg("%s", error);
	return plant;
}

static struct simulation *open_simulation(const char *points)
{
	struct simulation *sim = NULL;
	char why[MBSHM_WHY_SIZE];
	if (simulation_open(load(points), &sim, why))
		fail_msg("%s", why);
	return sim;
}

static uint64_t version_of(const struct simulation *sim)
{
	struct mbshm_status status;
	assert_int_equal(mbshm_status(sim->follow.img, &status), 0);
	return status.version;
}

static const char two_points[] =
	"a = { address = \"holding 1000\" type = \"u16\" model = \"uniform 1 65535\" } "
	"b = { address = \"coil 1099\" type = \"bool\" model = \"toss 1\" }";

static void test_steps(void **state)
{
	(void)state;
	struct simulation *sim = open_simulation(two_points);
	assert_int_equal(sim->version, 1);
	for (uint64_t version = 2; version < 100; version++) {
		assert_int_equal(simulation_step(sim), 0);
		assert_int_equal(version_of(sim), version);
		uint16_t value;
		uint8_t bit;
		uint64_t seen;
		assert_int_equal(mbshm_read_registers(sim->follow.img, MBSHM_HOLDING_REGISTERS,
						      1000, 1, &value, &seen),
				 0);
		assert_int_equal(
			mbshm_read_bits(sim->follow.img, MBSHM_COILS, 1099, 1, &bit, &seen), 0);
		assert_true(value >= 1 && value == sim->cells[0].value);
		assert_true(bit == 1 && sim->cells[1].value == 1);
	}
	simulation_close(sim);
	sim = open_simulation(two_points);
	assert_int_equal(sim->version, 99);
	simulation_close(sim);
}

static void test_no_points(void **state)
{
	(void)state;
	struct simulation *sim = open_simulation("");
	assert_int_equal(simulation_step(sim), 0);
	assert_int_equal(version_of(sim), 1);
	simulation_close(sim);
}

static void test_refused(void **state)
{
	(void)state;
	struct simulation *first = open_simulation(two_points), *second = NULL;
	struct plant *plant = load("");
	mbshm_layout_add(&plant->image.layout, MBSHM_COILS, 5000, 1);
	char why[MBSHM_WHY_SIZE];
	assert_int_equal(simulation_open(plant, &second, why), -ENXIO);
	assert_true(*why);
	assert_null(second);
	plant_free(plant); /* it stayed ours */
	simulation_close(first);
}

static void stop_here(const char *point)
{
	if (!strcmp(point, "lock_taken"))
		raise(SIGSTOP);
}

/* A writer that stops as soon as it has the lock; returns when it has. */
static pid_t stopped_writer(const struct mbshm_config *config)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct mbshm *img;
		struct mbshm_txn *txn = mbshm_txn_new(1);
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails must not leave it stopped */
		if (!txn || mbshm_open(config, MBSHM_WRITE, &img, NULL))
			_exit(1);
		mbshm_point_hook = stop_here;
		mbshm_txn_begin(txn, img);
		mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, 1001, 1, &(uint16_t){ 1 });
		mbshm_txn_commit(txn, 1000000, NULL);
		_exit(2);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	return pid;
}

static long failed_step_ms(struct simulation *sim)
{
	struct timespec from, to;
	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(simulation_step(sim), -ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

static void test_stopped_writer(void **state)
{
	(void)state;
	struct simulation *sim = open_simulation(two_points);
	assert_int_equal(simulation_step(sim), 0);
	uint64_t before = version_of(sim);
	pid_t pid = stopped_writer(&sim->plant->image);
	/* Half a period of 100 ms; some tries are late when the machine is loaded. */
	long ms = LONG_MAX;
	for (int tries = 0; tries < 20 && ms > 95; tries++) {
		ms = failed_step_ms(sim);
		assert_true(ms >= 45);
	}
	assert_true(ms <= 95);
	assert_int_equal(version_of(sim), before);

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(simulation_step(sim), 0);
	assert_int_equal(version_of(sim), before + 1);
	simulation_close(sim);
}

/* The image was replaced since the simulation looked: its values are nobody's any more. */
static void test_replaced(void **state)
{
	(void)state;
	struct simulation *sim = open_simulation(two_points);
	char why[MBSHM_WHY_SIZE];
	struct mbshm_config wider = sim->plant->image;
	assert_int_equal(mbshm_layout_add(&wider.layout, MBSHM_COILS, 5000, 1), 0);
	assert_int_equal(mbshm_recreate(&wider, 1000000, why), 0);
	assert_int_equal(simulation_step(sim), -ESTALE);
	simulation_close(sim);
	simulation_close(NULL);
}

static void never(void *context, uint64_t missed)
{
	(void)context, (void)missed;
	fail();
}

static void test_no_descriptor(void **state)
{
	(void)state;
	struct rlimit usual, none;
	struct pace *pace = NULL;
	sd_event *event;
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = (struct rlimit){ 0, usual.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	int rc = pace_new(event, never, NULL, &pace);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_int_equal(rc, -EMFILE);
	assert_null(pace);
	sd_event_unref(event);
}

static int fresh_name(void **state)
{
	(void)state;
	static int count;
	snprintf(name, sizeof name, "/mbtest-%d-%d", getpid(), count++);
	return 0;
}

static int forget_name(void **state)
{
	(void)state;
	shm_unlink(name);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_steps, fresh_name, forget_name),
		cmocka_unit_test_setup_teardown(test_no_points, fresh_name, forget_name),
		cmocka_unit_test_setup_teardown(test_refused, fresh_name, forget_name),
		cmocka_unit_test_setup_teardown(test_stopped_writer, fresh_name, forget_name),
		cmocka_unit_test_setup_teardown(test_replaced, fresh_name, forget_name),
		cmocka_unit_test(test_no_descriptor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
