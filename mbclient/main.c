/* mbclient: an interactive Modbus TCP master. */
#include "base/log.h"
#include "mbclient/ask.h"
#include "mbclient/menu.h"
#include "mbclient/target.h"
#include "mbclient/wait.h"
#include "plant/load.h"
#include "program/options.h"
#include "program/standard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
	int unit;
	double timeout_s;
};

static const char *set_unit(void *context, const char *arg)
{
	const struct question limits = { NULL, 0, SESSION_UNIT_DEVICE, true };
	double unit;
	if (ask_parse(&limits, arg, &unit) != ASK_ANSWER ||
	    (unit > 247 && unit < SESSION_UNIT_DEVICE))
		return "a unit id 0..247, or 255";
	((struct settings *)context)->unit = (int)unit;
	return NULL;
}

static const char *set_timeout(void *context, const char *arg)
{
	const struct question limits = { NULL, 0.01, 60, false };
	if (ask_parse(&limits, arg, &((struct settings *)context)->timeout_s) != ASK_ANSWER)
		return "a number of seconds 0.01..60";
	return NULL;
}

static const struct option_row rows[] = {
	{ "unit", "N", "unit id of the requests, 0..247 or 255 (1)", set_unit },
	{ "timeout", "SECONDS", "how long to wait for a connection or an answer, 0.01..60 (1.0)",
	  set_timeout },
	{ 0 },
};

/* The plant's first TCP listener, or NULL. */
static const struct plant_listen *first_tcp(const struct plant *plant)
{
	for (unsigned i = 0; i < plant->server.listen_count; i++)
		if (*plant->server.listen[i].port)
			return &plant->server.listen[i];
	return NULL;
}

/* Where to: the operand, or the plant's first TCP listener, which also supplies the port that an
 * operand leaves out. */
static void find_target(const struct plant *plant, const char *operand, struct target *target)
{
	const struct plant_listen *listen = first_tcp(plant);
	const char *expected = NULL;
	if (operand)
		expected = target_parse(operand, listen ? listen->port : "0", target);
	else if (listen)
		target_from_listen(listen, target);
	if (expected)
		die(EXIT_USAGE, "\"%s\": expected %s", operand, expected);
	if (!operand && !listen)
		die(EXIT_USAGE, "%s names no TCP address in server.listen: give HOST:PORT",
		    plant->file);
	if (!strcmp(target->port, "0"))
		die(EXIT_USAGE, "%s lets the server choose its port (0): give HOST:PORT",
		    plant->file);
}

int main(int argc, char **argv)
{
	struct settings settings = { .unit = 1, .timeout_s = 1 };
	const struct program program = {
		.name = "mbclient",
		.summary = "Reads and writes the values of a Modbus TCP server, asking what to do.",
		.rows = rows,
		.operands = "HOST[:PORT]",
		.operands_most = 1,
		.context = &settings,
	};
	int operand;
	standard_open();
	struct plant *plant = options_parse(&program, argc, argv, &operand);
	struct target target;
	find_target(plant, operand < argc ? argv[operand] : NULL, &target);
	plant_free(plant);

	int rc = wait_open();
	if (rc)
		die(EXIT_FAILURE, "signals: %s", strerror(-rc));
	struct session *session =
		session_new(target.host, target.port, settings.unit, settings.timeout_s);
	if (!session)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	printf("Server: %s port %s, unit %d\n", target.host, target.port, settings.unit);
	menu_run(session);
	bool failed = session_all_failed(session);
	session_free(session);
	if (fflush(stdout) || ferror(stdout))
		die(EXIT_FAILURE, "standard output: %s", strerror(errno));
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
