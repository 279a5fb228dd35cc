/* save, restore, recreate, unlink: the image as a whole. */
#include "mbshm/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int run_save(struct tool *tool, int argc, char **argv)
{
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img =
		tool_open(tool, MBSHM_WRITE); /* under a fast writer it takes the lock */
	int rc = mbshm_values_save(img, argv[0], TOOL_TIMEOUT_US, NULL, why);
	(void)argc;
	mbshm_close(img);
	return report("not saved", rc, why);
}

/* Creates the image: after a boot nobody else may have. */
int run_restore(struct tool *tool, int argc, char **argv)
{
	char why[MBSHM_WHY_SIZE] = "";
	struct mbshm *img = tool_open(tool, MBSHM_CREATE);
	int rc = mbshm_values_restore(img, argv[0], TOOL_TIMEOUT_US, why);
	(void)argc;
	mbshm_close(img);
	return report("not restored", rc, why);
}

int run_recreate(struct tool *tool, int argc, char **argv)
{
	char why[MBSHM_WHY_SIZE] = "";
	int rc = mbshm_recreate(&tool->plant->image, TOOL_TIMEOUT_US, why);
	(void)argc, (void)argv;
	return image_verdict(tool, rc, why);
}

/* Also of an image that is damaged, or of another version: it is not opened. */
int run_unlink(struct tool *tool, int argc, char **argv)
{
	(void)argc, (void)argv;
	return image_verdict(tool, mbshm_unlink(tool->plant->image.name), "");
}
