/* Named producers. */
#ifndef LIBSHM_SOURCE_H
#define LIBSHM_SOURCE_H

#include "libshm/image.h"

/* This handle has just published version: note it at the source that it claimed, if any. */
void source_refresh(struct mbshm *img, uint64_t version);

/* This handle has just got its slot, so whoever held sources by it is dead. */
void sources_leave(struct mbshm *img);

/* Copy an entry into an image that nobody else can see yet; nobody holds it there. */
void source_copy(struct segment_source *to, const struct segment_source *from);

#endif
