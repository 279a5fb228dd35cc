/* The name of an image: the one place that knows where segments live. */
#include "libshm/name.h"

#include "libshm/image.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

void name_path(const char *name, char path[NAME_PATH_SIZE])
{
	snprintf(path, NAME_PATH_SIZE, NAME_FOLDER "%s", name);
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
	if (st.st_dev != img->dev || st.st_ino != img->ino ||
	    commit_load(&img->seg->control) == COMMIT_RETIRED)
		return -ESTALE;
	return 0;
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
