/* Views: spans of the image, read from one version. */
#ifndef MBSHM_VIEW_H
#define MBSHM_VIEW_H

#include "mbshm/tool.h"

struct view {
	unsigned count;
	struct mbshm_read reads[MBSHM_SPANS_MAX]; /* out: the view's, malloc'd */
	uint64_t version;
	int64_t wall_ns; /* when it was read */
};

/* The three make a view without values, which view_free frees.  They die on an error. */

/* The addresses in words; from one that is not a range, count values (0: one) of --type. */
void view_take(const struct tool *tool, char **words, uint32_t count, struct view *view);
/* All that the image declares. */
void view_whole(const struct mbshm *img, struct view *view);
/* The spans of another view. */
void view_copy(const struct view *view, struct view *copy);

void view_free(struct view *view);

/* Read the values and their version.  Dies if they cannot be read. */
void view_read(const struct tool *tool, struct mbshm *img, struct view *view);

/* Have two views of the same spans the same values? */
bool view_same(const struct view *a, const struct view *b);

enum { TIME_TEXT_SIZE = 48 };

/* A moment of the wall clock, in UTC: 2026-01-31T12:00:00.123Z. */
void time_text(int64_t wall_ns, char text[TIME_TEXT_SIZE]);

/* The fields of view_print: with the time first for streams, or without. */
extern const struct field view_fields_timed[];
#define view_fields (view_fields_timed + 1)

/* Print a record per value.  last: only values that differ from last's; NULL: all. */
void view_print(const struct tool *tool, struct output *output, const struct view *view,
		const struct view *last);

#endif
