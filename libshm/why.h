/* The reason of a failure, as a sentence for people.  why: MBSHM_WHY_SIZE bytes, or NULL. */
#ifndef LIBSHM_WHY_H
#define LIBSHM_WHY_H

/* Write the sentence; returns error, so that a failure is one statement. */
int why_set(char *why, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

void why_clear(char *why);

#endif
