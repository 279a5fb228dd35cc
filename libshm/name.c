/* The name of an image: the one place that knows where segments live. */
#include "libshm/name.h"

#include "libshm/descriptor.h"
#include "libshm/header.h"
#include "libshm/image.h"
#include "libshm/lost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void name_path(const char *name, char path[NAME_PATH_SIZE])
{
	snprintf(path, NAME_PATH_SIZE, NAME_FOLDER "%s", name);
}

void name_keep_aside(const char *name)
{
	char path[NAME_PATH_SIZE], aside[NAME_PATH_SIZE + 16];
	name_path(name, path);
	snprintf(aside, sizeof aside, NAME_FOLDER "/.%s.damaged", name + 1);
	unlink(aside);
	if (link(path, aside))
		return; /* the new image matters more */
}

/* Any user can put a file under a free name, so a stranger's counts for nothing. */
static bool is_image(const char *path, gid_t group)
{
	struct segment_header header;
	struct mbshm_layout layout;
	struct stat st;
	int fd = descriptor_open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool is = !header_read(fd, group, &header, &layout, &st, NULL);
	close(fd);
	return is;
}

static bool is_segment(const struct mbshm *img, const struct stat *st)
{
	return st->st_dev == img->dev && st->st_ino == img->ino;
}

int mbshm_check(const struct mbshm *img)
{
	char path[NAME_PATH_SIZE];
	struct stat st;
	if (handle_dead(img))
		return -EPERM;
	name_path(img->name, path);
	if (lstat(path, &st))
		return -errno;
	if (!is_segment(img, &st))
		return is_image(path, img->accepted) ? -ESTALE : -EBUSY;
	if (segment_damaged(img) || segment_overwritten(img))
		return -EBADMSG;
	if (commit_load(&img->seg->control) != COMMIT_RETIRED)
		return 0;
	/* It is retired once another has the name, so that is seen now; or somebody overwrote it.
	 */
	return lstat(path, &st) || !is_segment(img, &st) ? -ESTALE : -EBADMSG;
}

int mbshm_stat(const char *name, struct stat *st)
{
	char path[NAME_PATH_SIZE];
	name_path(name, path);
	return lstat(path, st) ? -errno : 0;
}

int mbshm_unlink(const char *name)
{
	return shm_unlink(name) ? -errno : 0;
}
