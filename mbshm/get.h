/* get, dump: values as they are now. */
#ifndef MBSHM_GET_H
#define MBSHM_GET_H

#include "mbshm/tool.h"

int run_get(struct tool *tool, char **words);
int run_dump(struct tool *tool, char **words);

#endif
