/* Segments that another process has truncated: noticed, and replaced by one at a time. */
#ifndef LIBSHM_LOST_H
#define LIBSHM_LOST_H

#include "mbshm.h"

/* Does the segment lack bytes, or did it so that they are zero now?  Touches no byte that it may
 * lack. */
bool segment_damaged(const struct mbshm *img);

/* Is the open file what truncation leaves of an image of this user or root: of another size than
 * its header says, or without a header? */
bool lost_is_rest(int fd);

/* Become the one process that replaces the damaged segment of that file, until it is closed or
 * unlocked.  Needs write permission.  0, or -EAGAIN: another is doing it. */
int lost_lock(int fd);
void lost_unlock(int fd);

#endif
