/* What all subcommands of mbshm share: the plant and the options on the command line.
 *
 * A subcommand, run_NAME in NAME.h, returns the exit status: 0, or 1 after it has logged why it was
 * refused or failed.  It calls die() with 1, or with EXIT_USAGE (2) for an error on the command
 * line.  words are its operands, ended by NULL.  One thread. */
#ifndef MBSHM_TOOL_H
#define MBSHM_TOOL_H

#include "base/log.h"
#include "base/output.h"
#include "plant/plant.h"

enum { TOOL_TIMEOUT_US = 1000000, EXPECT_MAX = 64 };

/* The options; a subcommand takes a set of them. */
enum option {
	OPTION_TYPE,
	OPTION_ORDER,
	OPTION_COUNT,
	OPTION_FORMAT,
	OPTION_EXPECT,
	OPTION_FOLLOW,
	OPTION_INTERVAL,
	OPTION_ADDRESS,
	OPTION_FROM,
	OPTIONS
};

struct tool {
	struct plant *plant;
	unsigned given;       /* set of 1 << enum option: those on the command line */
	enum mbshm_type type; /* if OPTION_TYPE is given */
	enum mbshm_order order;
	uint32_t count; /* 0: not given */
	enum format format;
	uint32_t interval_s; /* between two saves */
	char *address;       /* of journal entries; NULL: any */
	const char *from;    /* their client; NULL: anybody */
	unsigned expect_count;
	const char *expect[EXPECT_MAX]; /* as on the command line */
};

static inline bool tool_given(const struct tool *tool, enum option option)
{
	return tool->given & 1u << option;
}

#endif
