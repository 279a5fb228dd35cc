/* Reading and printing the counters of a server, from outside. */
#include "mbserverd/stats.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/network.h"
#include "mbserverd/counters.h"
#include "modbus/function.h"
#include "point/address.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The contents of a file, none of which is trusted. */
struct report {
	bool alive;
	int64_t start_ns, pid;
	unsigned workers;
	struct counters sum;
};

#define AS_ROW(name, text) { #name, text, offsetof(struct counters, name), 0, COUNTERS_NUMBER },
#define AS_ROWS(name, count, key, text) \
	{ #name, text, offsetof(struct counters, name), count, key },
static const struct row {
	const char *name, *text;
	size_t offset;
	unsigned count; /* 0: it is no array */
	enum counters_key key;
} rows[] = { COUNTERS(AS_ROW, AS_ROWS) };
enum { ROWS = sizeof rows / sizeof *rows };

static uint64_t get(const struct report *report, const struct row *row, unsigned index)
{
	const void *first = (const char *)&report->sum + row->offset;
	return ((const _Atomic uint64_t *)first)[index];
}

static uint64_t key_of(const struct row *row, unsigned index)
{
	return row->key == COUNTERS_BELOW ? UINT64_C(2) << index : index;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Copied by pread(2): a mapping would end this program if the file became shorter meanwhile.  NULL,
 * or what is wrong. */
static const char *report_read(int fd, const char *image, struct report *report)
{
	struct counters_file head;
	struct counters block;
	if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
	    memcmp(head.magic, COUNTERS_MAGIC, sizeof head.magic))
		return "not a file of counters";
	if (strncmp(head.version, MBIMAGE_VERSION, sizeof head.version))
		return "written by another version of mbserverd";
	if (head.block_bytes != sizeof block || head.blocks < 1 ||
	    head.blocks > COUNTERS_BLOCKS_MAX || strncmp(head.image, image, sizeof head.image))
		return "damaged";
	*report = (struct report){
		counters_held(fd), head.start_ns, head.pid, head.blocks - 1, { 0 }
	};
	for (unsigned i = 0; i < head.blocks; i++) {
		if (pread(fd, &block, sizeof block, (off_t)(sizeof head + i * sizeof block)) !=
		    (ssize_t)sizeof block)
			return "damaged";
		const _Atomic uint64_t *from = (const _Atomic uint64_t *)&block;
		_Atomic uint64_t *to = (_Atomic uint64_t *)&report->sum;
		for (size_t n = 0; n < offsetof(struct counters, strays) / sizeof *from; n++)
			counters_add(&to[n], from[n]);
		strays_merge(&report->sum.strays, &block.strays);
	}
	strays_sort(&report->sum.strays);
	return NULL;
}

/* Open the file of a running server, else the first that there is; path: where it is, or the one
 * that may not be read, or was looked for last.  -errno: none. */
static int report_open(const char *image, char *path)
{
	char each[COUNTERS_PATH_SIZE];
	int found = -ENOENT;
	bool alive = false;
	for (unsigned rank = 0; !alive && counters_path(rank, image, each); rank++) {
		if (*each == '\0')
			continue;
		int fd = open(each, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		int rc = fd < 0 ? -errno : fd;
		alive = fd >= 0 && counters_held(fd);
		if (alive || (found < 0 && (fd >= 0 || found != -EACCES))) {
			strcpy(path, each);
			if (found >= 0)
				close(found);
			found = rc;
		} else if (fd >= 0) {
			close(fd);
		}
	}
	return found;
}

/* There is no file that may be read: rc is why. */
static void report_missing(const char *image, const char *path, int rc)
{
	struct stat st;
	if (rc != -EACCES) {
		log_error("no server of image %s keeps counters here (%s: %s)", image, path,
			  strerror(-rc));
		return;
	}
	const struct group *group =
		!stat(path, &st) && st.st_mode & S_IRGRP ? getgrgid(st.st_gid) : NULL;
	if (group)
		log_error("%s: %s: you are not a member of group %s", path, strerror(-rc),
			  group->gr_name);
	else
		log_error("%s: %s", path, strerror(-rc));
}

/* ---- printing ------------------------------------------------------------------------------ */

/* Opened and not ended; the two are not of one moment. */
static uint64_t connections(const struct report *report)
{
	return report->sum.opened > report->sum.ended ? report->sum.opened - report->sum.ended : 0;
}

static int64_t seconds_since(int64_t start_ns)
{
	int64_t now_ns = clock_now_ns(CLOCK_REALTIME);
	return start_ns >= 0 && start_ns <= now_ns ? (now_ns - start_ns) / 1000000000 : 0;
}

/* What was asked for, and from where. */
struct stray_text {
	const char *table;
	char items[ADDRESS_TEXT_SIZE], from[NETWORK_TEXT_SIZE];
	int64_t ago_s;
};

/* false: there is no such entry. */
static bool stray_format(const struct stray *stray, struct stray_text *text)
{
	const struct stray_range *range = &stray->range;
	if (!stray->times || range->table >= MBSHM_TABLES)
		return false;
	*text = (struct stray_text){
		.table = mbshm_table_name((enum mbshm_table)range->table),
		.ago_s = (clock_mono_ms() - stray->last_ms) / 1000,
	};
	const struct mbshm_span span = { (enum mbshm_table)range->table, range->first,
					 range->count };
	address_text(&span, text->items);
	network_host_text(range->family, range->address, text->from);
	return true;
}

static void print_strays_text(const struct report *report)
{
	struct stray_text text;
	const struct stray *stray = report->sum.strays.entries;
	printf("requests outside the declared ranges: times, unit id, range, client, last time\n");
	for (; stray < report->sum.strays.entries + STRAYS_MAX && stray_format(stray, &text);
	     stray++)
		printf("%20" PRIu64 "  %10u  %s, %s, %" PRId64 " s ago\n", stray->times,
		       stray->range.unit, text.items, text.from, text.ago_s);
}

static void print_strays_json(const struct report *report)
{
	struct stray_text text;
	const struct stray *stray = report->sum.strays.entries;
	const char *comma = "";
	printf(",\"undeclared_ranges\":[");
	for (; stray < report->sum.strays.entries + STRAYS_MAX && stray_format(stray, &text);
	     stray++) {
		printf("%s{\"unit\":%u,\"table\":\"%s\",\"first\":%u,\"count\":%u,"
		       "\"from\":\"%s\",\"times\":%" PRIu64 ",\"ago_s\":%" PRId64 "}",
		       comma, stray->range.unit, text.table, stray->range.first, stray->range.count,
		       text.from, stray->times, text.ago_s);
		comma = ",";
	}
	putchar(']');
}

static void print_text(const struct report *report, const char *image)
{
	int64_t s = seconds_since(report->start_ns);
	printf("server of %s, pid %" PRId64 ", %u worker%s, %" PRIu64 " connections, ", image,
	       report->pid, report->workers, report->workers == 1 ? "" : "s", connections(report));
	if (report->alive)
		printf("up %" PRId64 "d %02d:%02d:%02d\n", s / 86400, (int)(s / 3600 % 24),
		       (int)(s / 60 % 60), (int)(s % 60));
	else
		printf("dead: these are its last counts\n");
	for (const struct row *row = rows; row < rows + ROWS; row++) {
		if (row->count == 0)
			printf("%20" PRIu64 "  %s\n", get(report, row, 0), row->text);
		else
			printf("%s\n", row->text);
		for (unsigned i = 0; i < row->count; i++) {
			const char *function = row->offset == offsetof(struct counters, functions)
						       ? functions[i].name
						       : NULL;
			if (get(report, row, i) != 0)
				printf("%20" PRIu64 "  %10" PRIu64 "%s%s\n", get(report, row, i),
				       key_of(row, i), function ? "  " : "",
				       function ? function : "");
		}
	}
	print_strays_text(report);
}

static void print_json(const struct report *report, const char *image)
{
	printf("{\"image\":");
	json_string(stdout, image);
	printf(",\"alive\":%s,\"pid\":%" PRId64 ",\"workers\":%u,\"connections\":%" PRIu64
	       ",\"start_ns\":%" PRId64,
	       report->alive ? "true" : "false", report->pid, report->workers, connections(report),
	       report->start_ns);
	for (const struct row *row = rows; row < rows + ROWS; row++) {
		if (row->count == 0) {
			printf(",\"%s\":%" PRIu64, row->name, get(report, row, 0));
			continue;
		}
		const char *comma = "";
		printf(",\"%s\":{", row->name);
		for (unsigned i = 0; i < row->count; i++)
			if (get(report, row, i) != 0) {
				printf("%s\"%" PRIu64 "\":%" PRIu64, comma, key_of(row, i),
				       get(report, row, i));
				comma = ",";
			}
		putchar('}');
	}
	print_strays_json(report);
	puts("}");
}

int stats_print(const char *image, bool json)
{
	char path[COUNTERS_PATH_SIZE] = "";
	struct report report;
	int fd = report_open(image, path);
	if (fd < 0) {
		report_missing(image, path, fd);
		return EXIT_FAILURE;
	}
	const char *wrong = report_read(fd, image, &report);
	close(fd);
	if (wrong) {
		log_error("%s: %s", path, wrong);
		return EXIT_FAILURE;
	}
	if (!report.alive)
		log_warn("the server that wrote %s is dead", path);
	(json ? print_json : print_text)(&report, image);
	if (fflush(stdout)) {
		log_error("cannot write to stdout");
		return EXIT_FAILURE;
	}
	return report.alive ? EXIT_SUCCESS : EXIT_FAILURE;
}
