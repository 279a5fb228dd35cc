/* Declared spans: which addresses an image has.  The public half is in mbshm.h (mbshm_layout_*). */
#ifndef LIBSHM_SPANS_H
#define LIBSHM_SPANS_H

#include "mbshm.h"

/* Are they sorted, apart and inside their tables?  Readers rely on it.  0, or -EINVAL and why. */
int layout_check(const struct mbshm_layout *layout, char *why);

bool layout_equal(const struct mbshm_layout *a, const struct mbshm_layout *b);

/* "coil 0-99; holding 1000-1099", cut with "..." when it does not fit. */
void layout_text(const struct mbshm_layout *layout, char *text, size_t size);

#endif
