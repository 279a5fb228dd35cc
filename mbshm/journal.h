/* journal: who wrote what. */
#ifndef MBSHM_JOURNAL_H
#define MBSHM_JOURNAL_H

#include "mbshm/tool.h"

int run_journal(struct tool *tool, char **words);

#endif
