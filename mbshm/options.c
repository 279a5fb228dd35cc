/* The options of mbshm: names, help, and how they are read. */
#include "mbshm/options.h"

#include "base/number.h"
#include "point/value.h"

#include <stdio.h>

enum { HELP_SIZE = 96, INTERVAL_S = 30, INTERVAL_MAX_S = 86400, ADDRESS_SIZE = 64 };

static struct tool *option_give(void *context, enum option option)
{
	struct tool *tool = context;
	tool->given |= 1u << option;
	return tool;
}

static const char *set_type(void *context, const char *arg)
{
	static char names[VALUE_NAMES_SIZE];
	struct tool *tool = option_give(context, OPTION_TYPE);
	return value_type_find(arg, &tool->type) ? NULL : value_type_names(names);
}

static const char *set_order(void *context, const char *arg)
{
	static char names[VALUE_NAMES_SIZE];
	struct tool *tool = option_give(context, OPTION_ORDER);
	return value_order_find(arg, &tool->order) ? NULL : value_order_names(names);
}

static bool positive_parse(const char *arg, uint32_t max, uint32_t *number)
{
	return number_digits(&arg, max, number) && !*arg && *number > 0;
}

static const char *set_count(void *context, const char *arg)
{
	struct tool *tool = option_give(context, OPTION_COUNT);
	return positive_parse(arg, INT32_MAX, &tool->count) ? NULL : "a whole number 1..2147483647";
}

static const char *set_interval(void *context, const char *arg)
{
	struct tool *tool = option_give(context, OPTION_INTERVAL);
	return positive_parse(arg, INTERVAL_MAX_S, &tool->interval_s) ? NULL
								      : "a whole number 1..86400";
}

static const char *set_format(void *context, const char *arg)
{
	static char names[OUTPUT_NAMES_SIZE];
	struct tool *tool = option_give(context, OPTION_FORMAT);
	return output_format_find(arg, &tool->format) ? NULL : output_format_names(names);
}

static const char *set_expect(void *context, const char *arg)
{
	struct tool *tool = option_give(context, OPTION_EXPECT);
	if (tool->expect_count == EXPECT_MAX)
		return "at most 64 of them";
	tool->expect[tool->expect_count++] = arg;
	return NULL;
}

static const char *set_follow(void *context, const char *arg)
{
	(void)arg;
	option_give(context, OPTION_FOLLOW);
	return NULL;
}

static const char *set_address(void *context, const char *arg)
{
	static char copy[ADDRESS_SIZE];
	if (snprintf(copy, sizeof copy, "%s", arg) >= ADDRESS_SIZE)
		return "an ADDRESS";
	option_give(context, OPTION_ADDRESS)->address = copy;
	return NULL;
}

static const char *set_from(void *context, const char *arg)
{
	option_give(context, OPTION_FROM)->from = arg;
	return *arg ? NULL : "a client's address or a user";
}

const struct option_row *tool_options(void)
{
	static char types[HELP_SIZE], orders[HELP_SIZE], formats[OUTPUT_NAMES_SIZE];
	static const struct option_row rows[] = {
		[OPTION_TYPE] = { "type", "TYPE", types, set_type },
		[OPTION_ORDER] = { "order", "ORDER", orders, set_order },
		[OPTION_COUNT] = { "count", "N",
				   "get: N values from each address; watch, journal: exit after N",
				   set_count },
		[OPTION_FORMAT] = { "format", "FORMAT", formats, set_format },
		[OPTION_EXPECT] = { "expect", "ADDR=VALUE...",
				    "set: change nothing unless ADDR has this VALUE", set_expect },
		[OPTION_FOLLOW] = { "follow", NULL, "journal: wait for more entries", set_follow },
		[OPTION_INTERVAL] = { "interval", "SECONDS", "retain: time between two saves (30)",
				      set_interval },
		[OPTION_ADDRESS] = { "address", "ADDRESS",
				     "journal: only entries of these addresses", set_address },
		[OPTION_FROM] = { "from", "CLIENT", "journal: only entries of this client or user",
				  set_from },
		[OPTIONS] = { 0 },
	};
	char names[VALUE_NAMES_SIZE];
	snprintf(types, sizeof types, "type of the values: %s", value_type_names(names));
	snprintf(orders, sizeof orders, "byte order of wide values: %s", value_order_names(names));
	output_format_names(formats);
	return rows;
}

void tool_defaults(struct tool *tool)
{
	*tool = (struct tool){ .order = MBSHM_ABCD, .interval_s = INTERVAL_S };
}
