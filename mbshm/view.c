/* Views: spans of the image, read from one version. */
#include "mbshm/view.h"

#include "base/clock.h"
#include "mbshm/open.h"
#include "mbshm/operand.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { READ_TRIES = 1000, READ_NAP_NS = 100 * 1000 };

/* Bytes of the values of count items. */
static size_t values_bytes(enum mbshm_table table, uint32_t count)
{
	return value_type_usual(table) == MBSHM_BOOL ? (count + 7) / 8 : count * sizeof(uint16_t);
}

static void view_add(struct view *view, const struct mbshm_span *span)
{
	if (view->count == MBSHM_SPANS_MAX)
		die(EXIT_USAGE, "too many addresses, expected at most %d", MBSHM_SPANS_MAX);
	struct mbshm_read *read = &view->reads[view->count++];
	*read = (struct mbshm_read){ span->table, span->first, span->count,
				     calloc(1, values_bytes(span->table, span->count)) };
	if (!read->out)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
}

/* The span of an operand; count as in view_take. */
static struct mbshm_span operand_span(const struct tool *tool, const struct operand *operand,
				      uint32_t count)
{
	struct mbshm_span span = operand->span;
	enum mbshm_type type = operand_type(tool, span.table);
	unsigned items = mbshm_type_registers(type);
	uint64_t all = (uint64_t)(count ? count : 1) * items;
	char text[ADDRESS_TEXT_SIZE];
	address_text(&span, text);
	if (operand->range && count)
		die(EXIT_USAGE, "%s: expected either a range or --count", text);
	if (operand->range && span.count % items)
		die(EXIT_USAGE, "%s: expected a multiple of the %u registers of a %s", text, items,
		    mbshm_type_name(type));
	if (operand->range)
		return span;
	if (all > MBSHM_ITEMS - span.first)
		die(EXIT_USAGE, "%s: %u values would end beyond address 65535", text,
		    count ? count : 1);
	span.count = (uint32_t)all;
	return span;
}

void view_take(const struct tool *tool, char **words, uint32_t count, struct view *view)
{
	memset(view, 0, sizeof *view);
	while (*words) {
		struct operand operand = operand_take(&words);
		struct mbshm_span span = operand_span(tool, &operand, count);
		view_add(view, &span);
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
		const struct mbshm_span span = { read->table, read->first, read->count };
		char text[ADDRESS_TEXT_SIZE];
		if (!mbshm_declared(img, span.table, span.first, span.count))
			die(EXIT_FAILURE, "%s: %s", address_text(&span, text), tool_error(-ERANGE));
	}
}

void view_read(const struct tool *tool, struct mbshm *img, struct view *view)
{
	const struct timespec nap = { 0, READ_NAP_NS };
	declared_check(img, view);
	int rc = mbshm_read(img, view->reads, view->count, &view->version);
	/* A handle that only reads cannot take the writer lock against writers that overtake it. */
	for (int tries = 0; rc == -EAGAIN && tries < READ_TRIES; tries++) {
		nanosleep(&nap, NULL);
		rc = mbshm_read(img, view->reads, view->count, &view->version);
	}
	if (rc)
		tool_die(tool, rc);
	view->wall_ns = clock_now_ns(CLOCK_REALTIME);
}

void time_text(int64_t wall_ns, char text[TIME_TEXT_SIZE])
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	struct tm utc;
	size_t used = 0;
	if (gmtime_r(&seconds, &utc))
		used = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + used, 8, ".%03dZ", (int)(wall_ns / 1000000 % 1000));
}

bool view_same(const struct view *a, const struct view *b)
{
	for (unsigned i = 0; i < a->count; i++) {
		const struct mbshm_read *read = &a->reads[i];
		if (memcmp(read->out, b->reads[i].out, values_bytes(read->table, read->count)) != 0)
			return false;
	}
	return true;
}

const struct field view_fields_timed[] = {
	{ "time", FIELD_TEXT, -24 },
	{ "version", FIELD_NUMBER, 0 },
	{ "table", FIELD_TEXT, -8 },
	{ "address", FIELD_NUMBER, 5 },
	{ "type", FIELD_TEXT, 0 },
	{ "value", FIELD_NUMBER, 1 },
	{ 0 },
};

/* Print the value at items index.. of a read, unless last, the same read, has it too. */
static void value_print(const struct tool *tool, struct output *output, const char *time,
			const char *version, const struct mbshm_read *read, uint32_t index,
			const struct mbshm_read *last)
{
	enum mbshm_type type = operand_type(tool, read->table);
	char address[8], value[VALUE_TEXT_SIZE], before[VALUE_TEXT_SIZE];
	value_text(type, tool->order, read->out, index, value);
	if (last && !strcmp(value, value_text(type, tool->order, last->out, index, before)))
		return;
	snprintf(address, sizeof address, "%u", read->first + index);
	const char *const texts[] = {
		time, version, mbshm_table_name(read->table), address, mbshm_type_name(type), value
	};
	output_record(output, output->fields == view_fields_timed ? texts : texts + 1);
}

void view_print(const struct tool *tool, struct output *output, const struct view *view,
		const struct view *last)
{
	char version[24], time[TIME_TEXT_SIZE];
	time_text(view->wall_ns, time);
	snprintf(version, sizeof version, "%" PRIu64, view->version);
	for (unsigned i = 0; i < view->count; i++) {
		const struct mbshm_read *read = &view->reads[i];
		unsigned items = mbshm_type_registers(operand_type(tool, read->table));
		for (uint32_t k = 0; k < read->count; k += items)
			value_print(tool, output, time, version, read, k,
				    last ? &last->reads[i] : NULL);
	}
}
