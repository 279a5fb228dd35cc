/* Log lines, whole and in a common form. */
#include "base/log.h"

#include "base/clock.h"
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_SIZE = 1500, LINE_SIZE = 2048 }; /* an error of the plant file with room around it */
_Static_assert(LINE_SIZE <= PIPE_BUF, "a pipe takes a line whole");
enum level { ERROR = 3, WARNING = 4, INFO = 6 }; /* syslog's numbers */

/* Set before threads start. */
static const char *log_program = "mbimage";
static bool log_journal, log_timed, log_waits = true;
static int log_fd = STDERR_FILENO;

static _Atomic unsigned log_dropped;

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

/* A description of our own, non-blocking: others may share the given one and do not expect that.
 * Not all files can be opened so: a socket cannot, nor another user's pipe. */
void log_unattended(void)
{
	struct stat st;
	log_timed = !log_journal;
	log_waits = false;
	tzset(); /* reads a file, so not at the first line of a thread */
	if (fstat(STDERR_FILENO, &st) || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
		return;
	int fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
		log_fd = fd;
}

/* Whole, or not at all: a pipe takes up to PIPE_BUF bytes so, and poll(2) tells of that much room.
 * A line of which a full terminal took a part counts as dropped. */
static bool write_whole(const char *line, size_t bytes)
{
	struct pollfd door = { .fd = log_fd, .events = POLLOUT };
	if (!log_waits && log_fd == STDERR_FILENO && poll(&door, 1, 0) == 0)
		return false;
	return write(log_fd, line, bytes) == (ssize_t)bytes;
}

/* "2026-11-27T13:05:09.042+01:00 ": text. */
static size_t put_time(char *line, size_t size)
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	long minutes = tm.tm_gmtoff / 60;
	size_t used = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &tm);
	return used + (size_t)snprintf(line + used, size - used, ".%03ld%c%02ld:%02ld ",
				       now.tv_nsec / 1000000, minutes < 0 ? '-' : '+',
				       labs(minutes) / 60, labs(minutes) % 60);
}

/* One line; control characters are shown. */
static bool put_line(enum level level, const char *text)
{
	char line[LINE_SIZE];
	size_t used = log_timed ? put_time(line, sizeof line) : 0;
	used += (size_t)(log_journal ? snprintf(line + used, sizeof line - used, "<%d>", level)
				     : snprintf(line + used, sizeof line - used,
						"%.32s: ", log_program));
	for (const unsigned char *c = (const unsigned char *)text; *c && used < sizeof line - 5;
	     c++) {
		if (*c < ' ' || *c == 0x7f)
			used += (size_t)snprintf(line + used, 5, "\\x%02x", *c);
		else
			line[used++] = (char)*c;
	}
	line[used++] = '\n';
	return write_whole(line, used);
}

/* Lines were dropped: say how many before the next one. */
static bool report_dropped(void)
{
	char text[64];
	unsigned dropped = atomic_exchange(&log_dropped, 0);
	if (!dropped)
		return true;
	snprintf(text, sizeof text, "%u line%s before this could not be written", dropped,
		 dropped == 1 ? "" : "s");
	if (put_line(WARNING, text))
		return true;
	atomic_fetch_add(&log_dropped, dropped);
	return false;
}

__attribute__((format(printf, 2, 0))) static void write_line(enum level level, const char *format,
							     va_list args)
{
	int saved_errno = errno;
	char text[TEXT_SIZE];
	vsnprintf(text, sizeof text, format, args);
	if (!report_dropped() || !put_line(level, text))
		atomic_fetch_add(&log_dropped, 1);
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
