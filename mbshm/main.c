/* mbshm: look at a register image, change it, keep it. */
#include "mbshm/tool.h"
#include "plant/load.h"
#include "program/options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAKES(option) (1u << OPTION_##option)

static const struct command {
	const char *name, *operands, *help;
	int least, most;  /* words of operands; most -1: any number */
	unsigned options; /* that it takes */
	int (*run)(struct tool *tool, int argc, char **argv);
} commands[] = {
	{ "info", "", "layout, version, rate, pool, sources", 0, 0, 0, run_info },
	{ "get", "ADDRESS...", "print values, all of one version", 1, -1,
	  TAKES(TYPE) | TAKES(ORDER) | TAKES(COUNT) | TAKES(FORMAT), run_get },
	{ "set", "ADDRESS VALUE...", "change values, all in one version", 1, -1,
	  TAKES(TYPE) | TAKES(ORDER) | TAKES(EXPECT), run_set },
	{ "dump", "", "print all values", 0, 0, TAKES(FORMAT), run_dump },
	{ "watch", "[ADDRESS...]", "print values as they change", 0, -1,
	  TAKES(TYPE) | TAKES(ORDER) | TAKES(COUNT) | TAKES(FORMAT), run_watch },
	{ "journal", "", "print writes that came from outside", 0, 0,
	  TAKES(FOLLOW) | TAKES(COUNT) | TAKES(FORMAT), run_journal },
	{ "save", "FILE", "write all values into a file", 1, 1, 0, run_save },
	{ "restore", "FILE", "publish all values of such a file", 1, 1, 0, run_restore },
	{ "recreate", "", "replace the image by one of the plant's layout", 0, 0, 0, run_recreate },
	{ "unlink", "", "remove the image's name", 0, 0, 0, run_unlink },
	{ "retain", "", "a service that keeps the values in image.retain", 0, 0, TAKES(INTERVAL),
	  run_retain },
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* ---- options ------------------------------------------------------------------------------- */

static struct tool *given(void *context, enum option option)
{
	struct tool *tool = context;
	tool->given |= 1u << option;
	return tool;
}

static const char *set_type(void *context, const char *arg)
{
	static char names[VALUE_NAMES_SIZE];
	struct tool *tool = given(context, OPTION_TYPE);
	return value_type_find(arg, &tool->type) ? NULL : value_type_names(names);
}

static const char *set_order(void *context, const char *arg)
{
	static char names[VALUE_NAMES_SIZE];
	struct tool *tool = given(context, OPTION_ORDER);
	return value_order_find(arg, &tool->order) ? NULL : value_order_names(names);
}

static bool number_parse(const char *arg, unsigned long max, uint32_t *number)
{
	char *end;
	unsigned long value;
	errno = 0;
	value = strtoul(arg, &end, 10);
	*number = (uint32_t)value;
	return *arg >= '0' && *arg <= '9' && !*end && !errno && value >= 1 && value <= max;
}

static const char *set_count(void *context, const char *arg)
{
	return number_parse(arg, INT32_MAX, &given(context, OPTION_COUNT)->count)
		       ? NULL
		       : "a whole number from 1";
}

static const char *set_interval(void *context, const char *arg)
{
	return number_parse(arg, 86400, &given(context, OPTION_INTERVAL)->interval_s)
		       ? NULL
		       : "a whole number 1..86400";
}

static const char *set_format(void *context, const char *arg)
{
	static const char *const names[] = {
		[FORMAT_TABLE] = "table", [FORMAT_CSV] = "csv", [FORMAT_JSON] = "json"
	};
	struct tool *tool = given(context, OPTION_FORMAT);
	for (unsigned format = 0; format < sizeof names / sizeof *names; format++)
		if (!strcmp(names[format], arg)) {
			tool->format = (enum format)format;
			return NULL;
		}
	return "table, csv or json";
}

static const char *set_expect(void *context, const char *arg)
{
	struct tool *tool = given(context, OPTION_EXPECT);
	if (tool->expect_count == EXPECT_MAX)
		return "at most 64 of them";
	tool->expect[tool->expect_count++] = arg;
	return NULL;
}

static const char *set_follow(void *context, const char *arg)
{
	(void)arg;
	given(context, OPTION_FOLLOW);
	return NULL;
}

static const struct option_row rows[] = {
	[OPTION_TYPE] = { "type", "TYPE", "of values: u16 i16 u32 i32 u64 i64 f32 f64 bool",
			  set_type },
	[OPTION_ORDER] = { "order", "ORDER", "of bytes in wide values: ABCD CDAB BADC DCBA",
			   set_order },
	[OPTION_COUNT] = { "count", "N", "values from the address; watch, journal: end after N",
			   set_count },
	[OPTION_FORMAT] = { "format", "FORMAT", "table, csv or json", set_format },
	[OPTION_EXPECT] = { "expect", "ADDR=VALUE", "set only if it has this value now",
			    set_expect },
	[OPTION_FOLLOW] = { "follow", NULL, "wait for more entries", set_follow },
	[OPTION_INTERVAL] = { "interval", "SECONDS", "between saves, when something changed (30)",
			      set_interval },
	[OPTIONS] = { 0 },
};

/* ---- subcommands --------------------------------------------------------------------------- */

static void help(void)
{
	printf("\nCommands:\n");
	for (const struct command *command = commands; command < commands + COMMANDS; command++) {
		char left[64], taken[96] = "";
		size_t used = 0;
		snprintf(left, sizeof left, "%s %s", command->name, command->operands);
		for (unsigned i = 0; i < OPTIONS; i++)
			if (command->options & 1u << i && used < sizeof taken)
				used += (size_t)snprintf(taken + used, sizeof taken - used,
							 "%s--%s", used ? " " : "", rows[i].name);
		printf("  %-20s %s%s%s%s\n", left, command->help, used ? " (" : "", taken,
		       used ? ")" : "");
	}
	printf("\nAn ADDRESS is holding:1000 or holding:1000-1010; the tables are coil, discrete, "
	       "holding, input.\n");
}

static const struct command *command_find(const char *name)
{
	char known[256] = "";
	size_t used = 0;
	for (const struct command *command = commands; command < commands + COMMANDS; command++) {
		if (name && !strcmp(command->name, name))
			return command;
		used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
					 used ? ", " : "", command->name);
	}
	if (name)
		die(EXIT_USAGE, "unknown command '%s', expected one of %s", name, known);
	die(EXIT_USAGE, "expected a command: %s", known);
}

static void command_check(const struct command *command, unsigned given_options, int argc)
{
	for (unsigned i = 0; i < OPTIONS; i++)
		if (given_options & ~command->options & 1u << i)
			die(EXIT_USAGE, "%s does not take --%s", command->name, rows[i].name);
	if (argc < command->least || (command->most >= 0 && argc > command->most))
		die(EXIT_USAGE, "%s: expected %s", command->name,
		    command->operands[0] ? command->operands : "nothing more");
}

int main(int argc, char **argv)
{
	struct tool tool = { .order = MBSHM_ABCD, .interval_s = 30 };
	const struct program program = {
		.name = "mbshm",
		.summary = "Looks at a register image, changes it, keeps it.",
		.rows = rows,
		.operands = "COMMAND OPERAND...",
		.operands_most = -1,
		.help = help,
		.context = &tool,
	};
	int operand, status;
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, said and with status 1 */
	tool.plant = options_parse(&program, argc, argv, &operand);
	const struct command *command = command_find(argv[operand]);
	command_check(command, tool.given, argc - operand - 1);
	status = command->run(&tool, argc - operand - 1, argv + operand + 1);
	plant_free(tool.plant);
	return status;
}
