/* Waiting for a version. */
#ifndef LIBSHM_WAIT_H
#define LIBSHM_WAIT_H

#include "libshm/image.h"

/* After a publish, or after the image was retired: wake all that wait. */
void wait_wake(struct mbshm *img);

#endif
