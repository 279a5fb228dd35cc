/* Waiting for a version. */
#ifndef LIBSHM_WAIT_H
#define LIBSHM_WAIT_H

#include "libshm/image.h"

/* After a publish: wake everybody who waits. */
void wait_wake(struct mbshm *img);

#endif
