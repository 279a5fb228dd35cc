/* Opening the image, waiting for its next version, and errors in words. */
#ifndef MBSHM_OPEN_H
#define MBSHM_OPEN_H

#include "mbshm/tool.h"

/* Open the plant's image with flags of mbshm_open; without MBSHM_CREATE, whatever its layout.  Dies
 * if it cannot be opened.  The caller closes it. */
struct mbshm *tool_open(const struct tool *tool, int flags);

/* Wait until the version is above version.  0; or 1 if the image was replaced: then *img is a new
 * handle, whose versions may start again, and the old one is closed.  Dies if the image can no
 * longer be read. */
int tool_wait(const struct tool *tool, struct mbshm **img, uint64_t version);

/* An error of the library in words. */
const char *tool_error(int rc);

/* Die because of an error of the image. */
_Noreturn void tool_die(const struct tool *tool, int rc);

/* Flush standard output.  Dies if anything written to it was lost. */
void tool_flush(void);

/* The user who runs the tool, for the journal. */
struct mbshm_origin tool_origin(void);

#endif
