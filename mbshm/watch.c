/* watch: values as they change. */
#include "mbshm/tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
	CELL = 26,
	PAUSE_NS = 100 * 1000 * 1000
}; /* a screen need not change faster than it can be read */

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

/* The whole screen anew: as many values as it has room for, the changed ones reversed and starred.
 */
static void screen_print(const struct tool *tool, const struct view *view, const struct view *last)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	unsigned across, left, cell = 0, hidden = 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row < 3 || size.ws_col < CELL)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	across = size.ws_col / CELL;
	left = across * (size.ws_row - 3u);
	printf("\033[H\033[J%s  version %" PRIu64 "\n", tool->plant->image.name, view->version);
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
	output_flush();
}

/* Does the new view differ from the last? */
static bool differs(const struct view *view, const struct view *last)
{
	for (unsigned i = 0; i < view->count; i++) {
		const struct mbshm_read *read = &view->reads[i];
		size_t bytes = read->table >= MBSHM_HOLDING_REGISTERS ? read->count * 2
								      : (read->count + 7) / 8;
		if (memcmp(read->out, last->reads[i].out, bytes) != 0)
			return true;
	}
	return false;
}

int run_watch(struct tool *tool, int argc, char **argv)
{
	bool screen = tool->format == FORMAT_TABLE && isatty(STDOUT_FILENO);
	struct timespec pause = { 0, PAUSE_NS };
	struct view views[2], *view = &views[0], *last = &views[1];
	struct mbshm *img = NULL;
	struct output output;
	if (argc) {
		view_take(tool, argc, argv, 0, view);
		img = tool_open(tool, 0);
	} else {
		img = tool_open(tool, 0);
		view_whole(img, view);
	}
	view_copy(view, last);
	view_read(tool, img, view);
	output_begin(&output, tool->format, true, view_fields);
	if (screen)
		screen_print(tool, view, NULL);
	else
		view_print(tool, &output, view, NULL);
	output_flush();
	for (uint32_t updates = 0; !tool->count || updates < tool->count;) {
		struct view *swap = last;
		last = view;
		view = swap;
		tool_wait(tool, &img, last->version);
		view_read(tool, img, view);
		if (!differs(view, last))
			continue;
		updates++;
		if (screen) {
			screen_print(tool, view, last);
			nanosleep(&pause, NULL);
		} else {
			view_print(tool, &output, view, last);
			output_flush();
		}
	}
	output_end(&output);
	view_free(view);
	view_free(last);
	mbshm_close(img);
	return 0;
}
