/* The text of a plant file: read with its @include files, made safe for libconfig, parsed, and
 * every place in it known by file and line.
 *
 * libconfig 1.5 is the parser, but four things are not left to it: it takes a number of more than
 * 32 bits for another one, accepts a comment that never ends, and on an @include of a folder ends
 * the program, of a FIFO waits for ever.  So the text is first copied without comments, with the
 * includes in place and 64-bit numbers marked as such; what cannot be meant is refused. */
#ifndef PLANT_TEXT_H
#define PLANT_TEXT_H

#include <libconfig.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum {
	TEXT_BYTES_MAX = 1 << 20, /* of all files together */
	TEXT_INCLUDES_MAX = 64,
	TEXT_DEPTH_MAX = 10, /* includes within includes */
};

struct text_line {
	const char *file;
	unsigned line;
};

struct plant_text {
	config_t config;       /* the parsed settings */
	char *error;           /* caller's, PLANT_ERROR_SIZE bytes */
	char **remarks;        /* the plant's, set by the caller after text_open */
	char folder[PATH_MAX]; /* of the plant file, "" or "dir/" */
	/* Files, lines and bytes of what libconfig sees: the copy with all includes. */
	char *files[TEXT_INCLUDES_MAX + 1];
	unsigned file_count;
	size_t bytes;
	struct text_line *lines;
	size_t line_count;
};

/* Read and parse the file at path; or content, under the name path, when content is not NULL.  0,
 * or -errno (-EINVAL: the content) and error is set.  text_close is due in either case. */
int text_open(struct plant_text *text, const char *path, const char *content, char *error);
void text_close(struct plant_text *text);

/* Where a setting stands; NULL is the top of the plant file. */
struct text_line text_where(const struct plant_text *text, const config_setting_t *at);

/* The path of a file that the plant file names: relative to its folder.  false: longer than size.
 */
bool text_beside(const struct plant_text *text, const char *name, char *path, size_t size);

/* Add "FILE:LINE: message" to the remarks; without memory it is left out. */
void text_remark(const struct plant_text *text, const config_setting_t *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Set the error to "FILE:LINE: message", one line without control characters.  -EINVAL always. */
int text_fail(const struct plant_text *text, const config_setting_t *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
