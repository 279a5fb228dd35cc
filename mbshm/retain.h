/* retain: a service that keeps the values in the plant's retain file, from which the next image
 * starts. */
#ifndef MBSHM_RETAIN_H
#define MBSHM_RETAIN_H

#include "mbshm/tool.h"

/* A reload replaces tool->plant. */
int run_retain(struct tool *tool, char **words);

#endif
