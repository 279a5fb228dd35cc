/* Models: what is accepted, what comes out, and that it can be repeated. */
#include "model/model.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { STEPS = 100000 };

static void assert_refused(const char *text, double high, const char *expected)
{
	struct model_config config;
	char error[MODEL_ERROR_SIZE] = "";
	assert_int_equal(model_parse(text, 0, high, &config, error), -EINVAL);
	if (!strstr(error, expected))
		fail_msg("\"%s\" is refused with \"%s\", which does not say \"%s\"", text, error,
			 expected);
}

static struct model_config parse(const char *text, double high)
{
	struct model_config config;
	char error[MODEL_ERROR_SIZE] = "";
	if (model_parse(text, 0, high, &config, error))
		fail_msg("\"%s\" is refused: %s", text, error);
	return config;
}

static void test_accepted(void **state)
{
	(void)state;
	static const char *const registers[] = {
		"uniform 380 420", "  uniform\t380   420 ",
		"uniform 0 65535", "uniform 7 7",
		"constant 65535",  "constant 0",
		"constant 4e2",    "toss 0",
		"toss 1",          "toss .5",
		"toss 0.25",
	};
	for (size_t i = 0; i < sizeof registers / sizeof *registers; i++)
		parse(registers[i], 65535);
	parse("toss 0.5", 1);
	parse("uniform 0 1", 1);
	parse("constant 1", 1);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text, *expected;
	} wrong[] = {
		{ "", "expected one of: uniform toss constant" },
		{ "unifor 1 2", "expected one of: uniform toss constant" },
		{ "uniforms 1 2", "\"uniforms\"" },
		{ "Uniform 1 2", "expected one of" },
		{ "uniform", "too few words, expected \"uniform LOW HIGH\"" },
		{ "uniform 1", "too few words, expected \"uniform LOW HIGH\"" },
		{ "uniform 1 2 3", "too many words, expected \"uniform LOW HIGH\"" },
		{ "uniform 420 380", "HIGH 380 is below LOW 420" },
		{ "uniform 380 65536", "HIGH is \"65536\", expected a whole number 0..65535" },
		{ "uniform -1 10", "LOW is \"-1\", expected a whole number 0..65535" },
		{ "uniform 1.5 10", "expected a whole number" },
		{ "uniform 1x 10", "LOW is \"1x\"" },
		{ "uniform 0x10 20", "LOW is \"0x10\"" },
		{ "uniform nan 20", "LOW is \"nan\"" },
		{ "uniform 0 inf", "HIGH is \"inf\"" },
		{ "uniform 0 1e999", "HIGH is \"1e999\"" },
		{ "uniform 1- 20", "LOW is \"1-\"" },
		{ "uniform 1,5 20", "LOW is \"1,5\"" },
		{ "uniform 00000000000000000000000000000000000000000000000000000000000000000001 2",
		  "LOW is" },
		{ "toss 1.01", "P is \"1.01\", expected a number 0..1" },
		{ "toss -0.1", "expected a number 0..1" },
		{ "toss", "too few words, expected \"toss P\"" },
		{ "toss half", "expected a number 0..1" },
		{ "constant", "too few words, expected \"constant VALUE\"" },
		{ "constant 1 2", "too many words" },
		{ "constant e", "VALUE is \"e\"" },
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_refused(wrong[i].text, 65535, wrong[i].expected);
	assert_refused("uniform 0 2", 1, "expected a whole number 0..1");
	assert_refused("constant 2", 1, "expected a whole number 0..1");

	struct model_config config;
	char error[MODEL_ERROR_SIZE];
	assert_int_equal(model_parse("toss 0.5", 5, 10, &config, error), -EINVAL);
}

/* A text as long as a file allows must not leave the error buffer. */
static void test_long_text(void **state)
{
	(void)state;
	static char text[100000];
	memset(text, 'a', sizeof text - 1);
	assert_refused(text, 65535, "aaaa");
	memcpy(text, "uniform ", 8);
	assert_refused(text, 65535, "aaaa");
}

/* All 41 values of the default plant's register, evenly: chi-square with 40 degrees of freedom,
 * whose 0.999999 quantile is below 100. */
static void test_uniform(void **state)
{
	(void)state;
	struct model_config config = parse("uniform 380 420", 65535);
	struct model_stream stream;
	model_seed(&stream, 1, "process_value");
	unsigned seen[41] = { 0 };
	for (int i = 0; i < STEPS; i++) {
		double value = model_step(&config, 0, 1, &stream);
		assert_true(value >= 380 && value <= 420 && value == floor(value));
		seen[(int)value - 380]++;
	}
	double expected = STEPS / 41.0, chi = 0;
	for (int i = 0; i < 41; i++)
		chi += (seen[i] - expected) * (seen[i] - expected) / expected;
	assert_true(chi > 5 && chi < 100);
}

static void test_uniform_edges(void **state)
{
	(void)state;
	struct model_stream stream;
	model_seed(&stream, 2, "x");
	struct model_config one = parse("uniform 7 7", 65535),
			    all = parse("uniform 0 65535", 65535);
	double low = 65535, high = 0;
	for (int i = 0; i < 10 * STEPS; i++) {
		assert_true(model_step(&one, 0, 1, &stream) == 7);
		double value = model_step(&all, 0, 1, &stream);
		assert_true(value >= 0 && value <= 65535);
		low = fmin(low, value);
		high = fmax(high, value);
	}
	/* Each end is missed by 10^6 draws with a probability of about 2e-7. */
	assert_true(low == 0 && high == 65535);
}

static double ones(const char *text)
{
	struct model_config config = parse(text, 1);
	struct model_stream stream;
	model_seed(&stream, 3, "relay");
	double sum = 0;
	for (int i = 0; i < STEPS; i++) {
		double value = model_step(&config, 1, 1, &stream);
		assert_true(value == 0 || value == 1);
		sum += value;
	}
	return sum / STEPS;
}

static void test_toss(void **state)
{
	(void)state;
	assert_true(ones("toss 0") == 0);
	assert_true(ones("toss 1") == 1);
	/* Six standard deviations. */
	assert_true(fabs(ones("toss 0.5") - 0.5) < 6 * sqrt(0.25 / STEPS));
	assert_true(fabs(ones("toss 0.1") - 0.1) < 6 * sqrt(0.09 / STEPS));
}

static void test_constant(void **state)
{
	(void)state;
	struct model_config config = parse("constant 42", 65535);
	struct model_stream stream;
	model_seed(&stream, 1, "x");
	struct model_stream before = stream;
	assert_true(model_step(&config, 7, 1, &stream) == 42);
	assert_memory_equal(&stream, &before, sizeof stream);
}

static void draw(uint64_t seed, const char *name, double values[100])
{
	struct model_config config = parse("uniform 0 65535", 65535);
	struct model_stream stream;
	model_seed(&stream, seed, name);
	for (int i = 0; i < 100; i++)
		values[i] = model_step(&config, 0, 1, &stream);
}

static unsigned equal_draws(uint64_t seed_a, const char *name_a, uint64_t seed_b,
			    const char *name_b)
{
	double a[100], b[100];
	draw(seed_a, name_a, a);
	draw(seed_b, name_b, b);
	unsigned equal = 0;
	for (int i = 0; i < 100; i++)
		equal += a[i] == b[i];
	return equal;
}

/* The same seed and name: the same values; another of either: others. */
static void test_streams(void **state)
{
	(void)state;
	assert_int_equal(equal_draws(1, "a", 1, "a"), 100);
	assert_in_range(equal_draws(1, "a", 2, "a"), 0, 5);
	assert_in_range(equal_draws(1, "a", 1, "b"), 0, 5);
	assert_in_range(equal_draws(1, "ab", 1, "ba"), 0, 5);
	assert_in_range(equal_draws(0, "a", 0, ""), 0, 5);
}

/* xoshiro256** after its reference implementation: from the state 1 2 3 4 come 11520, 0,
 * 1509978240, 1215971899390074240; 2^64 is a multiple of 65536, so that the low 16 bits of each are
 * what "uniform 0 65535" gives. */
static void test_generator(void **state)
{
	(void)state;
	static const uint64_t expected[] = { 11520, 0, 1509978240, 1215971899390074240 };
	struct model_config config = parse("uniform 0 65535", 65535);
	struct model_stream stream = { { 1, 2, 3, 4 } };
	for (int i = 0; i < 4; i++)
		assert_int_equal((uint64_t)model_step(&config, 0, 1, &stream),
				 expected[i] & 0xffff);
}

/* The first word of a usage is the model's name. */
static void test_list(void **state)
{
	(void)state;
	size_t count = 0;
	for (; model_usage(count); count++) {
		char error[MODEL_ERROR_SIZE], name[16], expected[48];
		struct model_config config;
		snprintf(name, sizeof name, "%.*s", (int)strcspn(model_usage(count), " "),
			 model_usage(count));
		snprintf(expected, sizeof expected, "model %s: too few words", name);
		assert_int_equal(model_parse(name, 0, 65535, &config, error), -EINVAL);
		assert_memory_equal(error, expected, strlen(expected));
	}
	assert_int_equal(count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_long_text),     cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_uniform_edges), cmocka_unit_test(test_toss),
		cmocka_unit_test(test_constant),      cmocka_unit_test(test_streams),
		cmocka_unit_test(test_generator),     cmocka_unit_test(test_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
