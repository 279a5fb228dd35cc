/* info: what the image is, and how it is doing. */
#ifndef MBSHM_INFO_H
#define MBSHM_INFO_H

#include "mbshm/tool.h"

int run_info(struct tool *tool, char **words);

#endif
