/* Opening: attach to what a name leads to, or create it first.  mbshm_open is public. */
#ifndef LIBSHM_OPEN_H
#define LIBSHM_OPEN_H

#include "mbshm.h"

/* May this be opened with these flags (MBSHM_CREATE: created)?  0, or -EINVAL and why. */
int config_check(const struct mbshm_config *config, int flags, char *why);

#endif
