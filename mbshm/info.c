/* info: what the image is, and how it is doing. */
#include "mbshm/info.h"

#include "base/clock.h"
#include "base/json.h"
#include "mbshm/open.h"
#include "mbshm/view.h"

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { MEASURE_MS = 500, STATUS_TRIES = 1000, AGE_SIZE = 32 };

struct report {
	const char *name;
	bool has_file; /* whose owner the rest tells */
	struct stat file;
	const char *owner, *group; /* NULL: they have no name */
	const struct mbshm_layout *layout;
	struct mbshm_status status;
	double publishes_per_s;
	unsigned reads; /* of the whole image, while that was measured */
	uint64_t retries;
	unsigned source_count;
	struct mbshm_source sources[MBSHM_SOURCES_MAX];
};

/* ---- what there is to report --------------------------------------------------------------- */

static void report_file(struct report *report)
{
	report->has_file = !mbshm_stat(report->name, &report->file);
	if (!report->has_file)
		return;
	const struct passwd *user = getpwuid(report->file.st_uid);
	const struct group *group = getgrgid(report->file.st_gid);
	report->owner = user ? user->pw_name : NULL;
	report->group = group ? group->gr_name : NULL;
}

static void report_sources(struct report *report, const struct mbshm *img)
{
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++)
		if (!mbshm_source_get(img, i, &report->sources[report->source_count]))
			report->source_count++;
}

static struct mbshm_status status_read(const struct tool *tool, struct mbshm *img)
{
	struct mbshm_status status;
	int rc = -EAGAIN;
	for (int tries = 0; rc == -EAGAIN && tries < STATUS_TRIES; tries++)
		rc = mbshm_status(img, &status);
	if (rc)
		tool_die(tool, rc);
	return status;
}

/* Read the whole image repeatedly for MEASURE_MS: how fast is it published, and how often does that
 * overtake a reader? */
static void report_rate(struct report *report, const struct tool *tool, struct mbshm *img)
{
	const struct mbshm_status before = status_read(tool, img);
	const struct timespec nap = { 0, 1000000 };
	int64_t start = clock_mono_ns();
	struct view view;
	view_whole(img, &view);
	for (; clock_mono_ns() - start < MEASURE_MS * INT64_C(1000000); report->reads++) {
		view_read(tool, img, &view);
		nanosleep(&nap, NULL);
	}
	view_free(&view);
	report->status = status_read(tool, img);
	report->publishes_per_s = (double)(report->status.version - before.version) * 1e9 /
				  (double)(clock_mono_ns() - start);
	report->retries = report->status.retries - before.retries;
}

/* ---- text ---------------------------------------------------------------------------------- */

/* How long ago a moment of the monotonic clock was. */
static double age_s(int64_t mono_ns)
{
	int64_t age_ns = clock_mono_ns() - mono_ns;
	return age_ns > 0 ? (double)age_ns / 1e9 : 0;
}

static const char *age_text(int64_t mono_ns, char text[AGE_SIZE])
{
	double age = age_s(mono_ns);
	if (age < 60)
		snprintf(text, AGE_SIZE, "%.2f s", age);
	else if (age < 7200)
		snprintf(text, AGE_SIZE, "%.1f min", age / 60);
	else
		snprintf(text, AGE_SIZE, "%.1f h", age / 3600);
	return text;
}

static void print_file(const struct report *report)
{
	const struct stat *file = &report->file;
	if (!report->has_file)
		return;
	printf("owner       %u", (unsigned)file->st_uid);
	if (report->owner)
		printf(" (%s)", report->owner);
	printf(", group %u", (unsigned)file->st_gid);
	if (report->group)
		printf(" (%s)", report->group);
	printf(", mode %04o\n", (unsigned)file->st_mode & 07777);
}

static void print_layout(const struct mbshm_layout *layout)
{
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		bool new = !i || span->table != span[-1].table;
		if (new)
			printf("%s%-11s ", i ? "\n" : "", mbshm_table_name(span->table));
		printf("%s%u-%u", new ? "" : ",", span->first, span->first + span->count - 1);
	}
	putchar('\n');
}

static void info_text(const struct report *report)
{
	const struct mbshm_status *status = &report->status;
	char age[AGE_SIZE];
	printf("image       %s, %" PRIu64 " KiB\n", report->name, status->size_bytes / 1024);
	print_file(report);
	print_layout(report->layout);
	printf("version     %" PRIu64 ", published %s ago\n", status->version,
	       age_text(status->mono_ns, age));
	printf("rate        %.1f publishes/s, over %d ms\n", report->publishes_per_s, MEASURE_MS);
	printf("retries     %" PRIu64 ", in %u reads of the whole image\n", report->retries,
	       report->reads);
	printf("pool        %u pages: %u live, 1 root, %u free\n", status->pool_pages,
	       status->live_pages, status->free_pages);
	printf("steals      %" PRIu64 "\n", status->steals);
	printf("journal     %" PRIu64 " entries so far\n", status->journal_next - 1);
	for (unsigned i = 0; i < report->source_count; i++) {
		const struct mbshm_source *source = &report->sources[i];
		printf("source      %s: %s ago, version %" PRIu64 ", %" PRIu64 " commits\n",
		       source->name, age_text(source->mono_ns, age), source->version,
		       source->commits);
	}
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void json_file(const struct report *report)
{
	if (!report->has_file)
		return;
	printf(",\"uid\":%u,\"gid\":%u,\"mode\":\"%04o\"", (unsigned)report->file.st_uid,
	       (unsigned)report->file.st_gid, (unsigned)report->file.st_mode & 07777);
	if (report->owner) {
		printf(",\"owner\":");
		json_string(stdout, report->owner);
	}
	if (report->group) {
		printf(",\"group\":");
		json_string(stdout, report->group);
	}
}

static void json_layout(const struct mbshm_layout *layout)
{
	printf(",\"ranges\":[");
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		printf("%s{\"table\":\"%s\",\"first\":%u,\"count\":%u}", i ? "," : "",
		       mbshm_table_name(span->table), span->first, span->count);
	}
	putchar(']');
}

static void json_sources(const struct report *report)
{
	printf(",\"sources\":[");
	for (unsigned i = 0; i < report->source_count; i++) {
		const struct mbshm_source *source = &report->sources[i];
		printf("%s{\"name\":", i ? "," : "");
		json_string(stdout, source->name);
		printf(",\"age_s\":%.3f,\"version\":%" PRIu64 ",\"commits\":%" PRIu64 "}",
		       age_s(source->mono_ns), source->version, source->commits);
	}
	putchar(']');
}

static void info_json(const struct report *report)
{
	const struct mbshm_status *status = &report->status;
	printf("{\"image\":");
	json_string(stdout, report->name);
	printf(",\"size_bytes\":%" PRIu64, status->size_bytes);
	json_file(report);
	json_layout(report->layout);
	printf(",\"version\":%" PRIu64 ",\"age_s\":%.3f,\"publishes_per_s\":%.1f"
	       ",\"reads\":%u,\"retries\":%" PRIu64,
	       status->version, age_s(status->mono_ns), report->publishes_per_s, report->reads,
	       report->retries);
	printf(",\"pool_pages\":%u,\"live_pages\":%u,\"free_pages\":%u,\"steals\":%" PRIu64
	       ",\"journal_entries\":%" PRIu64,
	       status->pool_pages, status->live_pages, status->free_pages, status->steals,
	       status->journal_next - 1);
	json_sources(report);
	puts("}");
}

int run_info(struct tool *tool, char **words)
{
	struct report report = { .name = tool->plant->image.name };
	(void)words;
	if (tool->format == FORMAT_CSV)
		die(EXIT_USAGE, "info: --format csv, expected table or json");
	struct mbshm *img = tool_open(tool, 0);
	report.layout = mbshm_layout_of(img);
	report_file(&report);
	report_rate(&report, tool, img);
	report_sources(&report, img);
	(tool->format == FORMAT_JSON ? info_json : info_text)(&report);
	tool_flush();
	mbshm_close(img);
	return 0;
}
