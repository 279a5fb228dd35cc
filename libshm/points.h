/* Named points at which a test can stop or kill the process, and mistakes that a test can switch
 * on.  Compiled in only with -DMBSHM_POINTS. */
#ifndef LIBSHM_POINTS_H
#define LIBSHM_POINTS_H

/* The points of commit and recovery, in the order in which a commit passes them that takes over a
 * dead writer's lock. */
/* clang-format off */
#define MBSHM_POINT_LIST(X) \
	X(lock_taken) X(lock_stolen) X(rebuild_started) X(rebuild_half) X(rebuild_listed) \
	X(rebuild_done) X(dirty_set) X(pages_taken) X(min_valid_raised) X(page_copied) \
	X(root_half) X(root_written) X(journal_written) X(published) X(pages_returned) X(clean) \
	X(recreate_read) X(recreate_named) X(recreate_retired) X(unlocked)
/* clang-format on */

/* Mistakes of order that tear a read or lose pages on any machine.  Tests switch them on to show
 * that they would notice. */
enum mbshm_mutation {
	MUTATION_NONE,
	MUTATION_MIN_VALID_LATE,    /* raised after the pages are overwritten */
	MUTATION_MIN_VALID_MISSING, /* never raised */
	MUTATION_STAMP_LOW,         /* pages given back as if the version before had retired them */
	MUTATION_STAMP_ZERO,        /* a rebuilt free list warns nobody */
	MUTATION_NO_REBUILD,        /* a dead writer's free list is trusted */
	MUTATION_LIST_TRUSTED, /* so is everybody's: neither counted nor compared with the root */
};

#ifdef MBSHM_POINTS
extern enum mbshm_mutation mbshm_mutation;
#define MUTATED(name) (mbshm_mutation == MUTATION_##name)
extern void (*mbshm_point_hook)(const char *name);
#define POINT(name)                              \
	do {                                     \
		if (mbshm_point_hook)            \
			mbshm_point_hook(#name); \
	} while (0)
#else
#define MUTATED(name) false
#define POINT(name)   ((void)0)
#endif

#endif
