/* save, restore, recreate, unlink: the image as a whole. */
#ifndef MBSHM_FILE_H
#define MBSHM_FILE_H

#include "mbshm/tool.h"

int run_save(struct tool *tool, char **words);
int run_restore(struct tool *tool, char **words);
int run_recreate(struct tool *tool, char **words);
int run_unlink(struct tool *tool, char **words);

#endif
