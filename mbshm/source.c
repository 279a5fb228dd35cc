/* source: the image's table of sources, which "info" lists. */
#include "mbshm/source.h"

#include "mbshm/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *forget_error(int rc)
{
	switch (rc) {
	case -ENOENT:
		return "no such source";
	case -EINVAL:
		return "not a valid source name";
	case -EBUSY:
		return "in use by a process: stop it first";
	default:
		return tool_error(rc);
	}
}

int run_source(struct tool *tool, char **words)
{
	if (strcmp(words[0], "forget"))
		die(EXIT_USAGE, "source '%s', expected forget NAME", words[0]);
	struct mbshm *img = tool_open(tool, MBSHM_WRITE);
	int rc = mbshm_source_forget(img, words[1], TOOL_TIMEOUT_US);
	mbshm_close(img);
	if (rc)
		log_error("source '%s': %s", words[1], forget_error(rc));
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
