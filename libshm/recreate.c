/* Giving a running image another segment, because its layout changes or its name was removed.
 *
 * The order of steps makes every instruction a safe one to die at: lock the old image, build and
 * fill the new one, give it the name, retire the old one, unlock.  A process that dies after it has
 * given the name leaves a lock behind; the next owner of that lock sees that the name leads
 * elsewhere, and retires the image (lock.c). */
#include "libshm/create.h"
#include "libshm/image.h"
#include "libshm/lock.h"
#include "libshm/open.h"
#include "libshm/values.h"
#include "libshm/wait.h"
#include "libshm/why.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Under the lock: tell all attached processes to open again. */
static void retire(struct mbshm *img)
{
	commit_retire(&img->seg->control);
	POINT(recreate_retired);
	wait_wake(img);
}

static const char REPLACED[] = "another process has just replaced the image";

static int lock_failed(int rc, char *why)
{
	return rc == -ESTALE ? why_set(why, rc, REPLACED)
			     : why_set(why, rc, "could not get the writer lock in time");
}

static int replace_locked(struct mbshm *old, const struct mbshm_config *config, bool over,
			  char *why)
{
	struct values values;
	int rc = values_take(old, true, 0, &values);
	if (rc)
		return why_set(why, rc, "cannot read the old image: %s", strerror(-rc));
	POINT(recreate_read);
	rc = image_create(config, &values, old, over, why);
	POINT(recreate_named);
	values_free(&values);
	/* Also if another process took the free name first: no process may continue to write into
	 * an image without a name. */
	if (!rc || (rc == -EEXIST && !over))
		retire(old);
	return rc;
}

int mbshm_recreate(const struct mbshm_config *config, uint32_t timeout_us, char *why)
{
	struct mbshm_config any = *config;
	struct mbshm *old;
	int rc, released;
	any.layout.span_count = 0;
	any.pool_pages = 0;
	rc = mbshm_open(&any, MBSHM_WRITE, &old, why);
	if (rc)
		return rc;
	rc = config_check(config, MBSHM_CREATE, why);
	if (!rc && geteuid() != 0 && geteuid() != old->owner)
		rc = why_set(why, -EPERM,
			     "the image belongs to user %u; only its owner and root may replace it",
			     (unsigned)old->owner);
	if (!rc) {
		rc = lock_take(old, timeout_us);
		if (rc)
			lock_failed(rc, why);
	}
	if (!rc) {
		/* It may have been replaced while we waited for the lock. */
		rc = mbshm_check(old);
		rc = rc ? why_set(why, rc, REPLACED) : replace_locked(old, config, true, why);
		released = lock_release(old);
		rc = rc ? rc : released;
	}
	mbshm_close(old);
	return rc;
}

int mbshm_revive(struct mbshm *img, const struct mbshm_config *config, uint32_t timeout_us,
		 char *why)
{
	int rc, released;
	if (handle_dead(img))
		return -EPERM;
	if (!img->writable)
		return why_set(why, -EACCES, "attached for reading only");
	rc = config_check(config, MBSHM_CREATE, why);
	if (rc)
		return rc;
	rc = lock_take(img, timeout_us);
	if (rc)
		return lock_failed(rc, why);
	rc = mbshm_check(img);
	if (rc == -ENOENT)
		rc = replace_locked(img, config, false, why);
	else if (!rc)
		rc = why_set(why, -EEXIST, "the name leads to this image");
	else if (rc == -ESTALE)
		retire(img); /* a new one has the name, so no process may write into this one */
	released = lock_release(img);
	return rc ? rc : released;
}
