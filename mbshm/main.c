/* mbshm: look at a register image, change it, keep it. */
#include "mbshm/file.h"
#include "mbshm/get.h"
#include "mbshm/info.h"
#include "mbshm/journal.h"
#include "mbshm/options.h"
#include "mbshm/retain.h"
#include "mbshm/set.h"
#include "mbshm/source.h"
#include "mbshm/watch.h"
#include "plant/load.h"
#include "point/address.h"
#include "program/standard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAKES(option) (1u << OPTION_##option)

static const struct command {
	const char *name, *operands, *help;
	int least, most;  /* words of operands; most -1: any number */
	unsigned options; /* the set that it takes */
	int (*run)(struct tool *tool, char **words);
} commands[] = {
	{ "info", "", "print layout, version, rate, pool, sources", 0, 0, TAKES(FORMAT), run_info },
	{ "get", "ADDRESS...", "print values, all of one version", 1, -1,
	  TAKES(TYPE) | TAKES(ORDER) | TAKES(COUNT) | TAKES(FORMAT), run_get },
	{ "set", "ADDRESS VALUE...", "change values, all in one version", 1, -1,
	  TAKES(TYPE) | TAKES(ORDER) | TAKES(EXPECT), run_set },
	{ "dump", "", "print all values", 0, 0, TAKES(FORMAT), run_dump },
	{ "watch", "[ADDRESS...]", "print values as they change", 0, -1,
	  TAKES(TYPE) | TAKES(ORDER) | TAKES(COUNT) | TAKES(FORMAT), run_watch },
	{ "journal", "", "print writes by clients, set and restore", 0, 0,
	  TAKES(FOLLOW) | TAKES(COUNT) | TAKES(FORMAT) | TAKES(ADDRESS) | TAKES(FROM),
	  run_journal },
	{ "source", "forget NAME", "free the entry of a source that is gone", 2, 2, 0, run_source },
	{ "save", "FILE", "write all values into a file", 1, 1, 0, run_save },
	{ "restore", "FILE", "publish all values of a saved file", 1, 1, 0, run_restore },
	{ "recreate", "", "replace the image by one with the plant's layout", 0, 0, 0,
	  run_recreate },
	{ "unlink", "", "remove the image's name", 0, 0, 0, run_unlink },
	{ "retain", "", "save the values to image.retain until stopped", 0, 0, TAKES(INTERVAL),
	  run_retain },
};
enum { COMMANDS = sizeof commands / sizeof *commands, NAMES_SIZE = 256 };

/* ---- help ---------------------------------------------------------------------------------- */

/* " (--type --order)", or nothing. */
static void print_options(const struct command *command)
{
	const char *before = " (";
	for (unsigned i = 0; i < OPTIONS; i++)
		if (command->options & 1u << i) {
			printf("%s--%s", before, tool_options()[i].name);
			before = " ";
		}
	if (command->options)
		putchar(')');
}

static void help(void)
{
	char words[ADDRESS_WORDS_SIZE];
	printf("\nCommands:\n");
	for (const struct command *command = commands; command < commands + COMMANDS; command++) {
		char left[64];
		snprintf(left, sizeof left, "%s %s", command->name, command->operands);
		printf("  %-20s %s", left, command->help);
		print_options(command);
		putchar('\n');
	}
	printf("\nAn ADDRESS is TABLE:NUMBER or TABLE:FIRST-LAST, such as holding:1000-1010;\n"
	       "TABLE is %s.\n",
	       address_table_words(words));
}

/* ---- the command --------------------------------------------------------------------------- */

static const char *command_names(char text[NAMES_SIZE])
{
	size_t used = 0;
	for (unsigned i = 0; i < COMMANDS && used < NAMES_SIZE; i++)
		used += (size_t)snprintf(text + used, NAMES_SIZE - used, "%s%s", i ? ", " : "",
					 commands[i].name);
	return text;
}

static const struct command *command_find(const char *name)
{
	char names[NAMES_SIZE];
	if (!name)
		die(EXIT_USAGE, "expected a command: %s", command_names(names));
	for (const struct command *command = commands; command < commands + COMMANDS; command++)
		if (!strcmp(command->name, name))
			return command;
	die(EXIT_USAGE, "unknown command '%s', expected one of %s", name, command_names(names));
}

static void command_check(const struct command *command, const struct tool *tool, int words)
{
	for (unsigned i = 0; i < OPTIONS; i++)
		if (tool_given(tool, i) && !(command->options & 1u << i))
			die(EXIT_USAGE, "%s does not take --%s", command->name,
			    tool_options()[i].name);
	if (words < command->least || (command->most >= 0 && words > command->most))
		die(EXIT_USAGE, "%s: expected %s", command->name,
		    command->operands[0] ? command->operands : "no operands");
}

int main(int argc, char **argv)
{
	struct tool tool;
	const struct program program = {
		.name = "mbshm",
		.summary = "Shows, changes, watches and saves a register image.",
		.rows = tool_options(),
		.operands = "COMMAND OPERAND...",
		.operands_most = -1,
		.help = help,
		.context = &tool,
	};
	int operand;
	standard_open();
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, with status 1 */
	tool_defaults(&tool);
	tool.plant = options_parse(&program, argc, argv, &operand);
	const struct command *command = command_find(argv[operand]);
	command_check(command, &tool, argc - operand - 1);
	if (!plant_has_image(tool.plant))
		die(EXIT_FAILURE, "%s declares no address: it has no image of its own",
		    tool.plant->file);
	int status = command->run(&tool, argv + operand + 1);
	plant_free(tool.plant);
	return status;
}
