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

enum { POOL_SET_BYTES = (MBSHM_POOL_MAX + 8) / 8 };

/* Mark the root page, and those that it names, in a set of pages (POOL_SET_BYTES, empty before).
 * Not validated.  0, or -EBADMSG: a page outside the pool, or twice the same. */
int root_mark(const struct mbshm *img, uint32_t root, uint8_t *used);

/* Do commit and the root page say what can be?  0, -EBADMSG, or other errors of mbshm_read. */
int root_check(const struct mbshm *img);

#endif
