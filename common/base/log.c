/* Log lines, whole and in a common form. */
#include "base/log.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 1500, LINE_SIZE = 2048 }; /* an error of the plant file with room around it */
enum level { ERROR = 3, WARNING = 4, INFO = 6 }; /* syslog's numbers */

/* Set before threads start. */
static const char *log_program = "mbimage";
static bool log_journal;

/* The manager says which file the journal listens on; a redirected stderr is another one. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *program)
{
	log_program = program;
	log_journal = is_journal();
}

__attribute__((format(printf, 2, 0))) static void write_line(enum level level, const char *format,
							     va_list args)
{
	int saved_errno = errno;
	char text[TEXT_SIZE], line[LINE_SIZE];
	vsnprintf(text, sizeof text, format, args);
	size_t used = (size_t)(log_journal ? snprintf(line, sizeof line, "<%d>", level)
					   : snprintf(line, sizeof line, "%.32s: ", log_program));
	for (const unsigned char *c = (const unsigned char *)text; *c && used < sizeof line - 5;
	     c++) {
		if (*c < ' ' || *c == 0x7f)
			used += (size_t)snprintf(line + used, 5, "\\x%02x", *c);
		else
			line[used++] = (char)*c;
	}
	line[used++] = '\n';
	ssize_t written = write(STDERR_FILENO, line, used);
	(void)written; /* nowhere left to say it */
	errno = saved_errno;
}

#define LOG_AT(level)                            \
	do {                                     \
		va_list args;                    \
		va_start(args, format);          \
		write_line(level, format, args); \
		va_end(args);                    \
	} while (0)

void log_error(const char *format, ...)
{
	LOG_AT(ERROR);
}

void log_warn(const char *format, ...)
{
	LOG_AT(WARNING);
}

void log_info(const char *format, ...)
{
	LOG_AT(INFO);
}

void die(int status, const char *format, ...)
{
	LOG_AT(ERROR);
	exit(status);
}

/* Two threads at a window's edge may count a line to either window: nobody needs it exact. */
bool log_allowed(struct log_limit *limit)
{
	int64_t now_ms = clock_mono_ms();
	int64_t start_ms = limit->window_start_ms;
	if (now_ms - start_ms >= LOG_WINDOW_MS &&
	    atomic_compare_exchange_strong(&limit->window_start_ms, &start_ms, now_ms)) {
		uint32_t seen = atomic_exchange(&limit->seen, 0);
		if (seen > LOG_BURST)
			log_warn("%u more lines like the next were left out", seen - LOG_BURST);
	}
	return atomic_fetch_add(&limit->seen, 1) < LOG_BURST;
}

/* The line is kept as a hash: a server may follow 256 images, and a line may have 1500 bytes. */
void log_once(struct log_once *once, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	uint64_t hash = hash_text(text);
	if (hash == once->last)
		return;
	once->last = hash;
	log_error("%s", text);
}
