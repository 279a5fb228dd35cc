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
#include <stddef.h>

enum {
	SOURCE_BYTES_MAX = 1 << 20, /* of all files together */
	SOURCE_INCLUDES_MAX = 64,
	SOURCE_DEPTH_MAX = 10, /* includes within includes */
};

struct source_line {
	const char *file;
	unsigned line;
};

struct source {
	config_t config;
	char *error;        /* caller's, PLANT_ERROR_SIZE bytes */
	const char *folder; /* what includes are relative to, as "" or "dir/" */
	char *files[SOURCE_INCLUDES_MAX + 1];
	unsigned file_count;
	size_t bytes;
	struct source_line *lines; /* of the copy that libconfig sees */
	size_t line_count;
};

/* Read and parse path, or text under the name path when text is not NULL.  0, or -errno (-EINVAL:
 * the content) and error is set. source_close is due in either case. */
int source_open(struct source *source, const char *path, const char *text, char *error);
void source_close(struct source *source);

/* Where a setting stands; NULL is the top of the plant file. */
struct source_line source_where(const struct source *source, const config_setting_t *at);

/* Set the error to "FILE:LINE: text", one line without control characters.  -EINVAL always. */
int source_fail(const struct source *source, const config_setting_t *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
