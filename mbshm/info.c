/* info: what the image is, and how it is doing. */
#include "mbshm/info.h"

#include "base/clock.h"
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

/* How long ago a moment of the monotonic clock was. */
static const char *age_text(int64_t mono_ns, char text[AGE_SIZE])
{
	double age = (double)(clock_mono_ns() - mono_ns) / 1e9;
	if (age < 60)
		snprintf(text, AGE_SIZE, "%.2f s", age < 0 ? 0 : age);
	else if (age < 7200)
		snprintf(text, AGE_SIZE, "%.1f min", age / 60);
	else
		snprintf(text, AGE_SIZE, "%.1f h", age / 3600);
	return text;
}

static void print_file(const struct plant *plant)
{
	struct stat st;
	if (mbshm_stat(plant->image.name, &st))
		return;
	const struct passwd *user = getpwuid(st.st_uid);
	const struct group *group = getgrgid(st.st_gid);
	printf("owner       %u", (unsigned)st.st_uid);
	if (user)
		printf(" (%s)", user->pw_name);
	printf(", group %u", (unsigned)st.st_gid);
	if (group)
		printf(" (%s)", group->gr_name);
	printf(", mode %04o\n", (unsigned)st.st_mode & 07777);
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

static void print_sources(const struct mbshm *img)
{
	struct mbshm_source source;
	char age[AGE_SIZE];
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++)
		if (!mbshm_source_get(img, i, &source))
			printf("source      %s: %s ago, version %" PRIu64 ", %" PRIu64 " commits\n",
			       source.name, age_text(source.mono_ns, age), source.version,
			       source.commits);
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
static void measure_rate(const struct tool *tool, struct mbshm *img)
{
	struct mbshm_status before = status_read(tool, img), after;
	const struct timespec nap = { 0, 1000000 };
	int64_t start = clock_mono_ns();
	unsigned reads = 0;
	struct view view;
	view_whole(img, &view);
	for (; clock_mono_ns() - start < MEASURE_MS * INT64_C(1000000); reads++) {
		view_read(tool, img, &view);
		nanosleep(&nap, NULL);
	}
	view_free(&view);
	after = status_read(tool, img);
	printf("rate        %.1f publishes/s, over %d ms\n",
	       (double)(after.version - before.version) * 1e9 / (double)(clock_mono_ns() - start),
	       MEASURE_MS);
	printf("retries     %" PRIu64 ", in %u reads of the whole image\n",
	       after.retries - before.retries, reads);
}

int run_info(struct tool *tool, char **words)
{
	struct mbshm *img = tool_open(tool, 0);
	struct mbshm_status status = status_read(tool, img);
	char age[AGE_SIZE];
	(void)words;
	printf("image       %s, %" PRIu64 " KiB\n", tool->plant->image.name,
	       status.size_bytes / 1024);
	print_file(tool->plant);
	print_layout(mbshm_layout_of(img));
	printf("version     %" PRIu64 ", published %s ago\n", status.version,
	       age_text(status.mono_ns, age));
	measure_rate(tool, img);
	printf("pool        %u pages: %u live, 1 root, %u free\n", status.pool_pages,
	       status.live_pages, status.free_pages);
	printf("steals      %" PRIu64 "\n", status.steals);
	printf("journal     %" PRIu64 " entries so far\n", status.journal_next - 1);
	print_sources(img);
	tool_flush();
	mbshm_close(img);
	return 0;
}
