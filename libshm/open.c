/* Opening: attach to what a name leads to, or create it first. */
#include "libshm/open.h"

#include "libshm/attach.h"
#include "libshm/create.h"
#include "libshm/descriptor.h"
#include "libshm/image.h"
#include "libshm/lost.h"
#include "libshm/name.h"
#include "libshm/read.h"
#include "libshm/saved.h"
#include "libshm/spans.h"
#include "libshm/values.h"
#include "libshm/why.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { OPEN_TRIES = 100 };

int config_check(const struct mbshm_config *config, int flags, char *why)
{
	const char *name = config->name;
	unsigned live;
	if (!memchr(name, '\0', MBSHM_NAME_SIZE) || name[0] != '/' || !name[1] ||
	    strchr(name + 1, '/') || !strcmp(name, "/.") || !strcmp(name, "/.."))
		return why_set(
			why, -EINVAL,
			"bad image name; expected \"/NAME\" with one slash, at most %d characters",
			MBSHM_NAME_SIZE - 1);
	if (layout_check(&config->layout, why))
		return -EINVAL;
	if (!(flags & MBSHM_CREATE))
		return 0;
	if (strlen(name) > MBSHM_NAME_NEW)
		return why_set(why, -EINVAL,
			       "image name of %zu characters; expected at most %d, so that a file "
			       "beside it can be named after it",
			       strlen(name), MBSHM_NAME_NEW);
	live = mbshm_layout_pages(&config->layout);
	if (!live)
		return why_set(why, -EINVAL, "an image without ranges cannot be created");
	if (config->pool_pages &&
	    (config->pool_pages < MBSHM_POOL_MIN || config->pool_pages > MBSHM_POOL_MAX ||
	     config->pool_pages < 2 * (live + 1)))
		return why_set(why, -EINVAL,
			       "pool of %u pages; expected %u..%d: two for each of %u live pages "
			       "and the root",
			       config->pool_pages,
			       2 * (live + 1) > MBSHM_POOL_MIN ? 2 * (live + 1) : MBSHM_POOL_MIN,
			       MBSHM_POOL_MAX, live);
	if (config->mode & ~0775u || (config->mode & 0600) != 0600)
		return why_set(why, -EINVAL,
			       "mode %04o; expected the owner's read and write, and nothing for "
			       "others but reading",
			       (unsigned)config->mode);
	return 0;
}

/* replace: over what is left of a damaged one. */
static int create_filled(const struct mbshm_config *config, bool replace, char *why)
{
	char refused[MBSHM_WHY_SIZE] = "";
	struct values values;
	int rc = config->retain ? saved_load(config->retain, &values, refused) : -ENOENT;
	if (!rc) {
		rc = image_create(config, &values, NULL, replace, why);
		values_free(&values);
		if (rc == -EEXIST) /* another creator was faster, which is no failure */
			why_clear(why);
		return rc;
	}
	/* Only a damaged file is moved aside; one that cannot be read now may still be good. */
	if (rc == -EBADMSG)
		saved_refuse(config->retain, refused);
	else if (rc == -ENOENT)
		refused[0] = 0; /* nothing saved yet */
	else
		return why_set(why, rc, "%s", refused);
	rc = image_create(config, NULL, NULL, replace, why);
	if (!rc || rc == -EEXIST)
		why_set(why, 0, "%s", refused);
	return rc;
}

/* Create the image in the place of fd's, which is damaged.  0, and the warning unless another
 * process has done it; or -errno and why. */
static int replace(const struct mbshm_config *config, const char *path, int fd, char *why)
{
	char reason[MBSHM_WHY_SIZE];
	struct stat opened, named;
	int rc = fstat(fd, &opened) ? -errno : lost_lock(fd);
	if (rc == -EAGAIN)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL); /* it is soon done */
	if (rc)
		return rc == -EAGAIN ? 0 : why_set(why, rc, "%s", strerror(-rc));
	if (lstat(path, &named) || named.st_dev != opened.st_dev || named.st_ino != opened.st_ino)
		return 0;
	name_keep_aside(config->name);
	rc = create_filled(config, true, reason);
	if (rc)
		return why_set(why, rc, "%s", reason);
	return why_set(why, 0,
		       "the image was damaged (it had %lld bytes) and was created again%s%s",
		       (long long)opened.st_size, reason[0] ? "; " : "", reason);
}

/* The same for one that cannot be opened.  1: it is nothing to be replaced. */
static int replace_rest(const struct mbshm_config *config, const char *path, char *why)
{
	int fd = descriptor_open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return 1;
	int rc = lost_is_rest(fd) ? replace(config, path, fd, why) : 1;
	close(fd);
	return rc;
}

/* Attach to what the name leads to; create it first when it leads nowhere. */
static int name_open(const struct mbshm_config *config, int flags, struct mbshm **out, char *why)
{
	char path[NAME_PATH_SIZE], reason[MBSHM_WHY_SIZE];
	name_path(config->name, path);
	for (int tries = 0; tries < OPEN_TRIES; tries++) {
		int rc = handle_make(path, O_NOFOLLOW, config, flags, out, reason);
		if (!(flags & MBSHM_CREATE) || (rc != -ENOENT && rc != -EBADMSG))
			return rc ? why_set(why, rc, "%s", reason) : 0;
		if (rc == -EBADMSG)
			rc = replace_rest(config, path, why);
		else
			rc = create_filled(config, false, why);
		if (rc == 1)
			return why_set(why, -EBADMSG, "%s", reason);
		if (rc && rc != -EEXIST && rc != -EAGAIN)
			return rc;
	}
	return why_set(why, -EEXIST, "the name keeps appearing and disappearing");
}

/* Overwritten, and of this user or root, so that we may put another in its place. */
static bool is_replaceable(const struct mbshm *img)
{
	return (img->owner == geteuid() || img->owner == 0) && mbshm_check(img) == -EBADMSG;
}

int mbshm_open(const struct mbshm_config *config, int flags, struct mbshm **out, char *why)
{
	char path[NAME_PATH_SIZE];
	int rc;
	*out = NULL;
	why_clear(why);
	if (flags & MBSHM_CREATE)
		flags |= MBSHM_WRITE;
	rc = config_check(config, flags, why);
	name_path(config->name, path);
	for (int tries = 0; !rc && tries < OPEN_TRIES; tries++) {
		rc = name_open(config, flags, out, why);
		if (rc)
			return rc;
		if (flags & MBSHM_CREATE && is_replaceable(*out))
			rc = replace(config, path, (*out)->fd, why);
		else if (commit_load(&(*out)->seg->control) != COMMIT_RETIRED)
			return 0;
		rc = rc == -EEXIST ? 0 : rc; /* another creator was faster */
		mbshm_close(*out);           /* replaced between open and now */
		*out = NULL;
	}
	return rc ? rc : why_set(why, -ESTALE, "the image is retired but still has the name");
}
