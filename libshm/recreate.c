/* Giving a running image another segment, because its layout changes or its name was removed.
 *
 * The order of steps makes every instruction a safe one to die at: lock the old image, build and
 * fill the new one, give it the name, retire the old one, unlock.  A process that dies after it has
 * given the name leaves a lock behind; the next owner of that lock sees that the name leads
 * elsewhere, and retires the image (lock.c). */
#include "libshm/create.h"
#include "libshm/image.h"
#include "libshm/lock.h"
#include "libshm/lost.h"
#include "libshm/name.h"
#include "libshm/open.h"
#include "libshm/read.h"
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
	if (rc == -EEXIST && !over) { /* something else took the free name first */
		rc = mbshm_check(old);
		rc = rc ? rc : -EEXIST;
	}
	/* Also if it was an image: no process may continue to write into one without a name. */
	if (!rc || rc == -ESTALE)
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
		if (rc)
			why_set(why, rc, rc == -EBADMSG ? "the image is damaged" : REPLACED);
		else
			rc = replace_locked(old, config, true, why);
		released = lock_release(old);
		rc = rc ? rc : released;
	}
	mbshm_close(old);
	return rc;
}

/* The segment is damaged: make the new one from the kept copy.  Its versions begin above all
 * that can have been published since the copy was made, at 10 million a second. */
static int replace_lost(struct mbshm *img, const struct mbshm_config *config, bool over, char *why)
{
	enum { SKIPPED_VERSIONS = 100 * 1000 * 1000 };
	if (!img->kept)
		return why_set(why, -EBADMSG, "the segment is damaged, and no copy was kept");
	struct values values = *img->kept;
	values.version += SKIPPED_VERSIONS;
	if (over)
		name_keep_aside(config->name);
	return image_create(config, &values, img, over, why);
}

static int revive_lost(struct mbshm *img, const struct mbshm_config *config, char *why)
{
	int rc = lost_lock(img->fd);
	if (rc)
		return why_set(why, rc, "another process is replacing the damaged image");
	rc = mbshm_check(img);
	if (rc == -EBADMSG || rc == -ENOENT)
		rc = replace_lost(img, config, rc == -EBADMSG, why);
	else
		rc = why_set(why, rc, REPLACED);
	lost_unlock(img->fd);
	return rc;
}

/* Or retired although the name leads to it. */
static bool is_unreadable(const struct mbshm *img)
{
	return segment_damaged(img) || root_check(img) == -EBADMSG ||
	       (commit_load(&img->seg->control) == COMMIT_RETIRED && mbshm_check(img) == -EBADMSG);
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
	if (is_unreadable(img))
		return revive_lost(img, config, why);
	rc = lock_take(img, timeout_us);
	if (rc)
		return lock_failed(rc, why);
	rc = mbshm_check(img);
	bool over = rc == -EBADMSG; /* its header alone: the values are there */
	if (over)
		name_keep_aside(config->name);
	if (over || rc == -ENOENT)
		rc = replace_locked(img, config, over, why);
	else if (!rc)
		rc = why_set(why, -EEXIST, "the name leads to this image");
	else if (rc == -ESTALE)
		retire(img); /* a new one has the name, so no process may write into this one */
	if (rc == -EBUSY)
		why_set(why, rc, "another file has the name");
	released = lock_release(img);
	return rc ? rc : released;
}
