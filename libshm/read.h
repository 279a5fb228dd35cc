/* Reading, for the library's own files. */
#ifndef LIBSHM_READ_H
#define LIBSHM_READ_H

#include "libshm/image.h"

/* Copy a declared span as root names its pages, not validated: for the lock's owner.
 * 0, or -EBADMSG. */
int span_copy(const struct mbshm *img, uint32_t root, const struct mbshm_read *read);

/* The used words of the current root page, validated.  root: ROOT_WORDS_MAX words; version may be
 * NULL.  Errors of mbshm_read. */
int root_copy(const struct mbshm *img, uint64_t *root, uint64_t *version);

/* Do commit and the root page say what can be?  0, -EBADMSG, or other errors of mbshm_read. */
int root_check(const struct mbshm *img);

#endif
