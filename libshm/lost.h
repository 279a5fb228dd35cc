/* Segments that another process has truncated or overwritten: noticed, and replaced by one at a
 * time. */
#ifndef LIBSHM_LOST_H
#define LIBSHM_LOST_H

#include "mbshm.h"

/* Does the segment lack bytes, or did it so that they are zero now?  Touches no byte that it may
 * lack. */
bool segment_damaged(const struct mbshm *img);

/* Of one that has all its bytes: is its header not as it was, so that nobody can open it, or is
 * what commit and the root page say impossible, so that nobody can read it? */
bool segment_overwritten(const struct mbshm *img);

/* Is the open file, which cannot be opened as an image, what is left of one of this user or root:
 * of another size than its header says, without a header, or with an overwritten one? */
bool lost_is_rest(int fd);

/* Become the one process that replaces the damaged segment of that file, until it is closed or
 * unlocked.  Needs write permission.  0, or -EAGAIN: another is doing it. */
int lost_lock(int fd);
void lost_unlock(int fd);

#endif
