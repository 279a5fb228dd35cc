/* Command lines: the words of a program, and what every program does with them. */
#include "program/options.h"

#include "base/log.h"
#include "plant/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the command line says, for the options that every program takes. */
struct words {
	const struct program *program;
	const char *plant_path; /* NULL: the built-in default */
	bool check_only;
	uint64_t given[2]; /* with a value: bits of the rows of the program, and of common_rows */
};

static void help_print(const struct program *program);

/* ---- what every program takes -------------------------------------------------------------- */

static const char *set_plant(void *context, const char *arg)
{
	((struct words *)context)->plant_path = arg;
	return *arg ? NULL : "a file's name";
}

static const char *set_check(void *context, const char *arg)
{
	(void)arg;
	((struct words *)context)->check_only = true;
	return NULL;
}

static _Noreturn void leave(void)
{
	if (fflush(stdout))
		die(EXIT_FAILURE, "cannot write to stdout");
	exit(EXIT_SUCCESS);
}

static const char *answer_help(void *context, const char *arg)
{
	(void)arg;
	help_print(((struct words *)context)->program);
	leave();
}

static const char *answer_version(void *context, const char *arg)
{
	const struct program *program = ((struct words *)context)->program;
	(void)arg;
	printf("%s %s\n", program->name, MBIMAGE_VERSION);
	leave();
}

/* Their context is struct words. */
static const struct option_row common_rows[] = {
	{ "plant", "FILE", "the plant file; without it the built-in default", set_plant },
	{ "check", NULL, "check the plant file, print \"ok\" and exit", set_check },
	{ "help", NULL, "print this help and exit", answer_help },
	{ "version", NULL, "print the version and exit", answer_version },
	{ NULL, NULL, NULL, NULL },
};

static void help_rows(const struct option_row *row)
{
	for (; row && row->name; row++) {
		char left[64];
		snprintf(left, sizeof left, "--%s%s%s", row->name, row->value ? " " : "",
			 row->value ? row->value : "");
		printf("  %-20s %s\n", left, row->help);
	}
}

static void help_print(const struct program *program)
{
	printf("Usage: %s [OPTION]...%s%s%s\n%s\n\n", program->name, program->operands ? " [" : "",
	       program->operands ? program->operands : "", program->operands ? "]" : "",
	       program->summary);
	help_rows(program->rows);
	help_rows(common_rows);
	if (program->help)
		program->help();
}

/* ---- parsing ------------------------------------------------------------------------------- */

static const struct option_row *find_row(const struct option_row *row, const char *name,
					 size_t length)
{
	for (; row && row->name; row++)
		if (strlen(row->name) == length && !strncmp(row->name, name, length))
			return row;
	return NULL;
}

static _Noreturn void refuse_option(const struct program *program, const char *word)
{
	char known[512] = "";
	const struct option_row *lists[] = { program->rows, common_rows };
	size_t used = 0;
	for (int i = 0; i < 2; i++)
		for (const struct option_row *row = lists[i];
		     row && row->name && used < sizeof known; row++)
			used += (size_t)snprintf(known + used, sizeof known - used, "%s--%s",
						 used ? ", " : "", row->name);
	die(EXIT_USAGE, "unknown option '%s', expected one of %s", word, known);
}

/* Which of two values is meant?  Not to say so, and to take the last, would mislead. */
static void check_repeated(struct words *words, const struct option_row *row)
{
	bool common = row >= common_rows && row < common_rows + sizeof common_rows / sizeof *row;
	uint64_t bit = UINT64_C(1) << (row - (common ? common_rows : words->program->rows));
	if (row->value && !strstr(row->value, "...") && words->given[common] & bit)
		die(EXIT_USAGE, "--%s: given twice, expected once", row->name);
	words->given[common] |= bit;
}

/* Take the option at argv[i], "--NAME", "--NAME=VALUE" or "--NAME" "VALUE"; the index of the next
 * word. */
static int take_option(struct words *words, int argc, char **argv, int i)
{
	const struct program *program = words->program;
	const char *word = argv[i], *name = word + 2;
	size_t length = strncmp(word, "--", 2) == 0 ? strcspn(name, "=") : 0;
	void *context = program->context;
	const struct option_row *row = find_row(program->rows, name, length);
	if (!row) {
		row = find_row(common_rows, name, length);
		context = words;
	}
	if (!row)
		refuse_option(program, word);
	const char *arg = name[length] == '=' ? name + length + 1 : NULL;
	if (arg && !row->value)
		die(EXIT_USAGE, "'%s': expected --%s without a value", word, row->name);
	if (!arg && row->value && i + 1 < argc)
		arg = argv[++i];
	if (!arg && row->value)
		die(EXIT_USAGE, "--%s: expected --%s %s", row->name, row->name, row->value);
	check_repeated(words, row);
	const char *expected = row->set(context, arg);
	if (expected)
		die(EXIT_USAGE, "--%s '%s': expected %s", row->name, arg ? arg : "", expected);
	return i + 1;
}

static void check_operands(const struct program *program, int argc, char **argv, int first)
{
	int most = program->operands_most;
	if (most >= 0 && argc - first > most)
		die(EXIT_USAGE, "unexpected '%s', expected %s%s", argv[first + most],
		    most ? "options, then no more than " : "no operands",
		    most ? program->operands : "");
}

/* A negative number is none, nor is -inf or -nan. */
static bool is_option(const char *word)
{
	char *end;
	if (word[0] != '-' || !word[1] || word[1] == '.' || (word[1] >= '0' && word[1] <= '9'))
		return false;
	strtod(word, &end);
	return end == word || *end;
}

/* Take all options, and move the operands to argv's end; the index of the first. */
static int take_words(struct words *words, int argc, char **argv)
{
	int operands = 0; /* so far, kept at argv's beginning */
	for (int i = 1, next; i < argc; i = next) {
		next = i + 1;
		if (!is_option(argv[i]))
			argv[1 + operands++] = argv[i];
		else if (strcmp(argv[i], "--") != 0)
			next = take_option(words, argc, argv, i);
		else
			while (next < argc)
				argv[1 + operands++] = argv[next++];
	}
	int first = argc - operands;
	memmove(argv + first, argv + 1, (size_t)operands * sizeof *argv);
	return first;
}

/* Also those of its units. */
static void log_remarks(const struct plant *plant)
{
	for (const char *line = plant->remarks; line && *line; line += strcspn(line, "\n") + 1)
		log_warn("%.*s", (int)strcspn(line, "\n"), line);
	for (unsigned i = 0; i < plant->server.unit_count; i++)
		if (plant->server.units[i].plant && !plant->server.units[i].shared)
			log_remarks(plant->server.units[i].plant);
}

struct plant *options_parse(const struct program *program, int argc, char **argv, int *operand)
{
	struct words words = { .program = program };
	struct plant *plant;
	char error[PLANT_ERROR_SIZE];
	log_open(program->name);
	*operand = take_words(&words, argc, argv);
	check_operands(program, argc, argv, *operand);
	const struct plant_wish *wish = program->wish;
	bool wished = wish && (wish->port || wish->items);
	if (wished && words.plant_path)
		die(EXIT_USAGE, "%s change the built-in plant: expected them, or --plant, not both",
		    program->wish_options);
	if (wished ? plant_load_default(wish, &plant, error)
		   : plant_load(words.plant_path, &plant, error))
		die(EXIT_USAGE, "%s", error);
	if (words.check_only) {
		log_remarks(plant);
		puts("ok");
		leave();
	}
	return plant;
}
