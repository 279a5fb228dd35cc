/* watch: values as they change. */
#ifndef MBSHM_WATCH_H
#define MBSHM_WATCH_H

#include "mbshm/tool.h"

int run_watch(struct tool *tool, char **words);

#endif
