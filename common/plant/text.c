/* The text of a plant file: files, includes, comments, numbers, and where each line came from. */
#include "plant/text.h"

#include "plant/plant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the copying stands: a place in one file's text. */
struct scan {
	struct plant_text *text;
	FILE *copy;
	const char *file;
	const char *p;
	unsigned line;
	unsigned depth;
	char last; /* the first character of the last token; '\0': there is none yet */
};

/* ---- errors -------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 0))) static void say_at(char *error, struct text_line where,
							 const char *format, va_list args)
{
	int used = where.line ? snprintf(error, PLANT_ERROR_SIZE, "%.500s:%u: ", where.file,
					 where.line)
			      : snprintf(error, PLANT_ERROR_SIZE, "%.500s: ", where.file);
	vsnprintf(error + used, (size_t)(PLANT_ERROR_SIZE - used), format, args);
	for (char *c = error; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

__attribute__((format(printf, 3, 0))) static int
fail_at(const struct plant_text *text, struct text_line where, const char *format, va_list args)
{
	say_at(text->error, where, format, args);
	return -EINVAL;
}

int text_fail(const struct plant_text *text, const config_setting_t *at, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int rc = fail_at(text, text_where(text, at), format, args);
	va_end(args);
	return rc;
}

void text_remark(const struct plant_text *text, const config_setting_t *at, const char *format, ...)
{
	char line[PLANT_ERROR_SIZE];
	va_list args;
	va_start(args, format);
	say_at(line, text_where(text, at), format, args);
	va_end(args);
	size_t used = *text->remarks ? strlen(*text->remarks) : 0;
	char *grown = realloc(*text->remarks, used + strlen(line) + 2);
	if (!grown)
		return;
	sprintf(grown + used, "%s\n", line);
	*text->remarks = grown;
}

__attribute__((format(printf, 2, 3))) static int fail_here(const struct scan *scan,
							   const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int rc = fail_at(scan->text, (struct text_line){ scan->file, scan->line }, format, args);
	va_end(args);
	return rc;
}

struct text_line text_where(const struct plant_text *text, const config_setting_t *at)
{
	size_t line = at && config_setting_source_line(at) ? config_setting_source_line(at) : 1;
	return text->lines[line <= text->line_count ? line - 1 : text->line_count - 1];
}

/* ---- files --------------------------------------------------------------------------------- */

/* The plant file itself is named in front of each error anyway. */
static int fail_file(const struct scan *scan, const char *path, const char *what)
{
	if (scan->depth == 0)
		return fail_here(scan, "%s", what);
	return fail_here(scan, "\"%.300s\": %s", path, what);
}

/* Read a regular file whole; *content is the caller's, also after an error. */
static int read_open_file(const struct scan *scan, const char *path, int fd, char **content)
{
	struct stat st;
	if (fstat(fd, &st))
		return -errno;
	if (S_ISDIR(st.st_mode))
		return fail_file(scan, path, "is a folder, expected a regular file");
	if (!S_ISREG(st.st_mode))
		return fail_file(scan, path, "is a pipe or device, expected a regular file");
	size_t room = TEXT_BYTES_MAX - scan->text->bytes, got = 0;
	char *buffer = *content = malloc(room + 2);
	if (!buffer)
		return -ENOMEM;
	for (ssize_t n; got <= room && (n = read(fd, buffer + got, room + 1 - got)) != 0;
	     got += (size_t)n)
		if (n < 0)
			return -errno;
	if (got > room)
		return fail_file(scan, path,
				 "is too large, expected at most 1 MiB with all includes");
	buffer[got] = '\0';
	if (!strncmp(buffer, "\xEF\xBB\xBF", 3))
		return fail_file(scan, path,
				 "begins with a byte order mark, expected UTF-8 without it");
	if (strlen(buffer) != got)
		return fail_file(scan, path, "is not text: it has a NUL byte");
	scan->text->bytes += got;
	return 0;
}

/* Without O_NONBLOCK the open itself would wait for a FIFO's writer. */
static int read_file(const struct scan *scan, const char *path, char **content)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : read_open_file(scan, path, fd, content);
	if (fd >= 0)
		close(fd);
	if (rc && !scan->text->error[0])
		fail_file(scan, path, strerror(-rc));
	return rc;
}

/* ---- the copy ------------------------------------------------------------------------------ */

static int copy_text(struct scan *scan);

static int new_line(const struct scan *scan)
{
	struct plant_text *text = scan->text;
	if (text->line_count)
		putc('\n', scan->copy);
	/* full at each power of two */
	if ((text->line_count & (text->line_count - 1)) == 0) {
		size_t room = text->line_count ? 2 * text->line_count : 1;
		struct text_line *lines = reallocarray(text->lines, room, sizeof *lines);
		if (!lines)
			return fail_here(scan, "out of memory");
		text->lines = lines;
	}
	text->lines[text->line_count++] = (struct text_line){ scan->file, scan->line };
	return 0;
}

static int copy_newline(struct scan *scan)
{
	scan->p++;
	scan->line++;
	return new_line(scan);
}

static int skip_comment(struct scan *scan)
{
	if (scan->p[0] == '#' || scan->p[1] == '/') {
		scan->p += strcspn(scan->p, "\n");
		return 0;
	}
	unsigned start = scan->line;
	for (scan->p += 2; strncmp(scan->p, "*/", 2) != 0;) {
		if (!*scan->p) {
			scan->line = start;
			return fail_here(scan,
					 "the comment that starts here never ends, expected */");
		}
		int rc = 0;
		if (*scan->p == '\n')
			rc = copy_newline(scan);
		else
			scan->p++;
		if (rc)
			return rc;
	}
	scan->p += 2;
	putc(' ', scan->copy);
	return 0;
}

static int copy_string(struct scan *scan)
{
	const char *end = scan->p + 1;
	for (; *end != '"'; end++) {
		if (!*end || *end == '\n')
			return fail_here(
				scan,
				"text without its closing quote, expected \" on the same line");
		if (!strncmp(end, "\\x00", 4))
			return fail_here(scan, "\\x00 in text, expected no NUL");
		if (*end == '\\' && end[1] && end[1] != '\n')
			end++;
	}
	fwrite(scan->p, 1, (size_t)(end + 1 - scan->p), scan->copy);
	scan->p = end + 1;
	return 0;
}

/* libconfig wants an L after whole numbers that do not fit 32 bits. */
static int copy_number(struct scan *scan)
{
	bool hex = scan->p[0] == '0' && (scan->p[1] == 'x' || scan->p[1] == 'X');
	char *end;
	errno = 0;
	unsigned long long value = strtoull(scan->p, &end, hex ? 16 : 10);
	bool whole = *end != '.' && (hex || (*end != 'e' && *end != 'E'));
	if (whole && (errno || value > INT64_MAX))
		return fail_here(scan, "the number %.*s is too large, expected at most %lld",
				 (int)strcspn(scan->p, " \t\r\n"), scan->p, (long long)INT64_MAX);
	fwrite(scan->p, 1, (size_t)(end - scan->p), scan->copy);
	if (whole && value > INT32_MAX && *end != 'L')
		putc('L', scan->copy);
	scan->p = end;
	return 0;
}

/* The file at path, in place of the scan's next characters. */
static int copy_file(struct scan *scan, const char *path)
{
	struct plant_text *text = scan->text;
	if (scan->depth > TEXT_DEPTH_MAX || text->file_count > TEXT_INCLUDES_MAX)
		return fail_here(scan, "too many includes, expected at most %d, nested at most %d",
				 TEXT_INCLUDES_MAX, TEXT_DEPTH_MAX);
	char *content = NULL, *file = strdup(path);
	int rc = file ? 0 : fail_here(scan, "out of memory");
	if (file)
		text->files[text->file_count++] = file;
	rc = rc ? rc : read_file(scan, path, &content);
	if (!rc) {
		struct scan inner = { text, scan->copy, file, content, 1, scan->depth + 1, '\0' };
		rc = new_line(&inner);
		rc = rc ? rc : copy_text(&inner);
	}
	free(content);
	return rc;
}

static int copy_include(struct scan *scan)
{
	char name[PATH_MAX], path[2 * PATH_MAX];
	const char *p = scan->p;
	if (!strncmp(p, "@include", strlen("@include"))) {
		p += strlen("@include");
		p += strspn(p, " \t");
	}
	size_t length = *p == '"' ? strcspn(p + 1, "\"\\\n") : 0;
	if (!length || length >= sizeof name || p[1 + length] != '"')
		return fail_here(scan, "expected @include \"FILE\"");
	memcpy(name, p + 1, length);
	name[length] = '\0';
	text_beside(scan->text, name, path, sizeof path);
	scan->p = p + length + 2;
	int rc = copy_file(scan, path);
	return rc ? rc : new_line(scan);
}

static bool in(const char *set, char c)
{
	return c && strchr(set, c);
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_*";
static const char digits[] = "0123456789";

/* How many characters at p, at most 60, are before the next space or mark. */
static int word_length(const char *p)
{
	size_t length = strcspn(p, " \t\r\n,;:=#/\"()[]{}");
	return length < 60 ? (int)length : 60;
}

/* What begins with a digit: a value such as 0-15 or 500ms, or a name. */
static int check_digits(const struct scan *scan)
{
	const char *p = scan->p;
	char *whole, *real;
	if (in("{}", scan->last))
		return fail_here(scan, "%.*s is no name, expected one that begins with a letter",
				 word_length(p), p);
	strtoull(p, &whole, 0);
	strtod(p, &real);
	const char *end = whole > real ? whole : real;
	if (!in("=:[(", scan->last) || end + strspn(end, "L") >= p + word_length(p))
		return 0;
	return fail_here(scan, "%.*s without quotes, expected a number, or text in quotes",
			 word_length(p), p);
}

/* Habits of other formats, which libconfig would call a syntax error somewhere after them. */
static int check_token(const struct scan *scan)
{
	const char *p = scan->p;
	int word = 0;
	/* Only where a word cannot be, or a long one would be measured at each of its letters. */
	while (in("=:[(", scan->last) && in(letters, p[word]))
		word++;
	if (*p == '{' && !scan->last && scan->depth <= 1)
		return fail_here(scan, "JSON is not understood, expected NAME = VALUE without "
				       "braces around all of it");
	if (scan->last == ',' && in("])", *p))
		return fail_here(scan, "a comma before %c, expected a value after each comma", *p);
	if (word && !(word == 4 && !strncasecmp(p, "true", 4)) &&
	    !(word == 5 && !strncasecmp(p, "false", 5)))
		return fail_here(scan,
				 "%.*s without quotes, expected true, false, a number, text in "
				 "quotes, or a bracket",
				 word, p);
	return in(digits, *p) ? check_digits(scan) : 0;
}

static int copy_token(struct scan *scan)
{
	char c = scan->p[0];
	if (c == '\n')
		return copy_newline(scan);
	if (c == '#' || (c == '/' && in("/*", scan->p[1])))
		return skip_comment(scan);
	int rc = in(" \t\r", c) ? 0 : check_token(scan);
	if (rc)
		return rc;
	if (!in(" \t\r", c))
		scan->last = c;
	if (c == '"')
		return copy_string(scan);
	if (c == '@')
		return copy_include(scan);
	if (in(digits, c))
		return copy_number(scan);
	if ((unsigned char)c < ' ' && !in("\t\r", c))
		return fail_here(scan, "not text: it has a byte 0x%02x", c);
	/* a name is one token, so that the digits in it are no number */
	do
		putc(*scan->p++, scan->copy);
	while (in(letters, c) &&
	       (in(letters, *scan->p) || in(digits, *scan->p) || *scan->p == '-'));
	return 0;
}

static int copy_text(struct scan *scan)
{
	int rc = 0;
	while (!rc && *scan->p)
		rc = copy_token(scan);
	return rc;
}

/* ---- open and close ------------------------------------------------------------------------ */

/* What libconfig's messages leave out. */
static const char *parse_hint(const char *what)
{
	static const char *const hints[][2] = {
		{ "syntax error", ", expected NAME = VALUE, text in quotes, every bracket closed" },
		{ "duplicate setting name", ", expected each name once in its section" },
		{ "mismatched element type in array",
		  ", expected one type of value between [ and ]; between ( and ) they may differ" },
	};
	for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
		if (!strcmp(what, hints[i][0]))
			return hints[i][1];
	return "";
}

static int parse(struct plant_text *text, const char *copy)
{
	if (config_read_string(&text->config, copy))
		return 0;
	const char *what = config_error_text(&text->config);
	config_setting_t at = { .line = (unsigned)config_error_line(&text->config) };
	return text_fail(text, &at, "%s%s", what, parse_hint(what));
}

static int copy_content(struct scan *scan)
{
	scan->line = 1;
	int rc = new_line(scan);
	return rc ? rc : copy_text(scan);
}

int text_open(struct plant_text *text, const char *path, const char *content, char *error)
{
	*text = (struct plant_text){ .error = error };
	config_init(&text->config);
	error[0] = '\0';
	const char *slash = strrchr(path, '/');
	snprintf(text->folder, sizeof text->folder, "%.*s", slash ? (int)(slash + 1 - path) : 0,
		 path);

	char *copy = NULL;
	size_t size;
	struct scan scan = { text, open_memstream(&copy, &size), path, content, 0, 0, '\0' };
	if (!scan.copy) {
		fail_here(&scan, "out of memory");
		return -ENOMEM;
	}
	int rc = content ? copy_content(&scan) : copy_file(&scan, path);
	if (fclose(scan.copy) && !rc)
		rc = fail_here(&scan, "out of memory");
	rc = rc ? rc : parse(text, copy);
	free(copy);
	return rc;
}

void text_close(struct plant_text *text)
{
	config_destroy(&text->config);
	free(text->lines);
	for (unsigned i = 0; i < text->file_count; i++)
		free(text->files[i]);
}

bool text_beside(const struct plant_text *text, const char *name, char *path, size_t size)
{
	return snprintf(path, size, "%s%s", name[0] == '/' ? "" : text->folder, name) < (int)size;
}
