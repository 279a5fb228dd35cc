/* All values of an image, outside of it. */
#ifndef LIBSHM_VALUES_H
#define LIBSHM_VALUES_H

#include "mbshm.h"

struct values {
	uint64_t version; /* of the image that they were taken from */
	struct mbshm_layout layout;
	size_t size_bytes;
	uint8_t *bytes; /* per span in order, padded to 8 bytes; what values_free frees */
};

/* Zeros for values->layout.  0 or -ENOMEM. */
int values_alloc(struct values *values);
void values_free(struct values *values);
/* For those in memory of their own: free that, too.  NULL is allowed. */
void values_drop(struct values *values);

/* All values of one version; under_lock: the caller owns the writer lock. */
int values_take(struct mbshm *img, bool under_lock, uint32_t timeout_us, struct values *values);

/* Publish as one version; whole: the layouts are equal (or -ENXIO), else every address in both.
 * origin: who is recorded in the journal; NULL: nobody. */
int values_publish(struct mbshm *img, const struct values *values, bool whole,
		   const struct mbshm_origin *origin, uint32_t timeout_us);

#endif
