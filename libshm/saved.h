/* A file of saved values. */
#ifndef LIBSHM_SAVED_H
#define LIBSHM_SAVED_H

#include "libshm/values.h"

/* Read and check a file.  0 and *values (values_free), or why and -ENOENT, -EACCES, -EINVAL (no
 * regular file), ... (cannot be read) or -EBADMSG (damaged). */
int saved_load(const char *path, struct values *values, char *why);

/* If the file is damaged, rename it to FILE.refused, or if that is taken to FILE.refused.1 to .9,
 * and add that to why.  A program may not be allowed to: then the next one that saves does it,
 * before it would overwrite the file. */
void saved_refuse(const char *path, char *why);

#endif
