/* The dialogue. */
#include "mbclient/menu.h"

#include "base/clock.h"
#include "mbclient/ask.h"
#include "mbclient/wait.h"
#include "point/address.h"

#include <stdio.h>

enum { PROMPT_SIZE = 128 };

struct menu {
	struct session *session;
	double interval_s; /* between two reads of a series */
	bool exit;         /* was chosen */
};

/* ---- the tables of the data model ---------------------------------------------------------- */

struct type {
	enum mbshm_table table;
	struct question value;
};

static const struct type types[] = {
	/* Those that can be written come first. */
	{ MBSHM_HOLDING_REGISTERS, { "Value (0 to 65535)", 0, 65535, true } },
	{ MBSHM_COILS, { "Value (0 or 1)", 0, 1, true } },
	{ MBSHM_INPUT_REGISTERS, { 0 } },
	{ MBSHM_DISCRETE_INPUTS, { 0 } },
};
enum { WRITABLE = 2, TYPES = sizeof types / sizeof *types };

static const struct question address_question = { "Address (0 to 65535)", 0, 65535, true };
static const struct question count_question = { "Number of reads (1 to 65535)", 1, 65535, true };
static const struct question interval_limits = { NULL, 0.01, 3600, false };

static const char *table_title(unsigned index)
{
	return address_table_title(types[index].table);
}

/* Ask for one of count names: "Choose WHAT: (1- NAME | 2- NAME)".  *choice: 0 .. count - 1. */
static enum ask_result choose(const char *what, const char *(*name)(unsigned index), unsigned count,
			      unsigned *choice)
{
	char prompt[PROMPT_SIZE];
	int used = snprintf(prompt, sizeof prompt, "Choose %s: ", what);
	for (unsigned i = 0; i < count; i++)
		used += snprintf(prompt + used, sizeof prompt - (size_t)used, "%s%u- %s",
				 i ? " | " : "(", i + 1, name(i));
	snprintf(prompt + used, sizeof prompt - (size_t)used, ")");
	struct question question = { prompt, 1, count, true };
	double answer;
	enum ask_result result = ask(&question, &answer);
	if (result == ASK_ANSWER)
		*choice = (unsigned)answer - 1;
	return result;
}

/* ---- the operations ------------------------------------------------------------------------ */

/* Deadlines are absolute.  Those that have passed during a slow answer are left out, so that no
 * burst follows it. */
static int64_t next_deadline(int64_t deadline_ns, int64_t interval_ns)
{
	int64_t late = clock_mono_ns() - deadline_ns;
	return deadline_ns + (late > 0 ? late / interval_ns + 1 : 1) * interval_ns;
}

static void read_series(struct menu *menu, const struct type *type, uint16_t addr, unsigned count)
{
	int64_t interval_ns = (int64_t)(menu->interval_s * 1e9), deadline_ns = clock_mono_ns();
	for (unsigned i = 1;; i++) {
		uint16_t value;
		enum session_result result = session_read(menu->session, type->table, addr, &value);
		if (result == SESSION_OK)
			printf("Read %u: %u\n", i, value);
		else
			printf("Read %u: %s\n", i, session_why(menu->session));
		fflush(stdout);
		if (i == count || result == SESSION_REFUSED || result == SESSION_INTERRUPTED)
			return;
		deadline_ns = next_deadline(deadline_ns, interval_ns);
		if (wait_until(-1, 0, deadline_ns) == WAIT_INTERRUPT) {
			printf("\nInterrupted: the series ends after %u of %u reads.\n", i, count);
			return;
		}
	}
}

static enum ask_result run_read(struct menu *menu)
{
	unsigned type;
	double addr, count;
	enum ask_result result = choose("data type", table_title, TYPES, &type);
	if (result == ASK_ANSWER)
		result = ask(&address_question, &addr);
	if (result == ASK_ANSWER)
		result = ask(&count_question, &count);
	if (result == ASK_ANSWER)
		read_series(menu, &types[type], (uint16_t)addr, (unsigned)count);
	return result;
}

static enum ask_result run_write(struct menu *menu)
{
	unsigned type;
	double addr, value;
	enum ask_result result = choose("data type", table_title, WRITABLE, &type);
	if (result == ASK_ANSWER)
		result = ask(&address_question, &addr);
	if (result == ASK_ANSWER)
		result = ask(&types[type].value, &value);
	if (result != ASK_ANSWER)
		return result;
	switch (session_write(menu->session, types[type].table, (uint16_t)addr, (uint16_t)value)) {
	case SESSION_OK:
		printf("Written: %s %u = %u\n", table_title(type), (unsigned)addr, (unsigned)value);
		break;
	case SESSION_LOST:
		printf("Perhaps not written: %s\n", session_why(menu->session));
		break;
	default:
		printf("Not written: %s\n", session_why(menu->session));
	}
	return ASK_ANSWER;
}

static enum ask_result run_configure(struct menu *menu)
{
	char prompt[PROMPT_SIZE];
	struct question question = interval_limits;
	snprintf(prompt, sizeof prompt, "Scan interval in seconds (%g to %g, now %g)", question.low,
		 question.high, menu->interval_s);
	question.prompt = prompt;
	return ask(&question, &menu->interval_s);
}

static enum ask_result run_exit(struct menu *menu)
{
	menu->exit = true;
	return ASK_ANSWER;
}

static const struct {
	const char *name;
	enum ask_result (*run)(struct menu *menu);
} operations[] = {
	{ "Read", run_read },
	{ "Write", run_write },
	{ "Configure", run_configure },
	{ "Exit", run_exit },
};

static const char *operation_name(unsigned index)
{
	return operations[index].name;
}

void menu_run(struct session *session)
{
	struct menu menu = { .session = session, .interval_s = 1 };
	enum ask_result result = ASK_ANSWER;
	while (result == ASK_ANSWER && !menu.exit) {
		unsigned operation;
		result = choose("operation", operation_name, sizeof operations / sizeof *operations,
				&operation);
		if (result == ASK_ANSWER)
			result = operations[operation].run(&menu);
		wait_forget(); /* a Ctrl-C in the middle of a request ended that, not the program */
	}
	if (result == ASK_END)
		printf("\n");
	else if (result == ASK_INTERRUPT)
		printf("\nInterrupted: connection closed.\n");
	else
		printf("Connection closed.\n");
}
