#include "mbshm/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	LOOK_MS = 1000,
	RETRY_NS = 200 * 1000 * 1000
}; /* does the name still lead there?  does it again? */

const char *tool_error(int rc)
{
	static const struct {
		int error;
		const char *words;
	} known[] = {
		{ -ERANGE, "not declared by the image" },
		{ -EAGAIN, "overtaken by writers again and again; try again" },
		{ -ESTALE, "the image was replaced just now; try again" },
		{ -EBADMSG, "the image is damaged" },
		{ -ETIMEDOUT,
		  "the writer lock was not to be had in time: a writer is stopped or very slow" },
	};

	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].error == rc)
			return known[i].words;
	return strerror(-rc);
}

static int open_any(const struct tool *tool, int flags, struct mbshm **img, char *why)
{
	struct mbshm_config config = tool->plant->image;
	if (!(flags & MBSHM_CREATE)) {
		config.layout.span_count = 0;
		config.pool_pages = 0;
	}
	return mbshm_open(&config, flags, img, why);
}

struct mbshm *tool_open(const struct tool *tool, int flags)
{
	char why[MBSHM_WHY_SIZE];
	struct mbshm *img;
	if (open_any(tool, flags, &img, why))
		die(EXIT_FAILURE, "image %s: %s", tool->plant->image.name, why);
	if (why[0])
		log_warn("%s", why);
	return img;
}

static void reopen(const struct tool *tool, struct mbshm **img, const char *what)
{
	const char *name = tool->plant->image.name;
	struct timespec nap = { 0, RETRY_NS };
	char why[MBSHM_WHY_SIZE];
	log_info("image %s was %s", name, what);
	mbshm_close(*img);
	for (int rc; (rc = open_any(tool, 0, img, why)); nanosleep(&nap, NULL))
		if (rc != -ENOENT)
			die(EXIT_FAILURE, "image %s: %s", name, why);
}

int tool_wait(const struct tool *tool, struct mbshm **img, uint64_t version)
{
	for (;;) {
		int rc = mbshm_wait(*img, version, LOOK_MS, NULL);
		if (!rc)
			return 0;
		if (rc == -ETIMEDOUT)
			rc = mbshm_check(*img);
		if (rc == -ESTALE || rc == -ENOENT) {
			reopen(tool, img, rc == -ESTALE ? "replaced" : "removed");
			return 1;
		}
		if (rc)
			die(EXIT_FAILURE, "image %s: %s", tool->plant->image.name, tool_error(rc));
	}
}
