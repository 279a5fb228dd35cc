/* The list of free pages.  Every function runs under the writer lock. */
#ifndef LIBSHM_FREELIST_H
#define LIBSHM_FREELIST_H

#include "libshm/image.h"

/* Build the list again from the root that commit names.  0, or -EBADMSG (root damaged). */
int freelist_rebuild(struct mbshm *img, uint64_t commit);

/* Word i of the root that is committed is not the one in img->known. */
void freelist_note(struct mbshm *img, unsigned i, uint64_t word);

/* Take count pages; *stamp becomes the highest version that retired one of them.  img->known is the
 * root that commit names.
 * 0, or -EBADMSG: the list is damaged; nothing was taken. */
int freelist_take(struct mbshm *img, uint64_t commit, unsigned count, uint16_t *pages,
		  uint64_t *stamp);

/* Give back the pages that version retired. */
void freelist_give(struct mbshm *img, uint64_t version, const uint16_t *pages, unsigned count);

#endif
