/* A fuzz target as a test, without libFuzzer: the kept inputs, then mutations of them with a fixed
 * seed.
 *
 *   PROGRAM [FILE...]       replay the inputs; no file: those of tests/fuzz/corpus, then mutations
 *   PROGRAM --unpack DIR    write the kept inputs into files of DIR, for libFuzzer
 *
 * A file NAME.hex holds inputs as lines of hex digits (blanks are for people, # begins a comment);
 * any other file is one input. MB_SEED, MB_FUZZ_RUNS: other mutations, and how many. */
#include "fuzz.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUTS_MAX = 4096, INPUT_BYTES_MAX = 16384, STACK_MAX = 6 };

static struct input {
	uint8_t *bytes;
	size_t size;
} inputs[INPUTS_MAX], present;
static unsigned input_count;

/* ---- when something is found --------------------------------------------------------------- */

void __asan_set_death_callback(void (*callback)(void)) __attribute__((weak));

void __sanitizer_set_report_fd(void *fd) __attribute__((weak));

/* What the tested code logs is nobody's here. */
static void log_silence(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	finding_fd = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (__sanitizer_set_report_fd != NULL)
		__sanitizer_set_report_fd((void *)(intptr_t)finding_fd);
	dup2(null, 2);
	close(null);
}

/* Not when no input is running: a leak is found at the very end. */
static void show_input(void)
{
	if (!present.bytes)
		return;
	dprintf(finding_fd, "input: ");
	for (size_t i = 0; i < present.size; i++)
		dprintf(finding_fd, "%02X", present.bytes[i]);
	dprintf(finding_fd, "\n");
}

static void show_and_die(int signal)
{
	show_input();
	raise(signal);
}

static void watch_deaths(void)
{
	struct sigaction action = { .sa_handler = show_and_die, .sa_flags = (int)SA_RESETHAND };
	sigaction(SIGABRT, &action, NULL);
	if (__asan_set_death_callback != NULL)
		__asan_set_death_callback(show_input);
	else
		sigaction(SIGSEGV, &action, NULL);
}

/* Exactly as large as it is, so that a sanitizer sees a look past its end. */
static void run(const uint8_t *bytes, size_t size)
{
	present.bytes = malloc(size + !size);
	present.size = size;
	if (size != 0)
		memcpy(present.bytes, bytes, size);
	LLVMFuzzerTestOneInput(present.bytes, size);
	free(present.bytes);
	present = (struct input){ NULL, 0 };
}

/* ---- inputs -------------------------------------------------------------------------------- */

static void input_add(const uint8_t *bytes, size_t size)
{
	if (input_count == INPUTS_MAX)
		finding("more than %d inputs", INPUTS_MAX);
	struct input *input = &inputs[input_count++];
	input->bytes = malloc(size + !size);
	input->size = size;
	memcpy(input->bytes, bytes, size);
}

static void hex_lines_add(const char *path, char *text)
{
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		uint8_t bytes[INPUT_BYTES_MAX];
		size_t digits = 0;
		line[strcspn(line, "#")] = '\0';
		for (char *c = line; *c != '\0'; c++) {
			if (isspace((unsigned char)*c))
				continue;
			if (!isxdigit((unsigned char)*c) || digits == 2 * sizeof bytes)
				finding("%s: not hex: %s", path, c);
			unsigned value = isdigit((unsigned char)*c)
						 ? (unsigned)(*c - '0')
						 : (unsigned)(toupper(*c) - 'A' + 10);
			bytes[digits / 2] =
				(uint8_t)(digits % 2 == 0 ? value << 4 : bytes[digits / 2] | value);
			digits++;
		}
		if (digits % 2 != 0)
			finding("%s: half a byte at the end of: %s", path, line);
		if (digits != 0)
			input_add(bytes, digits / 2);
	}
}

static void file_add(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t length = strlen(path),
	       size = file != NULL ? fread(bytes, 1, sizeof bytes - 1, file) : 0;
	if (file == NULL || ferror(file))
		finding("%s: %s", path, strerror(errno));
	fclose(file);
	bytes[size] = '\0';
	if (length > 4 && strcmp(path + length - 4, ".hex") == 0)
		hex_lines_add(path, (char *)bytes);
	else
		input_add(bytes, size);
}

/* tests/fuzz/corpus/NAME of the program test_fuzz_NAME; sorted, so that a seed means the same
 * everywhere. */
static void corpus_add(const char *program)
{
	char folder[256], path[512];
	struct dirent **entries;
	snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", strrchr(program, '_') + 1);
	int count = scandir(folder, &entries, NULL, alphasort);
	if (count < 0)
		finding("%s: %s (run me in the top folder)", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			file_add(path);
		free(entries[i]);
	}
	free(entries);
}

static void unpack(const char *folder)
{
	char path[512];
	mkdir(folder, 0777);
	for (unsigned i = 0; i < input_count; i++) {
		snprintf(path, sizeof path, "%s/kept-%03u", folder, i);
		FILE *file = fopen(path, "wb");
		if (file == NULL ||
		    fwrite(inputs[i].bytes, 1, inputs[i].size, file) != inputs[i].size ||
		    fclose(file) != 0)
			finding("%s: %s", path, strerror(errno));
	}
}

/* ---- mutations ----------------------------------------------------------------------------- */

static uint64_t random_state;

/* splitmix64; 0 .. limit - 1 */
static size_t random_below(size_t limit)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return limit != 0 ? (size_t)((z ^ z >> 31) % limit) : 0;
}

/* One change of input in place; it has room for INPUT_BYTES_MAX bytes. */
static void mutate(struct input *input)
{
	static const uint8_t edges[] = { 0x00, 0x01, 0x06, 0x07, 0x7B, 0x7D, 0x7F,
					 0x80, 0xC7, 0xC8, 0xF5, 0xFE, 0xFF };
	const struct input *other = &inputs[random_below(input_count)];
	size_t at = random_below(input->size), count = 1 + random_below(8),
	       from = random_below(other->size);
	if (count > input->size - at)
		count = input->size - at;
	switch (random_below(7)) {
	case 0:
		if (count != 0)
			input->bytes[at] ^= (uint8_t)(1u << random_below(8));
		break;
	case 1:
		if (count != 0)
			input->bytes[at] = edges[random_below(sizeof edges)];
		break;
	case 2:
		if (count != 0)
			input->bytes[at] = (uint8_t)(input->bytes[at] + random_below(9) - 4);
		break;
	case 3:
		memmove(input->bytes + at, input->bytes + at + count, input->size - at - count);
		input->size -= count;
		break;
	case 4: /* twice */
		if (input->size + count > INPUT_BYTES_MAX)
			break;
		memmove(input->bytes + at + count, input->bytes + at, input->size - at);
		input->size += count;
		break;
	case 5: /* another's end over its own */
		if (at + other->size - from > INPUT_BYTES_MAX)
			break;
		memcpy(input->bytes + at, other->bytes + from, other->size - from);
		input->size = at + other->size - from;
		break;
	default: /* another behind it */
		from = other->size > 3 ? 3 : 0;
		if (input->size + other->size - from > INPUT_BYTES_MAX)
			break;
		memcpy(input->bytes + input->size, other->bytes + from, other->size - from);
		input->size += other->size - from;
	}
}

static void mutations_run(unsigned long runs)
{
	static uint8_t bytes[INPUT_BYTES_MAX];
	while (runs-- != 0) {
		const struct input *seed = &inputs[random_below(input_count)];
		struct input input = { bytes,
				       seed->size < sizeof bytes ? seed->size : sizeof bytes };
		memcpy(bytes, seed->bytes, input.size);
		for (size_t n = 1 + random_below(STACK_MAX); n != 0; n--)
			mutate(&input);
		run(bytes, input.size);
	}
}

static unsigned long number(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);
	return text != NULL ? strtoul(text, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
	bool keep = argc == 3 && strcmp(argv[1], "--unpack") == 0;
	watch_deaths();
	log_silence();
	if (argc == 1 || keep)
		corpus_add(argv[0]);
	if (keep) {
		unpack(argv[2]);
		return 0;
	}
	for (int i = 1; i < argc; i++)
		file_add(argv[i]);
	printf("1..%d\n", argc == 1 ? 2 : 1);
	for (unsigned i = 0; i < input_count; i++)
		run(inputs[i].bytes, inputs[i].size);
	printf("ok 1 - %u inputs\n", input_count);
	if (argc == 1) {
		unsigned long runs = number("MB_FUZZ_RUNS",
					    getenv("MB_LONG") ? 10ul * replay_runs : replay_runs);
		random_state = number("MB_SEED", 1);
		printf("# seed %llu\n", (unsigned long long)random_state);
		mutations_run(runs);
		printf("ok 2 - %lu mutations\n", runs);
	}
	for (unsigned i = 0; i < input_count; i++)
		free(inputs[i].bytes);
	return 0;
}
