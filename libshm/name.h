/* The name of an image: the one place that knows where segments live. */
#ifndef LIBSHM_NAME_H
#define LIBSHM_NAME_H

#include "mbshm.h"

#define NAME_FOLDER "/dev/shm" /* shm_overview(7) */
enum { NAME_PATH_SIZE = sizeof NAME_FOLDER + MBSHM_NAME_SIZE };

/* The file behind a name. */
void name_path(const char *name, char path[NAME_PATH_SIZE]);

/* The longest of the names beside it. */
_Static_assert(MBSHM_NAME_NEW - 1 + sizeof ".damaged" <= 255, ".NAME.damaged fits NAME_MAX");

/* Keep the file that the name leads to as /.NAME.damaged too, instead of an older one; best effort.
 */
void name_keep_aside(const char *name);

#endif
