/* The options of mbshm: names, help, and how they are read. */
#ifndef MBSHM_OPTIONS_H
#define MBSHM_OPTIONS_H

#include "mbshm/tool.h"
#include "program/options.h"

/* The table for options_parse, indexed by enum option; its context is a struct tool.  Valid for
 * ever. */
const struct option_row *tool_options(void);

/* What the options have if they are not given. */
void tool_defaults(struct tool *tool);

#endif
