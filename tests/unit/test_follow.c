/* Following an image: replaced, removed, created again by us or by another, damaged, held by a
 * stopped writer; the plant file gone.  Each is logged once. */
#include "image_fixture.h"
#include "plant/load.h"
#include "program/follow.h"

enum { ADDRESS = 1000, LOG_SIZE = 4096 };

static int log_pipe[2], real_stderr;

static int follow_setup(void **state)
{
	image_setup(state);
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, ADDRESS, 10);
	log_open("prog");
	real_stderr = dup(STDERR_FILENO);
	if (real_stderr < 0 || pipe(log_pipe) || dup2(log_pipe[1], STDERR_FILENO) < 0)
		return -1;
	close(log_pipe[1]);
	return fcntl(log_pipe[0], F_SETFL, O_NONBLOCK);
}

static int follow_teardown(void **state)
{
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(log_pipe[0]);
	return image_teardown(state);
}

#define WHY "could not get the writer lock in time"

#define FOLLOW_TEST(function) \
	cmocka_unit_test_setup_teardown(function, follow_setup, follow_teardown)

/* What was logged since the last time, all of it; "%s" is the image's name, NULL nothing. */
static void logged(const char *format)
{
	char text[LOG_SIZE], expected[LOG_SIZE] = "";
	ssize_t n = read(log_pipe[0], text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	for (; format && *format; format++)
		if (strncmp(format, "%s", 2))
			strncat(expected, format, 1);
		else
			format++, strcat(expected, config.name);
	assert_string_equal(text, expected);
}

static void value_set(struct mbshm *img, uint16_t value)
{
	struct mbshm_txn *txn = mbshm_txn_new(1);
	mbshm_txn_begin(txn, img);
	mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, ADDRESS, 1, &value);
	assert_int_equal(mbshm_txn_commit(txn, SECOND_US, NULL), 0);
	mbshm_txn_free(txn);
}

static uint16_t value_of(const struct mbshm *img)
{
	uint16_t value = 0xdead;
	assert_int_equal(
		mbshm_read_registers(img, MBSHM_HOLDING_REGISTERS, ADDRESS, 1, &value, NULL), 0);
	return value;
}

static struct follow opened(int flags)
{
	struct follow follow = { 0 };
	assert_int_equal(follow_open(&follow, &config, flags), 0);
	assert_non_null(follow.img);
	assert_string_equal(follow.why, "");
	assert_int_equal(follow_check(&follow), FOLLOW_SAME);
	return follow;
}

static void reopen(struct follow *follow)
{
	follow_close(follow);
	assert_null(follow->img);
	assert_int_equal(follow_check(follow), FOLLOW_REOPEN);
	assert_int_equal(follow_open(follow, &config, follow->flags), 0);
	assert_int_equal(follow_check(follow), FOLLOW_SAME);
}

static void remove_name(void)
{
	assert_int_equal(mbshm_unlink(config.name), 0);
}

/* Another image under the name, with that value. */
static void replace_image(uint16_t value)
{
	remove_name();
	struct mbshm *img = image_open(MBSHM_CREATE);
	value_set(img, value);
	mbshm_close(img);
}

static void test_replaced(void **state)
{
	(void)state;
	struct follow follow = opened(MBSHM_CREATE);
	value_set(follow.img, 1);
	replace_image(2);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was replaced\n");
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged(NULL);
	uint16_t value;
	assert_int_equal(mbshm_read_registers(follow.img, MBSHM_HOLDING_REGISTERS, ADDRESS, 1,
					      &value, NULL),
			 -ESTALE); /* so the others on it are told */
	reopen(&follow);
	assert_int_equal(value_of(follow.img), 2);
	replace_image(3);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was replaced\n"); /* another time */
	follow_close(&follow);
}

/* Ours was replaced, and then the name of the other was removed: who has it brings it back. */
static void test_replaced_removed(void **state)
{
	(void)state;
	char why[MBSHM_WHY_SIZE];
	for (int others = 0; others < 2; others++) {
		struct follow ours = opened(MBSHM_CREATE), theirs;
		value_set(ours.img, 7);
		assert_int_equal(mbshm_recreate(&config, SECOND_US, why), 0);
		theirs = opened(MBSHM_CREATE);
		value_set(theirs.img, 8);
		remove_name();
		for (int look = 0; look < 3; look++)
			assert_int_equal(follow_check(&ours), FOLLOW_LOST);
		logged("prog: image %s was removed\n"
		       "prog: image %s cannot be created again yet: another process has just "
		       "replaced the image\n");
		if (others) {
			assert_int_equal(follow_check(&theirs), FOLLOW_REOPEN);
			logged("prog: image %s was removed\n");
		}
		assert_int_equal(follow_check(&ours), FOLLOW_REOPEN);
		reopen(&ours);
		assert_int_equal(value_of(ours.img), others ? 8 : 0);
		follow_close(&theirs);
		follow_close(&ours);
		remove_name();
	}
}

static void test_removed(void **state)
{
	(void)state;
	struct follow ours = opened(MBSHM_CREATE), theirs = opened(MBSHM_CREATE);
	value_set(ours.img, 7);
	remove_name();
	assert_int_equal(follow_check(&ours), FOLLOW_REOPEN);
	logged("prog: image %s was removed\n");
	assert_int_equal(follow_check(&theirs), FOLLOW_REOPEN);
	logged("prog: image %s was replaced\n"); /* by us, with the values */
	reopen(&ours);
	reopen(&theirs);
	assert_int_equal(value_of(ours.img), 7);
	assert_int_equal(value_of(theirs.img), 7);
	logged(NULL);
	follow_close(&ours);
	follow_close(&theirs);
}

/* The same image under its name again, as when it was renamed. */
static void test_comes_back(void **state)
{
	(void)state;
	char aside[sizeof config.name + 32];
	mbshm_close(image_open(MBSHM_CREATE));
	struct follow follow = opened(0); /* does not create it */
	snprintf(aside, sizeof aside, "%s-aside", image_path(&config));
	assert_int_equal(rename(image_path(&config), aside), 0);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was removed\n");
	assert_int_equal(rename(aside, image_path(&config)), 0);
	assert_int_equal(follow_check(&follow), FOLLOW_SAME);
	remove_name();
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was removed\n");
	follow_close(&follow);
}

static void stop_here(const char *point)
{
	if (!strcmp(point, "lock_taken"))
		raise(SIGSTOP);
}

static void stop_in_lock(void *arg)
{
	(void)arg;
	struct mbshm *img;
	CHILD_CHECK(!mbshm_open(&config, MBSHM_WRITE, &img, NULL));
	mbshm_point_hook = stop_here;
	struct mbshm_txn *txn = mbshm_txn_new(1);
	mbshm_txn_begin(txn, img);
	mbshm_txn_write_registers(txn, MBSHM_HOLDING_REGISTERS, ADDRESS + 1, 1, &(uint16_t){ 1 });
	mbshm_txn_commit(txn, SECOND_US, NULL);
}

static pid_t stopped_writer(void)
{
	pid_t writer = child_start(stop_in_lock, NULL);
	int status;
	assert_int_equal(waitpid(writer, &status, WUNTRACED), writer);
	assert_true(WIFSTOPPED(status));
	return writer;
}

static void test_not_yet(void **state)
{
	(void)state;
	struct follow follow = opened(MBSHM_CREATE);
	value_set(follow.img, 9);
	pid_t writer = stopped_writer();
	remove_name();
	assert_int_equal(follow_check(&follow), FOLLOW_LOST);
	assert_string_equal(follow.why, WHY);
	logged("prog: image %s was removed\n"
	       "prog: image %s cannot be created again yet: " WHY "\n");
	for (int i = 0; i < 2; i++)
		assert_int_equal(follow_check(&follow), FOLLOW_LOST);
	logged(NULL);
	assert_int_equal(value_of(follow.img), 9); /* the handle is still good */
	assert_int_equal(access(image_path(&config), F_OK), -1);

	kill(writer, SIGKILL);
	assert_true(was_killed(child_end(writer)));
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	reopen(&follow);
	assert_int_equal(value_of(follow.img), 9);
	logged(NULL);
	follow_close(&follow);
}

/* Another image has the name: the lock of the old one does not matter. */
static void test_replaced_while_locked(void **state)
{
	(void)state;
	struct follow follow = opened(MBSHM_CREATE);
	pid_t writer = stopped_writer();
	replace_image(2);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was replaced\n");
	reopen(&follow);
	assert_int_equal(value_of(follow.img), 2);
	kill(writer, SIGKILL);
	child_end(writer);
	follow_close(&follow);
}

static void test_truncated(void **state)
{
	(void)state;
	struct follow follow = opened(MBSHM_CREATE);
	value_set(follow.img, 9);
	assert_int_equal(follow_check(&follow), FOLLOW_SAME); /* has seen it */
	assert_int_equal(truncate(image_path(&config), 0), 0);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was truncated or overwritten by another process\n");
	reopen(&follow);
	logged(NULL);
	assert_int_equal(value_of(follow.img), 9);
	follow_close(&follow);
}

/* Before the first look. */
static void test_truncated_at_once(void **state)
{
	(void)state;
	struct mbshm *img = image_open(MBSHM_CREATE);
	struct follow follow = { 0 };
	value_set(img, 9);
	mbshm_close(img);
	assert_int_equal(follow_open(&follow, &config, MBSHM_CREATE), 0);
	assert_int_equal(truncate(image_path(&config), 0), 0);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was truncated or overwritten by another process\n");
	reopen(&follow);
	assert_int_equal(value_of(follow.img), 9);
	logged(NULL);
	follow_close(&follow);
}

/* A stranger's file under the name: the image goes on, and comes back when the name is free. */
static void test_stranger(void **state)
{
	(void)state;
	struct follow follow = opened(MBSHM_CREATE), reader = opened(0);
	remove_name();
	assert_int_equal(mkdir(image_path(&config), 0700), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(follow_check(&follow), FOLLOW_LOST);
	logged("prog: image %s was removed, and another file has its name\n"
	       "prog: image %s cannot be created again yet: another file has the name\n");
	assert_int_equal(follow_check(&reader), FOLLOW_LOST);
	logged("prog: image %s was removed, and another file has its name\n");
	value_set(follow.img, 4);
	assert_int_equal(value_of(reader.img), 4);
	assert_int_equal(rmdir(image_path(&config)), 0);
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	reopen(&follow);
	assert_int_equal(value_of(follow.img), 4);
	follow_close(&reader);
	follow_close(&follow);
}

/* The values are those of the last look. */
static void test_damaged(void **state)
{
	(void)state;
	for (int nameless = 0; nameless < 2; nameless++) {
		struct follow follow = opened(MBSHM_CREATE);
		value_set(follow.img, 9);
		assert_int_equal(follow_check(&follow), FOLLOW_SAME);
		value_set(follow.img, 10);
		follow.img->seg->control.commit |= 0xffff; /* a page that is not in the pool */
		if (nameless)
			remove_name();
		assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
		logged(nameless ? "prog: image %s was removed\n"
				: "prog: image %s was truncated or overwritten by another "
				  "process\n");
		reopen(&follow);
		assert_int_equal(value_of(follow.img), 9);
		follow_close(&follow);
	}
}

/* A reader does not create the image; it waits for one. */
static void test_reader(void **state)
{
	(void)state;
	struct mbshm *img = image_open(MBSHM_CREATE);
	struct follow follow = opened(0);
	remove_name();
	assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
	logged("prog: image %s was removed\n");
	follow_close(&follow);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(follow_open(&follow, &config, 0), -ENOENT);
		assert_null(follow.img);
		assert_string_equal(follow.why, "no such image");
		follow_report(&follow, "showing nothing", follow.why);
	}
	mbshm_close(img);
	logged("prog: cannot attach image %s, showing nothing: no such image\n");
	mbshm_close(image_open(MBSHM_CREATE));
	reopen(&follow);
	follow_close(&follow);
}

/* The plant file is gone: the old plant and the old handle stay, and it is logged once. */
static void test_plant_gone(void **state)
{
	(void)state;
	char path[] = "/tmp/mbtest-XXXXXX", why[PLANT_ERROR_SIZE], line[2 * PLANT_ERROR_SIZE];
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	dprintf(fd, "image = { name = \"%s\" holding_registers = [\"1000-1009\"] }\n", config.name);
	struct plant *old, *new;
	assert_int_equal(plant_load(path, &old, why), 0);
	struct follow follow = { 0 };
	assert_int_equal(follow_open(&follow, &old->image, MBSHM_CREATE), 0);
	value_set(follow.img, 5);
	unlink(path);
	remove_name();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(follow_check(&follow), FOLLOW_REOPEN);
		assert_int_equal(plant_reload(old, &new, why), -ENOENT);
		follow_report(&follow, "doing nothing", why);
	}
	snprintf(line, sizeof line,
		 "prog: image %%s was removed\n"
		 "prog: cannot attach image %%s, doing nothing: %s\n",
		 why);
	logged(line);
	assert_string_equal(old->image.name, config.name);
	plant_free(old);
	reopen(&follow);
	assert_int_equal(value_of(follow.img), 5);
	follow_close(&follow);
	close(fd);
}

/* Somebody else's file has the name: whose it is, and what helps. */
static void test_strangers(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	struct follow follow = opened(MBSHM_CREATE), mine = { 0 };
	char cure[512];
	assert_int_equal(chown(image_path(&config), 1, 1), 0); /* daemon, on every system */
	assert_int_equal(follow_open(&mine, &config, MBSHM_CREATE), -EPERM);
	snprintf(cure, sizeof cure,
		 "; it is of user daemon, group daemon; if it is in the way, remove %s as that "
		 "user or root",
		 image_path(&config));
	assert_non_null(strstr(mine.why, cure));
	follow_close(&follow);
}

/* The built-in plant has no file and is read again all the same. */
static void test_plant_built_in(void **state)
{
	(void)state;
	char why[PLANT_ERROR_SIZE];
	struct plant *old, *new;
	assert_int_equal(plant_load(NULL, &old, why), 0);
	assert_int_equal(plant_reload(old, &new, why), 0);
	assert_string_equal(new->file, old->file);
	assert_string_equal(new->image.name, old->image.name);
	plant_free(new);
	plant_free(old);
}

/* What mbshm_open remarks on although it succeeds is logged, and is no reason. */
static void test_remark(void **state)
{
	(void)state;
	char retain[] = "/tmp/mbtest-XXXXXX", refused[64], line[256];
	int fd = mkstemp(retain);
	assert_int_equal(write(fd, "nonsense", 8), 8);
	close(fd);
	config.retain = retain;
	struct follow follow = opened(MBSHM_CREATE);
	snprintf(refused, sizeof refused, "%s.refused", retain);
	snprintf(line, sizeof line,
		 "prog: %s: too short for a file of saved values (kept aside as %s)\n", retain,
		 refused);
	logged(line);
	assert_int_equal(unlink(refused), 0);
	follow_close(&follow);
}

static void test_changed(void **state)
{
	(void)state;
	struct follow old = opened(MBSHM_CREATE), new = opened(MBSHM_CREATE), none = { 0 }, other;
	assert_false(follow_changed(&old, &new));
	replace_image(1);
	follow_close(&new);
	new = opened(MBSHM_CREATE);
	assert_true(follow_changed(&old, &new));
	remove_name();
	assert_int_equal(follow_open(&none, &config, 0), -ENOENT);
	other = none;
	assert_true(follow_changed(&old, &none));
	assert_true(follow_changed(&none, &new));
	assert_false(follow_changed(&none, &other));
	strcpy(other.why, "another reason");
	assert_true(follow_changed(&none, &other));
	follow_close(&old);
	follow_close(&new);
	follow_close(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FOLLOW_TEST(test_replaced),       FOLLOW_TEST(test_replaced_removed),
		FOLLOW_TEST(test_removed),        FOLLOW_TEST(test_comes_back),
		FOLLOW_TEST(test_not_yet),        FOLLOW_TEST(test_damaged),
		FOLLOW_TEST(test_reader),         FOLLOW_TEST(test_plant_gone),
		FOLLOW_TEST(test_plant_built_in), FOLLOW_TEST(test_replaced_while_locked),
		FOLLOW_TEST(test_truncated),      FOLLOW_TEST(test_truncated_at_once),
		FOLLOW_TEST(test_stranger),       FOLLOW_TEST(test_remark),
		FOLLOW_TEST(test_changed),        FOLLOW_TEST(test_strangers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
