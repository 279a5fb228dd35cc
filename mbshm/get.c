/* get, dump: values as they are now. */
#include "mbshm/get.h"

#include "mbshm/open.h"
#include "mbshm/view.h"

static int print_view(const struct tool *tool, struct mbshm *img, struct view *view)
{
	struct output output;
	view_read(tool, img, view);
	output_begin(&output, stdout, tool->format, false, view_fields);
	view_print(tool, &output, view, NULL);
	output_end(&output);
	tool_flush();
	view_free(view);
	mbshm_close(img);
	return 0;
}

int run_get(struct tool *tool, char **words)
{
	struct view view;
	view_take(tool, words, tool->count, &view);
	return print_view(tool, tool_open(tool, 0), &view);
}

int run_dump(struct tool *tool, char **words)
{
	struct mbshm *img = tool_open(tool, 0);
	struct view view;
	(void)words;
	view_whole(img, &view);
	return print_view(tool, img, &view);
}
