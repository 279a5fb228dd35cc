/* save, restore, recreate, unlink: the image as a whole. */
#include "mbshm/file.h"

#include "mbshm/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int report(const char *what, int rc, const char *why)
{
	if (rc)
		log_error("%s: %s", what, why[0] ? why : tool_error(rc));
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int image_verdict(const struct tool *tool, int rc, const char *why)
{
	char what[MBSHM_NAME_SIZE + 8];
	snprintf(what, sizeof what, "image %s", tool->plant->image.name);
	return report(what, rc, why);
}

int run_save(struct tool *tool, char **words)
{
	char why[MBSHM_WHY_SIZE] = "";
	/* MBSHM_WRITE: beside a fast writer it needs the writer lock. */
	struct mbshm *img = tool_open(tool, MBSHM_WRITE);
	int rc = mbshm_values_save(img, words[0], TOOL_TIMEOUT_US, NULL, why);
	mbshm_close(img);
	return report("not saved", rc, why);
}

/* Creates the image: after a boot there may be none yet. */
int run_restore(struct tool *tool, char **words)
{
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img = tool_open(tool, MBSHM_CREATE);
	const struct mbshm_origin origin = tool_origin();
	int rc = mbshm_values_restore(img, words[0], &origin, TOOL_TIMEOUT_US, why);
	mbshm_close(img);
	return report("not restored", rc, why);
}

int run_recreate(struct tool *tool, char **words)
{
	char why[MBSHM_WHY_SIZE] = "";
	int rc = mbshm_guard();
	if (!rc)
		rc = mbshm_recreate(&tool->plant->image, TOOL_TIMEOUT_US, why);
	(void)words;
	return image_verdict(tool, rc, why);
}

/* The image is not opened, so that it may be damaged or of another version. */
int run_unlink(struct tool *tool, char **words)
{
	int rc = mbshm_unlink(tool->plant->image.name);
	(void)words;
	return image_verdict(tool, rc, rc == -ENOENT ? "no such image" : "");
}
