/* The writer lock of an image, and the slots that its owners are known by. */
#ifndef LIBSHM_LOCK_H
#define LIBSHM_LOCK_H

#include "libshm/image.h"

/* Take a free writer slot for the handle's lifetime.  0, -EUSERS (all taken), or -errno and why. */
int slot_claim(struct mbshm *img, char *why);

/* Does a process, other than by this handle, have that slot (0..SEGMENT_SLOTS - 1)? */
bool slot_alive(const struct mbshm *img, unsigned slot);

/* Wait for the lock, at most timeout_us; commits of one handle queue.  A dead owner's lock is taken
 * over.  0, -EPERM (after fork), -EACCES (handle not writable), -ETIMEDOUT, -ESTALE (image
 * retired). */
int lock_take(struct mbshm *img, uint32_t timeout_us);

/* By the owner.  0, or -EBADMSG: somebody else had it too, mutual exclusion was broken. */
int lock_release(struct mbshm *img);

#endif
