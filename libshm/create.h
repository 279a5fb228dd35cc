/* Creation of a segment. */
#ifndef LIBSHM_CREATE_H
#define LIBSHM_CREATE_H

#include "libshm/values.h"

/* Make a complete image and give it its name.  seed: NULL for zeros at version 1.  old: the image
 * whose journal and sources continue, or NULL.  replace: over an existing name (the caller owns
 * that image's writer lock); otherwise a taken name is -EEXIST.  0, or -errno and why. */
int image_create(const struct mbshm_config *config, const struct values *seed,
		 const struct mbshm *old, bool replace, char *why);

#endif
