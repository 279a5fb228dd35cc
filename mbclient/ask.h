/* Questions and answers: prompt, one line of input, one number out of it.
 *
 * After a wrong answer the program prints what it expected and asks again. */
#ifndef MBCLIENT_ASK_H
#define MBCLIENT_ASK_H

#include <stdbool.h>

/* A question, and the numbers that answer it. */
struct question {
	const char *prompt; /* without the ": " */
	double low, high;   /* both included */
	bool whole;         /* no fraction */
};

enum ask_result {
	ASK_ANSWER,
	ASK_WRONG,     /* ask_parse only */
	ASK_END,       /* the input has ended, or cannot be read */
	ASK_INTERRUPT, /* Ctrl-C */
};

enum { ASK_LINE_MAX = 255 }; /* characters of an answer; longer ones are wrong */

/* Is text a decimal number (digits, and a fraction unless whole; blanks around it) within the
 * limits?  Pure. */
enum ask_result ask_parse(const struct question *question, const char *text, double *answer);

/* Ask on standard output until standard input has an answer.  ASK_ANSWER, ASK_END or ASK_INTERRUPT.
 */
enum ask_result ask(const struct question *question, double *answer);

#endif
