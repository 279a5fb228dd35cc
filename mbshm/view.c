#include "mbshm/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READ_TRIES = 1000, READ_NAP_NS = 100 * 1000 };

static void view_add(struct view *view, const struct mbshm_span *span)
{
	size_t bytes =
		span->table >= MBSHM_HOLDING_REGISTERS ? span->count * 2 : (span->count + 7) / 8;
	void *out = calloc(1, bytes);
	if (view->count == MBSHM_SPANS_MAX)
		die(EXIT_USAGE, "too many addresses, expected at most %d", MBSHM_SPANS_MAX);
	if (!out)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	view->reads[view->count++] =
		(struct mbshm_read){ span->table, span->first, span->count, out };
}

void view_take(const struct tool *tool, int argc, char **argv, uint32_t count, struct view *view)
{
	memset(view, 0, sizeof *view);
	while (argc > 0) {
		struct operand operand = operand_take(&argc, &argv);
		struct mbshm_span *span = &operand.span;
		unsigned items = mbshm_type_registers(operand_type(tool, span->table));
		if (operand.range && count)
			die(EXIT_USAGE, "%s: expected either a range or --count",
			    span_text(span->table, span->first, span->count));
		if (operand.range && span->count % items)
			die(EXIT_USAGE, "%s: expected a multiple of the %u registers of a %s",
			    span_text(span->table, span->first, span->count), items,
			    mbshm_type_name(tool->type));
		if (!operand.range) {
			uint64_t all = (uint64_t)(count ? count : 1) * items;
			if (all > MBSHM_ITEMS - span->first)
				die(EXIT_USAGE, "%s: %u values lead beyond address 65535",
				    span_text(span->table, span->first, 1), count ? count : 1);
			span->count = (uint32_t)all;
		}
		view_add(view, span);
	}
}

void view_whole(const struct mbshm *img, struct view *view)
{
	const struct mbshm_layout *layout = mbshm_layout_of(img);
	memset(view, 0, sizeof *view);
	for (unsigned i = 0; i < layout->span_count; i++)
		view_add(view, &layout->spans[i]);
}

void view_copy(const struct view *view, struct view *copy)
{
	memset(copy, 0, sizeof *copy);
	for (unsigned i = 0; i < view->count; i++)
		view_add(copy, &(struct mbshm_span){ view->reads[i].table, view->reads[i].first,
						     view->reads[i].count });
}

void view_free(struct view *view)
{
	for (unsigned i = 0; i < view->count; i++)
		free(view->reads[i].out);
	view->count = 0;
}

static void declared_check(const struct mbshm *img, const struct view *view)
{
	for (unsigned i = 0; i < view->count; i++) {
		const struct mbshm_read *read = &view->reads[i];
		if (!mbshm_declared(img, read->table, read->first, read->count))
			die(EXIT_FAILURE, "%s: %s",
			    span_text(read->table, read->first, read->count), tool_error(-ERANGE));
	}
}

void view_read(const struct tool *tool, struct mbshm *img, struct view *view)
{
	struct timespec nap = { 0, READ_NAP_NS };
	int rc;
	declared_check(img, view);
	/* Reading only, there is no writer lock to take against writers that overtake. */
	for (int tries = 0;
	     (rc = mbshm_read(img, view->reads, view->count, &view->version)) == -EAGAIN &&
	     tries < READ_TRIES;
	     tries++)
		nanosleep(&nap, NULL);
	if (rc)
		die(EXIT_FAILURE, "image %s: %s", tool->plant->image.name, tool_error(rc));
}

const struct field view_fields[] = {
	{ "version", FIELD_NUMBER, 0 }, { "table", FIELD_TEXT, -8 },
	{ "address", FIELD_NUMBER, 5 }, { "type", FIELD_TEXT, 0 },
	{ "value", FIELD_NUMBER, 1 },   { 0 },
};

uint32_t view_print(const struct tool *tool, struct output *output, const struct view *view,
		    const struct view *last)
{
	char version[24], address[8], value[VALUE_TEXT_SIZE], before[VALUE_TEXT_SIZE];
	uint32_t printed = 0;
	snprintf(version, sizeof version, "%" PRIu64, view->version);
	for (unsigned i = 0; i < view->count; i++) {
		const struct mbshm_read *read = &view->reads[i];
		enum mbshm_type type = operand_type(tool, read->table);
		for (uint32_t k = 0; k < read->count; k += mbshm_type_registers(type)) {
			value_text(type, tool->order, read->out, k, value);
			if (last) {
				value_text(type, tool->order, last->reads[i].out, k, before);
				if (!strcmp(value, before))
					continue;
			}
			snprintf(address, sizeof address, "%u", read->first + k);
			output_record(output, (const char *const[]){
						      version, mbshm_table_name(read->table),
						      address, mbshm_type_name(type), value });
			printed++;
		}
	}
	return printed;
}
