/* set: change values, all in one version. */
#ifndef MBSHM_SET_H
#define MBSHM_SET_H

#include "mbshm/tool.h"

int run_set(struct tool *tool, char **words);

#endif
