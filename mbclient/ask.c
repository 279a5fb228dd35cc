/* Lines from standard input, and numbers out of them. */
#include "mbclient/ask.h"

#include "mbclient/wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a number out of a line ---------------------------------------------------------------- */

enum ask_result ask_parse(const struct question *question, const char *text, double *answer)
{
	static const char digits[] = "0123456789", blanks[] = " \t\r";
	text += strspn(text, blanks);
	size_t whole = strspn(text, digits), length = whole;
	if (!question->whole && text[length] == '.')
		length += 1 + strspn(text + length + 1, digits);
	if (whole == 0 || text[length + strspn(text + length, blanks)] != '\0')
		return ASK_WRONG;
	/* The text is known to be plain digits: strtod cannot read anything else into it. */
	*answer = strtod(text, NULL);
	return *answer >= question->low && *answer <= question->high ? ASK_ANSWER : ASK_WRONG;
}

/* ---- a line -------------------------------------------------------------------------------- */

/* Standard input.  Not stdio: poll does not see what stdio has buffered. */
static struct {
	char bytes[4096];
	size_t start, end;
} input;

static enum ask_result fill(void)
{
	if (wait_until(STDIN_FILENO, POLLIN, WAIT_FOREVER) == WAIT_INTERRUPT)
		return ASK_INTERRUPT;
	ssize_t n = read(STDIN_FILENO, input.bytes, sizeof input.bytes);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		n = 0;
	else if (n <= 0)
		return ASK_END;
	input.start = 0;
	input.end = (size_t)n;
	return ASK_ANSWER;
}

/* The next line without its newline; of one that is too long, the beginning and one character too
 * many.  The end of the input ends a line too. */
static enum ask_result read_line(char line[ASK_LINE_MAX + 2])
{
	size_t length = 0;
	for (;;) {
		while (input.start < input.end) {
			char c = input.bytes[input.start++];
			if (c == '\n') {
				line[length] = '\0';
				return ASK_ANSWER;
			}
			if (length <= ASK_LINE_MAX)
				/* A NUL would end the text: make it wrong instead. */
				line[length++] = c ? c : '?';
		}
		enum ask_result result = fill();
		if (result == ASK_ANSWER)
			continue;
		line[length] = '\0';
		return result == ASK_END && length ? ASK_ANSWER : result;
	}
}

/* ---- question and answer ------------------------------------------------------------------- */

static void say_expected(const struct question *question, const char *line)
{
	if (strlen(line) > ASK_LINE_MAX)
		printf("The line is too long");
	else if (line[strspn(line, " \t\r")] == '\0')
		printf("Nothing was entered");
	else
		printf("That does not fit");
	printf(": expected a %s from %.15g to %.15g.\n",
	       question->whole ? "whole number" : "number", question->low, question->high);
}

enum ask_result ask(const struct question *question, double *answer)
{
	for (;;) {
		printf("%s: ", question->prompt);
		fflush(stdout);
		char line[ASK_LINE_MAX + 2];
		enum ask_result result = read_line(line);
		if (result != ASK_ANSWER)
			return result;
		if (strlen(line) <= ASK_LINE_MAX && ask_parse(question, line, answer) == ASK_ANSWER)
			return ASK_ANSWER;
		say_expected(question, line);
	}
}
