/* Named points of commit and recovery at which a test can stop or kill the process.  Compiled in only with -DMBSHM_POINTS. */
#ifndef POINTS_H
#define POINTS_H

/* In the order in which a commit that had to take over a dead writer's lock passes them. */
#define MBSHM_POINT_LIST(X) \
	X(lock_taken) X(lock_stolen) X(rebuild_started) X(rebuild_half) X(rebuild_listed) X(rebuild_done) \
	X(dirty_set) X(pages_taken) X(min_valid_raised) X(page_copied) X(root_half) X(root_written) X(journal_written) X(published) \
	X(pages_returned) X(clean) X(recreate_read) X(recreate_named) X(recreate_retired) X(unlocked)

#ifdef MBSHM_POINTS
extern void (*mbshm_point_hook)(const char *name);
#define POINT(name) do { if (mbshm_point_hook) mbshm_point_hook(#name); } while (0)
#else
#define POINT(name) ((void)0)
#endif

#endif
