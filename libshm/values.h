/* Inside of libmbshm: all values of an image, outside of it. */
#ifndef LIBSHM_VALUES_H
#define LIBSHM_VALUES_H

#include "libshm/image.h"

struct values {
	uint64_t version; /* they had */
	struct mbshm_layout layout;
	size_t size_bytes;
	uint8_t *bytes; /* per span in order, padded to 8 bytes; what values_free frees */
};

void values_free(struct values *values);

/* All values of one version; under_lock: the caller owns the writer lock. */
int values_take(struct mbshm *img, bool under_lock, uint32_t timeout_us, struct values *values);

/* Publish as one version; whole: the layouts are equal, else every address in both. */
int values_publish(struct mbshm *img, const struct values *values, bool whole, uint32_t timeout_us);

/* Read and check a file. */
int values_load(const char *path, struct values *values, char *why);

/* Create the image of config, filled from its retain file.  0, -EEXIST (somebody else did), ... */
int values_create(const struct mbshm_config *config, char *why);

/* create.c: a complete image under its name.  seed: NULL for zeros at version 1; old: whose journal
 * goes on, or NULL; replace: over an existing name (the caller owns that image's writer lock), else
 * -EEXIST. */
int image_create(const struct mbshm_config *config, const struct values *seed,
		 const struct mbshm *old, bool replace, char *why);

#endif
