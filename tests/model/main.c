/* The image's protocol, model-checked.  Each line of the table is the protocol or a mutation of it;
 * the protocol must be clean in every state that can be reached, and every mutation must be caught
 * by the property that it was meant to break.
 *
 *   test_image_model [-v] [WORD]
 *
 * -v prints counterexamples, WORD picks the lines that contain it; MB_LONG=1 explores in full. */
#include "explore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STATES_MAX = 60 * 1000 * 1000 };

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool as_expected(const struct trial *trial, const struct result *result)
{
	if (!trial->expected)
		return result->complete && !result->violation;
	return result->violation && strcmp(result->violation, trial->expected) == 0;
}

static bool trial_run(const struct suite *suite, const struct trial *trial, bool in_full,
		      bool trace, unsigned number)
{
	double begin = seconds();
	struct result result;
	bool ok;
	suite->set(trial, in_full && !trial->expected); /* a counterexample is one in small, too */
	result = explore(suite->model, STATES_MAX, trace);
	ok = as_expected(trial, &result);
	printf("%s %u - %s%s: %s: ", ok ? "ok" : "not ok", number, suite->model->name,
	       trial->tso ? " in x86 order" : "", trial->what);
	if (result.violation)
		printf("%s, in %u steps, after %u states", result.violation, result.steps,
		       result.states);
	else
		printf("clean, %u states%s", result.states, result.complete ? "" : ": too many");
	printf(", %.1f s\n", seconds() - begin);
	if (!ok)
		printf("# expected: %s\n", trial->expected ? trial->expected : "clean");
	fflush(stdout);
	return ok;
}

int main(int argc, char **argv)
{
	const struct suite *suites[] = { &publish_suite, &lock_suite, &recreate_suite,
					 &wait_suite };
	const char *full = getenv("MB_LONG");
	bool in_full = full && *full && *full != '0',
	     trace = argc > 1 && strcmp(argv[1], "-v") == 0;
	const char *word = argc > 1 + trace ? argv[1 + trace] : "";
	unsigned number = 0, failed = 0;
	for (unsigned s = 0; s < sizeof suites / sizeof *suites; s++)
		for (unsigned t = 0; t < suites[s]->trial_count; t++) {
			const struct trial *trial = &suites[s]->trials[t];
			if (trial->long_only && !in_full)
				continue;
			if (!strstr(trial->what, word) && !strstr(suites[s]->model->name, word))
				continue;
			failed += !trial_run(suites[s], trial, in_full, trace, ++number);
		}
	printf("1..%u\n", number);
	return failed != 0;
}
