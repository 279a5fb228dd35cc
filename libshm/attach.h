/* A handle on a segment file that exists. */
#ifndef LIBSHM_ATTACH_H
#define LIBSHM_ATTACH_H

#include "mbshm.h"

/* Attach to the segment at path.  follow: O_NOFOLLOW or 0.  flags: MBSHM_WRITE or 0.
 * 0 and *img (mbshm_close), or the errors of mbshm_open and why. */
int handle_make(const char *path, int follow, const struct mbshm_config *config, int flags,
		struct mbshm **img, char *why);

/* Call found for the handle whose mapping has that address.  false: none has, or found returned
 * false.  Also for a handler of SIGBUS: whoever holds the mutex inside touches no segment, so the
 * thread that faulted does not hold it. */
bool handle_at(const void *address, bool (*found)(struct mbshm *img));

#endif
