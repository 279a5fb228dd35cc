/* watch: values as they change. */
#include "mbshm/watch.h"

#include "mbshm/open.h"
#include "mbshm/operand.h"
#include "mbshm/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
	CELL = 26,                    /* columns of a value */
	PAUSE_NS = 100 * 1000 * 1000, /* a screen need not change faster than it can be read */
};

static void cell_print(const struct tool *tool, const struct mbshm_read *read, uint32_t index,
		       const void *last)
{
	enum mbshm_type type = operand_type(tool, read->table);
	char value[VALUE_TEXT_SIZE], before[VALUE_TEXT_SIZE];
	bool changed = false;
	value_text(type, tool->order, read->out, index, value);
	if (last) {
		value_text(type, tool->order, last, index, before);
		changed = strcmp(value, before) != 0;
	}
	printf("%s%-8s %5u %9s%s%s", changed ? "\033[7m" : "", mbshm_table_name(read->table),
	       read->first + index, value, changed ? "*" : " ", changed ? "\033[27m" : "");
}

static struct winsize screen_size(void)
{
	static const struct winsize usual = { .ws_row = 24, .ws_col = 80 };
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 3 || size.ws_col < CELL)
		return usual;
	return size;
}

/* The whole screen: as many values as it has room for, the changed ones reversed and starred. */
static void screen_print(const struct tool *tool, const struct view *view, const struct view *last)
{
	struct winsize size = screen_size();
	unsigned across = size.ws_col / CELL, left = across * (size.ws_row - 3u);
	unsigned cell = 0, hidden = 0;
	char time[TIME_TEXT_SIZE];
	time_text(view->wall_ns, time);
	printf("\033[H\033[J%s  version %" PRIu64 "  %s\n", tool->plant->image.name, view->version,
	       time);
	for (unsigned i = 0; i < view->count; i++)
		for (uint32_t k = 0; k < view->reads[i].count;
		     k += mbshm_type_registers(operand_type(tool, view->reads[i].table))) {
			if (!left) {
				hidden++;
				continue;
			}
			left--;
			cell_print(tool, &view->reads[i], k, last ? last->reads[i].out : NULL);
			fputs(++cell % across ? "  " : "\n", stdout);
		}
	if (cell % across)
		putchar('\n');
	if (hidden)
		printf("and %u more\n", hidden);
	tool_flush();
}

struct watch {
	struct mbshm *img;
	struct view views[2], *view, *last;
	struct output output;
	bool screen; /* the whole of it at each change; else a stream of records */
};

static void watch_open(struct watch *watch, const struct tool *tool, char **words)
{
	watch->view = &watch->views[0];
	watch->last = &watch->views[1];
	watch->screen = tool->format == FORMAT_TABLE && isatty(STDOUT_FILENO);
	/* An error of the command line comes before one of the image. */
	if (*words)
		view_take(tool, words, 0, watch->view);
	watch->img = tool_open(tool, 0);
	if (!*words)
		view_whole(watch->img, watch->view);
	view_copy(watch->view, watch->last);
	view_read(tool, watch->img, watch->view);
	output_begin(&watch->output, stdout, tool->format, true, view_fields_timed);
}

static void watch_close(struct watch *watch)
{
	output_end(&watch->output);
	tool_flush();
	view_free(watch->view);
	view_free(watch->last);
	mbshm_close(watch->img);
}

/* last: what is there already; NULL: nothing. */
static void watch_print(struct watch *watch, const struct tool *tool, const struct view *last)
{
	const struct timespec pause = { 0, PAUSE_NS };
	if (watch->screen) {
		screen_print(tool, watch->view, last);
		nanosleep(&pause, NULL);
	} else {
		view_print(tool, &watch->output, watch->view, last);
		tool_flush();
	}
}

/* Wait until a value has changed. */
static void watch_wait(struct watch *watch, const struct tool *tool)
{
	struct view *view = watch->last;
	watch->last = watch->view;
	watch->view = view;
	do {
		tool_wait(tool, &watch->img, watch->last->version);
		view_read(tool, watch->img, view);
		watch->last->version = view->version;
	} while (view_same(view, watch->last));
}

int run_watch(struct tool *tool, char **words)
{
	struct watch watch;
	if (!*words && (tool_given(tool, OPTION_TYPE) || tool_given(tool, OPTION_ORDER)))
		die(EXIT_USAGE, "watch: expected an ADDRESS with --type or --order, since not all "
				"tables and ranges fit one type");
	watch_open(&watch, tool, words);
	watch_print(&watch, tool, NULL);
	for (uint32_t updates = 0; !tool->count || updates < tool->count; updates++) {
		watch_wait(&watch, tool);
		watch_print(&watch, tool, watch.last);
	}
	watch_close(&watch);
	return 0;
}
