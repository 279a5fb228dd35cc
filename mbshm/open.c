/* Opening the image, waiting for its next version, and errors in words. */
#include "mbshm/open.h"

#include "program/follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LOOK_MS = 1000,               /* does the name still lead to this image? */
	RETRY_NS = 200 * 1000 * 1000, /* does it lead to one again? */
};

const char *tool_error(int rc)
{
	static const struct {
		int error;
		const char *words;
	} known[] = {
		{ -ERANGE, "not declared by the image (\"mbshm info\" lists what is)" },
		{ -EAGAIN, "overtaken by writers at every attempt; try again" },
		{ -ESTALE, "the image was replaced just now; try again" },
		{ -EBADMSG, "the image is damaged" },
		{ -ETIMEDOUT,
		  "could not get the writer lock in time: a writer is stopped or very slow" },
	};
	for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
		if (known[i].error == rc)
			return known[i].words;
	return strerror(-rc);
}

void tool_die(const struct tool *tool, int rc)
{
	die(EXIT_FAILURE, "image %s: %s", tool->plant->image.name, tool_error(rc));
}

void tool_flush(void)
{
	int rc = output_flush(stdout);
	if (rc)
		die(EXIT_FAILURE, "cannot write to stdout: %s", strerror(-rc));
}

/* Without MBSHM_CREATE any layout will do. */
static struct mbshm_config wanted_config(const struct tool *tool, int flags)
{
	struct mbshm_config config = tool->plant->image;
	if (!(flags & MBSHM_CREATE)) {
		config.layout.span_count = 0;
		config.pool_pages = 0;
	}
	return config;
}

struct mbshm *tool_open(const struct tool *tool, int flags)
{
	const struct mbshm_config config = wanted_config(tool, flags);
	struct follow follow = { 0 };
	int rc = follow_open(&follow, &config, flags);
	if (rc)
		die(EXIT_FAILURE, "image %s: %s%s", config.name, follow.why,
		    rc == -ENOENT && tool->plant->built_in
			    ? " (of the built-in plant; expected --plant FILE for another)"
			    : "");
	return follow.img;
}

/* Wait until the name leads to an image again. */
static void reopen(struct follow *follow)
{
	const struct timespec nap = { 0, RETRY_NS };
	follow_close(follow);
	for (int rc; (rc = follow_open(follow, follow->config, 0)); nanosleep(&nap, NULL))
		if (rc != -ENOENT)
			die(EXIT_FAILURE, "image %s: %s", follow->config->name, follow->why);
}

int tool_wait(const struct tool *tool, struct mbshm **img, uint64_t version)
{
	const struct mbshm_config config = wanted_config(tool, 0);
	struct follow follow = { .img = *img, .config = &config };
	for (;;) {
		int rc = mbshm_wait(*img, version, LOOK_MS, NULL);
		if (!rc)
			return 0;
		if (rc != -ETIMEDOUT && rc != -ESTALE)
			tool_die(tool, rc);
		if (follow_check(&follow) == FOLLOW_SAME)
			continue;
		reopen(&follow);
		*img = follow.img;
		return 1;
	}
}

struct mbshm_origin tool_origin(void)
{
	struct mbshm_origin origin = { .kind = MBSHM_ORIGIN_LOCAL, .family = AF_UNIX };
	const uid_t user = getuid();
	memcpy(origin.address, &user, sizeof user);
	return origin;
}
