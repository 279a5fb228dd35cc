/* Following an image: the name in a plant leads to one image today and perhaps to another tomorrow.
 * A program that runs for long holds a struct follow for each image, and each second does:
 *
 *	if (follow_check(&old) == FOLLOW_REOPEN) {
 *		plant_reload(...);                      the plant may have changed, too
 *		follow_open(&new, &plant->image, flags);
 *		... publish new, wait for the readers of old ...
 *		follow_close(&old);
 *	}
 *
 * old and new may be the same struct when nobody else uses the handle: close, then open.
 *
 * One thread calls these functions.  Other threads may use the handle, until follow_close. */
#ifndef PROGRAM_FOLLOW_H
#define PROGRAM_FOLLOW_H

#include "base/log.h"
#include "mbshm.h"

struct follow {
	/* Set by open. */
	struct mbshm *img;                 /* NULL: it could not be opened */
	const struct mbshm_config *config; /* the caller's; in use until close */
	int flags;

	/* Changed by check. */
	char why[MBSHM_WHY_SIZE]; /* why there is no image, or why it cannot be created again */
	bool lost;                /* the name does not lead to img; was logged */
	unsigned left_to_others;  /* looks at a missing name since ours was replaced */
	struct log_once trouble;
};

/* Open the image (flags: of mbshm_open).  What mbshm_open remarks on when it succeeds is logged.
 * follow: zeroed, or closed.  0, or the error of mbshm_open, follow->why and a NULL handle. */
int follow_open(struct follow *follow, const struct mbshm_config *config, int flags);

/* NULL handles are fine. */
void follow_close(struct follow *follow);

enum follow_state {
	FOLLOW_SAME,   /* the name leads to our image */
	FOLLOW_LOST,   /* it leads to no image, and ours cannot be created again yet (why): keep the
			  handle, which has the only copy of the values */
	FOLLOW_REOPEN, /* it leads to another image, or there is no handle: open */
};

/* Look where the name leads: once a second, and before a reload.  One that was opened with
 * MBSHM_CREATE also saves the values: when the name is gone, they get a new image under it; when it
 * leads to another image, the others who are still on ours are told; when another process has
 * damaged the segment, those of the last look (or of follow_open) do.  Logs a loss once, and why
 * the image cannot be created again whenever the reason changes.  Waits at most 0.1 s. */
enum follow_state follow_check(struct follow *follow);

/* Log that the image could not be opened again, once until the reason changes.  meanwhile: what the
 * program does until then ("making no steps").  why: follow->why, or the plant file's error. */
void follow_report(struct follow *follow, const char *meanwhile, const char *why);

/* Of two for the same name: does new lead to another image than old, or to none for another reason
 * than old? */
bool follow_changed(const struct follow *old, const struct follow *new);

#endif
