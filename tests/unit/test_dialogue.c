/* mbclient's pure parts: numbers out of answers, servers out of operands. */
#include "mbclient/ask.h"
#include "mbclient/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct question whole = { "Value", 0, 65535, true };
static const struct question fraction = { "Interval", 0.01, 3600, false };

static void test_numbers(void **state)
{
	(void)state;
	static const struct {
		const struct question *question;
		const char *text;
		double number;
	} right[] = {
		{ &whole, "0", 0 },           { &whole, "65535", 65535 },  { &whole, "007", 7 },
		{ &whole, "  42\t", 42 },     { &whole, "42\r", 42 },      { &fraction, "1", 1 },
		{ &fraction, "0.01", 0.01 },  { &fraction, "3600", 3600 }, { &fraction, "2.", 2 },
		{ &fraction, "0.25 ", 0.25 },
	};
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		double number = -1;
		if (ask_parse(right[i].question, right[i].text, &number) != ASK_ANSWER ||
		    number != right[i].number)
			fail_msg("\"%s\" is not %g", right[i].text, right[i].number);
	}
}

static void test_wrong_numbers(void **state)
{
	(void)state;
	static const struct {
		const struct question *question;
		const char *text;
	} wrong[] = {
		{ &whole, "" },          { &whole, "   " },
		{ &whole, "abc" },       { &whole, "-1" },
		{ &whole, "65536" },     { &whole, "1 2" },
		{ &whole, "12x" },       { &whole, "1.0" },
		{ &whole, "0x10" },      { &whole, "1e3" },
		{ &whole, "+1" },        { &whole, "99999999999999999999999999" },
		{ &whole, "nan" },       { &whole, "\x01" },
		{ &fraction, "0" },      { &fraction, "0.009" },
		{ &fraction, "3600.1" }, { &fraction, "1,5" },
		{ &fraction, "." },      { &fraction, ".5." },
		{ &fraction, "inf" },    { &fraction, "-1" },
		{ &fraction, "1.5.2" },  { &fraction, "1e1" },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		double number;
		if (ask_parse(wrong[i].question, wrong[i].text, &number) != ASK_WRONG)
			fail_msg("\"%s\" is taken for a number", wrong[i].text);
	}
}

static void assert_target(const char *text, const char *host, const char *port)
{
	struct target target;
	const char *expected = target_parse(text, "5020", &target);
	if (!host) {
		if (!expected)
			fail_msg("\"%s\" is taken for host \"%s\" port \"%s\"", text, target.host,
				 target.port);
		return;
	}
	if (expected)
		fail_msg("\"%s\" is refused: expected %s", text, expected);
	assert_string_equal(target.host, host);
	assert_string_equal(target.port, port);
}

static void test_targets(void **state)
{
	(void)state;
	assert_target("plc.example", "plc.example", "5020");
	assert_target("127.0.0.1:502", "127.0.0.1", "502");
	assert_target("[::1]:65535", "::1", "65535");
	assert_target("[fe80::1%eth0]", "fe80::1%eth0", "5020");
	assert_target("::1", "::1", "5020");
	static const char *const wrong[] = { "",           ":502",       "host:",   "host:0",
					     "host:65536", "host:abc",   "host:-1", "host:1x",
					     "[::1",       "[::1]x",     "[]",      "[]:502",
					     "[::1]:",     "host:000502" };
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_target(wrong[i], NULL, NULL);

	char longest[300];
	memset(longest, 'h', sizeof longest);
	longest[256] = '\0';
	assert_target(longest, NULL, NULL);
	longest[255] = '\0';
	assert_target(longest, longest, "5020");
}

static void test_listeners(void **state)
{
	(void)state;
	static const struct {
		struct plant_listen listen;
		const char *host;
	} listeners[] = {
		{ { .host = "0.0.0.0", .port = "5020" }, "127.0.0.1" },
		{ { .host = "::", .port = "5020" }, "::1" },
		{ { .host = "192.0.2.1", .port = "5020" }, "192.0.2.1" },
	};
	for (size_t i = 0; i < sizeof listeners / sizeof *listeners; i++) {
		struct target target;
		target_from_listen(&listeners[i].listen, &target);
		assert_string_equal(target.host, listeners[i].host);
		assert_string_equal(target.port, "5020");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_wrong_numbers),
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_listeners),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
