/* What the fuzz targets share.  Each is a program for libFuzzer (make fuzz) and, linked with
 * replay.c, a test of its own that goes through the kept inputs and some hundred thousand mutations
 * of them with a fixed seed (make check). */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input.  Returns 0; whatever is wrong ends in finding(). */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Mutations in make check: one or two seconds. */
extern const unsigned replay_runs;

/* Say what is wrong, to finding_fd (2 at first), and abort. */
extern int finding_fd;
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* bytes as hex, in one of a few static buffers, cut when very long. */
const char *hex(const uint8_t *bytes, size_t count);

/* Give the bytes a path (always the same, a file in memory): for what only reads files. */
const char *file_of(const void *bytes, size_t size);

#endif
