/* The log: what a line looks like, and how many of them a peer can cause. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { PIPE_SIZE = 1 << 20, THREADS = 4, LINES = 500 };

static int log_pipe[2], real_stderr;

/* stderr is a pipe, as it is under the journal, for the length of a test. */
static int catch_log(void **state)
{
	(void)state;
	real_stderr = dup(STDERR_FILENO);
	if (real_stderr < 0 || pipe(log_pipe) || dup2(log_pipe[1], STDERR_FILENO) < 0)
		return -1;
	close(log_pipe[1]);
	return fcntl(log_pipe[0], F_SETFL, O_NONBLOCK) ||
	       fcntl(log_pipe[0], F_SETPIPE_SZ, PIPE_SIZE) < 0;
}

static int release_log(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(log_pipe[0]);
	unsetenv("JOURNAL_STREAM");
	return 0;
}

/* What was logged since the last time. */
static const char *logged(void)
{
	static char text[PIPE_SIZE];
	size_t used = 0;
	for (ssize_t n; (n = read(log_pipe[0], text + used, sizeof text - 1 - used)) > 0;)
		used += (size_t)n;
	text[used] = '\0';
	return text;
}

static void lines_name_the_program(void **state)
{
	(void)state;
	log_open("prog");
	errno = EXDEV;
	log_error("%s %d", "one", 1);
	log_warn("two");
	log_info("three");
	assert_int_equal(errno, EXDEV);
	assert_string_equal(logged(), "prog: one 1\nprog: two\nprog: three\n");
}

static void priorities_in_the_journal(void **state)
{
	(void)state;
	struct stat st;
	char stream[64];
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open("prog");
	log_error("one");
	log_warn("two");
	log_info("three");
	assert_string_equal(logged(), "<3>one\n<4>two\n<6>three\n");
	setenv("JOURNAL_STREAM", "0:0", 1);
	log_open("prog");
	log_info("four");
	assert_string_equal(logged(), "prog: four\n");
}

static void control_characters_are_shown(void **state)
{
	(void)state;
	log_open("prog");
	log_info("a\nprog: forged\r\x1b[31m\x7f\t\xc3\xa4");
	assert_string_equal(logged(), "prog: a\\x0aprog: forged\\x0d\\x1b[31m\\x7f\\x09\xc3\xa4\n");
}

static void long_lines_are_cut(void **state)
{
	(void)state;
	static char text[100000];
	for (int control = 0; control < 2; control++) {
		memset(text, control ? '\n' : 'x', sizeof text - 1);
		log_open("prog");
		log_info("%s", text);
		const char *line = logged();
		assert_true(strlen(line) > 1000 && strlen(line) <= 2048);
		assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	}
}

static void limits_what_a_peer_can_cause(void **state)
{
	(void)state;
	struct log_limit limit = { 0 };
	log_open("prog");
	for (int window = 0; window < 3; window++) {
		for (int i = 0; i < LOG_BURST + 7; i++)
			assert_int_equal(log_allowed(&limit), i < LOG_BURST);
		assert_string_equal(
			logged(), window ? "prog: 7 more lines like the next were left out\n" : "");
		limit.window_start_ms -= LOG_WINDOW_MS; /* as if it had passed */
	}
}

static void logs_once_until_it_changes(void **state)
{
	(void)state;
	struct log_once once = { 0 };
	log_open("prog");
	for (int i = 0; i < 3; i++)
		log_once(&once, "cannot: %s", "no room");
	assert_string_equal(logged(), "prog: cannot: no room\n");
	log_once(&once, "cannot: %s", "no right");
	log_once(&once, "cannot: %s", "no room");
	assert_string_equal(logged(), "prog: cannot: no right\nprog: cannot: no room\n");
	once = (struct log_once){ 0 }; /* it succeeded in between */
	log_once(&once, "cannot: %s", "no room");
	assert_string_equal(logged(), "prog: cannot: no room\n");
}

static struct log_limit shared_limit;

static void *write_lines(void *arg)
{
	(void)arg;
	for (int i = 0; i < LINES; i++)
		if (log_allowed(&shared_limit) || i % 4 == 0)
			log_info("%0100d", i);
	return NULL;
}

static void threads_do_not_mix_lines(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	log_open("prog");
	assert_true(log_allowed(&shared_limit)); /* opens the window */
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(shared_limit.seen == THREADS * LINES + 1);
	int lines = 0;
	for (const char *line = logged(); *line; line += 107, lines++) {
		assert_memory_equal(line, "prog: 00000", 11);
		assert_int_equal(strcspn(line, "\n"), 106);
	}
	assert_true(lines >= THREADS * LINES / 4);
}

/* ---- a log that nobody reads --------------------------------------------------------------- */

/* Read what is there; add up whole lines and those that are said to be missing. */
static void count_lines(int reader, unsigned *lines, unsigned *dropped)
{
	static char text[PIPE_SIZE];
	size_t used = 0;
	unsigned more;
	for (ssize_t n; (n = read(reader, text + used, sizeof text - 1 - used)) > 0;)
		used += (size_t)n;
	text[used] = '\0';
	for (const char *line = text; (line = strstr(line, " prog: ")); line++) {
		if (strspn(line + 7, "0123456789") == 200)
			*lines += strspn(line + 207, "\r\n") > 0; /* else a part of one */
		else if (sscanf(line, " prog: %u line", &more) == 1)
			*dropped += more;
	}
}

/* Write lines to a stderr that is not read meanwhile.  The kernel may still pass on what a terminal
 * took, so there may be room again and again. */
/* whole: no line is ever cut, so each is counted once; a terminal may take a part of one. */
static void never_waits(int reader, bool whole)
{
	unsigned lines = 0, dropped = 0;
	int flags = fcntl(STDERR_FILENO, F_GETFL);
	log_open("prog");
	log_unattended();
	alarm(60); /* it hangs otherwise */
	for (unsigned i = 0; i < LINES; i++)
		log_info("%0200u", i);
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), flags); /* others share it */
	count_lines(reader, &lines, &dropped);
	assert_true(lines > 0 && lines < LINES);
	unsigned all = LINES;
	while (whole ? lines + dropped < all : !dropped) {
		log_info("%0200u", all++);
		count_lines(reader, &lines, &dropped);
	}
	alarm(0);
	if (whole)
		assert_int_equal(lines + dropped, all);
	assert_true(dropped > 0);
}

static void pipe_that_nobody_reads(void **state)
{
	(void)state;
	assert_true(fcntl(log_pipe[0], F_SETPIPE_SZ, 4096) > 0);
	never_waits(log_pipe[0], true);
}

static void terminal_that_nobody_reads(void **state)
{
	(void)state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0 && dup2(slave, STDERR_FILENO) >= 0);
	close(slave);
	never_waits(master, false);
	close(master);
}

static void daemons_lines_have_the_time(void **state)
{
	(void)state;
	unsigned year, month, day, hour, minute, second, ms, off_hour, off_minute;
	char rest[32];
	setenv("TZ", "TEST-05:30", 1); /* POSIX: east of Greenwich */
	log_open("prog");
	log_unattended();
	log_info("one");
	unsetenv("TZ");
	assert_int_equal(sscanf(logged(), "%4u-%2u-%2uT%2u:%2u:%2u.%3u+%2u:%2u prog: %31s", &year,
				&month, &day, &hour, &minute, &second, &ms, &off_hour, &off_minute,
				rest),
			 10);
	struct tm tm = { .tm_year = (int)year - 1900,
			 .tm_mon = (int)month - 1,
			 .tm_mday = (int)day,
			 .tm_hour = (int)hour,
			 .tm_min = (int)minute,
			 .tm_sec = (int)second };
	assert_int_equal(off_hour * 60 + off_minute, 330);
	int64_t ago_s = time(NULL) - (timegm(&tm) - 330 * 60);
	assert_true(ago_s >= 0 && ago_s < 3600); /* this time, and not that of another zone */
	assert_string_equal(rest, "one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lines_name_the_program, catch_log, release_log),
		cmocka_unit_test_setup_teardown(priorities_in_the_journal, catch_log, release_log),
		cmocka_unit_test_setup_teardown(control_characters_are_shown, catch_log,
						release_log),
		cmocka_unit_test_setup_teardown(long_lines_are_cut, catch_log, release_log),
		cmocka_unit_test_setup_teardown(limits_what_a_peer_can_cause, catch_log,
						release_log),
		cmocka_unit_test_setup_teardown(logs_once_until_it_changes, catch_log, release_log),
		cmocka_unit_test_setup_teardown(threads_do_not_mix_lines, catch_log, release_log),
		/* A process is unattended from then on. */
		cmocka_unit_test_setup_teardown(daemons_lines_have_the_time, catch_log,
						release_log),
		cmocka_unit_test_setup_teardown(pipe_that_nobody_reads, catch_log, release_log),
		cmocka_unit_test_setup_teardown(terminal_that_nobody_reads, catch_log, release_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
