/* get, dump, set: values as they are now. */
#include "mbshm/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int print_view(const struct tool *tool, struct mbshm *img, struct view *view)
{
	struct output output;
	view_read(tool, img, view);
	output_begin(&output, tool->format, false, view_fields);
	view_print(tool, &output, view, NULL);
	output_end(&output);
	view_free(view);
	mbshm_close(img);
	return 0;
}

int run_get(struct tool *tool, int argc, char **argv)
{
	struct view view;
	view_take(tool, argc, argv, tool->count, &view);
	return print_view(tool, tool_open(tool, 0), &view);
}

int run_dump(struct tool *tool, int argc, char **argv)
{
	struct mbshm *img = tool_open(tool, 0);
	struct view view;
	(void)argc, (void)argv;
	view_whole(img, &view);
	return print_view(tool, img, &view);
}

/* ---- set ----------------------------------------------------------------------------------- */

/* Values for a span: data holds them all. */
struct assignment {
	struct mbshm_span span;
	void *data;
	bool expect;
};

struct assignments {
	unsigned count;
	struct assignment *list;
};

/* values: words for consecutive values; one value fills a range. */
static void assign(const struct tool *tool, struct assignments *to, const struct operand *operand,
		   char **values, unsigned count, bool expect)
{
	const char *where = span_text(operand->span.table, operand->span.first,
				      operand->range ? operand->span.count : 1);
	enum mbshm_type type = operand_type(tool, operand->span.table),
			items = mbshm_type_registers(type);
	struct assignment added = { operand->span, NULL, expect };
	uint32_t all = operand->range ? operand->span.count / items : count;
	if (!count)
		die(EXIT_USAGE, "%s: expected a value", where);
	if (operand->range && (operand->span.count % items || (count != 1 && count != all)))
		die(EXIT_USAGE, "%s: %u values of %s, expected one, or one for each", where, count,
		    mbshm_type_name(type));
	added.span.count = all * items;
	if (added.span.count > MBSHM_ITEMS - added.span.first)
		die(EXIT_USAGE, "%s: %u values lead beyond address 65535", where, count);
	added.data = calloc(added.span.count, 2);
	to->list = reallocarray(to->list, to->count + 1, sizeof *to->list);
	if (!added.data || !to->list)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	for (uint32_t i = 0; i < all; i++) {
		const char *value = values[count == 1 ? 0 : i];
		const char *expected = value_parse(type, tool->order, value, added.data, i * items);
		if (expected)
			die(EXIT_USAGE, "%s: '%s', expected %s",
			    span_text(added.span.table, added.span.first + i * items, 1), value,
			    expected);
	}
	to->list[to->count++] = added;
}

/* ADDRESS=VALUE[,VALUE...]; false: without "=". */
static bool assign_joined(const struct tool *tool, struct assignments *to, const char *text,
			  bool expect)
{
	char copy[4096], *values[sizeof copy / 2], *at;
	struct operand operand;
	unsigned count = 0;
	if (!strchr(text, '='))
		return false;
	if (strlen(text) >= sizeof copy)
		die(EXIT_USAGE, "'%.40s...': too long, expected at most %zu characters", text,
		    sizeof copy - 1);
	strcpy(copy, text);
	at = strchr(copy, '=');
	*at++ = '\0';
	if (!address_parse(copy, &operand.span, &operand.range))
		die(EXIT_USAGE, "'%s': expected ADDRESS=VALUE, such as holding:1000=7", text);
	while (at)
		values[count++] = strsep(&at, ",");
	assign(tool, to, &operand, values, count, expect);
	return true;
}

static void assignments_take(const struct tool *tool, int argc, char **argv, struct assignments *to)
{
	while (argc > 0) {
		if (assign_joined(tool, to, argv[0], false)) {
			argc--, argv++;
			continue;
		}
		struct operand operand = operand_take(&argc, &argv);
		unsigned count = 0;
		while ((int)count < argc && !operand_ahead(argc - (int)count, argv + count))
			count++;
		assign(tool, to, &operand, argv, count, false);
		argc -= (int)count;
		argv += count;
	}
	for (unsigned i = 0; i < tool->expect_count; i++)
		if (!assign_joined(tool, to, tool->expect[i], true))
			die(EXIT_USAGE,
			    "--expect '%s': expected ADDRESS=VALUE, such as holding:1000=7",
			    tool->expect[i]);
}

static int assignment_stage(struct mbshm_txn *txn, const struct assignment *assignment)
{
	const struct mbshm_span *span = &assignment->span;
	const struct mbshm_write write = { span->table, span->first, span->count,
					   assignment->data };
	return assignment->expect ? mbshm_txn_expect(txn, &write, 1)
				  : mbshm_txn_write(txn, &write, 1);
}

int run_set(struct tool *tool, int argc, char **argv)
{
	const struct mbshm_origin origin = { .kind = MBSHM_ORIGIN_LOCAL };
	struct assignments assignments = { 0, NULL };
	struct mbshm *img;
	struct mbshm_txn *txn = mbshm_txn_new(64);
	uint64_t version = 0;
	int rc = 0;
	assignments_take(tool, argc, argv, &assignments);
	img = tool_open(tool, MBSHM_WRITE);
	if (!txn)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, &origin);
	for (unsigned i = 0; i < assignments.count && !rc; i++) {
		const struct mbshm_span *span = &assignments.list[i].span;
		rc = assignment_stage(txn, &assignments.list[i]);
		if (rc)
			log_error("%s: %s", span_text(span->table, span->first, span->count),
				  tool_error(rc));
		free(assignments.list[i].data);
	}
	if (!rc) {
		rc = mbshm_txn_commit(txn, TOOL_TIMEOUT_US, &version);
		if (rc == -ECANCELED)
			log_error("refused, nothing is changed: version %" PRIu64
				  " does not have the expected values",
				  version);
		else if (rc)
			log_error("image %s: %s", tool->plant->image.name, tool_error(rc));
	}
	free(assignments.list);
	mbshm_txn_free(txn);
	mbshm_close(img);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
