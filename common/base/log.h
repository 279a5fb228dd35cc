/* The programs' one log vocabulary.  Lines go to stderr as "PROGRAM: text", a daemon's as "TIME
 * PROGRAM: text"; under systemd (JOURNAL_STREAM is stderr) with a priority prefix instead
 * (sd-daemon(3)).  Any thread; one
 * write(2) a line, so lines never mix.  A control character that a peer or file smuggled in is
 * written as \xNN. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* Once, before threads exist.  program: static string. */
void log_open(const char *program);

/* The same, for a program that runs on when nobody looks.  Its lines begin with the local time,
 * unless the journal adds that, and never wait for a reader: those that a full pipe, terminal or
 * socket does not take are dropped, and the next one that goes through is preceded by their
 * number. */
void log_unattended(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For what a peer can cause: at most LOG_BURST lines in LOG_WINDOW_MS; then silence, and at the
 * next line of a later window one says how many were left out.  One static instance per call site.
 */
struct log_limit {
	_Atomic int64_t window_start_ms;
	_Atomic uint32_t seen;
};
enum { LOG_BURST = 10, LOG_WINDOW_MS = 10000 };
bool log_allowed(struct log_limit *limit);

/* For what is tried again and again: an error is logged unless it is the same line as the one
 * before.  Zeroed at the start, and again by its owner when the attempt has succeeded.  One thread
 * per instance. */
struct log_once {
	uint64_t last; /* hash of the line; 0: none */
};
void log_once(struct log_once *once, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Start-up only: log the error and exit. */
enum { EXIT_USAGE = 2 };
_Noreturn void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
