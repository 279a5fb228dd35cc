/* source: the image's table of sources. */
#ifndef MBSHM_SOURCE_H
#define MBSHM_SOURCE_H

#include "mbshm/tool.h"

int run_source(struct tool *tool, char **words);

#endif
