/* Named producers. */
#ifndef LIBSHM_SOURCE_H
#define LIBSHM_SOURCE_H

#include "libshm/image.h"

/* This handle has just published version: note it at the source that it claimed, if any. */
void source_refresh(struct mbshm *img, uint64_t version);

#endif
