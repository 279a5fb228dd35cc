/* set: change values, all in one version. */
#include "mbshm/set.h"

#include "base/clock.h"
#include "mbshm/open.h"
#include "mbshm/operand.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { JOINED_SIZE = 4096, TXN_WORDS = 64 };

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

/* ---- the command line ---------------------------------------------------------------------- */

/* How many values of type the assignment has, when count were given: one value fills a range. */
static uint32_t values_wanted(const struct operand *operand, enum mbshm_type type, unsigned count)
{
	const struct mbshm_span *span = &operand->span;
	unsigned items = mbshm_type_registers(type);
	char text[ADDRESS_TEXT_SIZE];
	address_text(span, text);
	if (!count)
		die(EXIT_USAGE, "%s: expected a value", text);
	if (operand->range && (span->count % items || (count > 1 && count != span->count / items)))
		die(EXIT_USAGE, "%s: %u values of type %s, expected one for all or one for each",
		    text, count, mbshm_type_name(type));
	if (!operand->range && count * items > MBSHM_ITEMS - span->first)
		die(EXIT_USAGE, "%s: %u values would end beyond address 65535", text, count);
	return operand->range ? span->count / items : count;
}

/* values: count words, for consecutive values. */
static void assignment_add(const struct tool *tool, struct assignments *to,
			   const struct operand *operand, char **values, unsigned count,
			   bool expect)
{
	enum mbshm_type type = operand_type(tool, operand->span.table);
	unsigned items = mbshm_type_registers(type);
	uint32_t wanted = values_wanted(operand, type, count);
	struct assignment added = { operand->span, calloc(wanted, items * 2), expect };
	added.span.count = wanted * items;
	to->list = reallocarray(to->list, to->count + 1, sizeof *to->list);
	if (!added.data || !to->list)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	for (uint32_t i = 0; i < wanted; i++) {
		const struct mbshm_span at = { added.span.table, added.span.first + i * items, 1 };
		const char *value = values[count == 1 ? 0 : i];
		const char *expected = value_parse(type, tool->order, value, added.data, i * items);
		char text[ADDRESS_TEXT_SIZE];
		if (expected)
			die(EXIT_USAGE, "%s: '%s', expected %s", address_text(&at, text), value,
			    expected);
	}
	to->list[to->count++] = added;
}

/* ADDRESS=VALUE[,VALUE...]; false: without "=". */
static bool joined_add(const struct tool *tool, struct assignments *to, const char *text,
		       bool expect)
{
	char copy[JOINED_SIZE], *values[JOINED_SIZE], *rest = copy;
	struct operand operand;
	unsigned count = 0;
	if (!strchr(text, '='))
		return false;
	if (strlen(text) >= sizeof copy)
		die(EXIT_USAGE, "'%.40s...': too long, expected at most %zu characters", text,
		    sizeof copy - 1);
	strcpy(copy, text);
	const char *address = strsep(&rest, "=");
	if (!address_parse(address, &operand.span, &operand.range))
		die(EXIT_USAGE, "'%s': expected ADDRESS=VALUE, such as holding:1000=7", text);
	while (rest)
		values[count++] = strsep(&rest, ",");
	assignment_add(tool, to, &operand, values, count, expect);
	return true;
}

static void words_add(const struct tool *tool, struct assignments *to, char **words)
{
	while (*words) {
		if (joined_add(tool, to, *words, false)) {
			words++;
			continue;
		}
		struct operand operand = operand_take(&words);
		unsigned count = 0;
		while (words[count] && !operand_begins(words[count]))
			count++;
		assignment_add(tool, to, &operand, words, count, false);
		words += count;
	}
}

static void expectations_add(const struct tool *tool, struct assignments *to)
{
	for (unsigned i = 0; i < tool->expect_count; i++)
		if (!joined_add(tool, to, tool->expect[i], true))
			die(EXIT_USAGE,
			    "--expect '%s': expected ADDRESS=VALUE, such as holding:1000=7",
			    tool->expect[i]);
}

static void assignments_free(struct assignments *assignments)
{
	for (unsigned i = 0; i < assignments->count; i++)
		free(assignments->list[i].data);
	free(assignments->list);
}

/* ---- the transaction ----------------------------------------------------------------------- */

/* 0, or -errno that was logged. */
static int assignment_stage(struct mbshm_txn *txn, const struct assignment *assignment)
{
	const struct mbshm_span *span = &assignment->span;
	const struct mbshm_write write = { span->table, span->first, span->count,
					   assignment->data };
	char text[ADDRESS_TEXT_SIZE];
	int rc = assignment->expect ? mbshm_txn_expect(txn, &write, 1)
				    : mbshm_txn_write(txn, &write, 1);
	if (rc)
		log_error("%s: %s", address_text(span, text), tool_error(rc));
	return rc;
}

/* 0, or -errno that was logged. */
static int commit(const struct tool *tool, struct mbshm_txn *txn)
{
	uint64_t version = 0;
	int rc = mbshm_txn_commit(txn, TOOL_TIMEOUT_US, &version);
	if (rc == -ECANCELED)
		log_error("refused, nothing changed: version %" PRIu64
			  " does not have the expected values",
			  version);
	else if (rc)
		log_error("image %s: %s", tool->plant->image.name, tool_error(rc));
	return rc;
}

/* ---- the simulator ------------------------------------------------------------------------- */

/* Does it make steps?  It shows itself with each; the second allows for a busy machine. */
static bool simulator_lives(const struct tool *tool, const struct mbshm *img)
{
	const struct plant_simulator *simulator = &tool->plant->simulator;
	int64_t most_ns = ((int64_t)simulator->period_ms * 2 + 1000) * 1000000;
	struct mbshm_source source;
	for (unsigned i = 0; i < MBSHM_SOURCES_MAX; i++)
		if (!mbshm_source_get(img, i, &source) && !strcmp(source.name, simulator->source))
			return clock_mono_ns() - source.mono_ns < most_ns;
	return false;
}

static bool assigned(const struct assignments *assignments, const struct plant_point *point)
{
	for (unsigned i = 0; i < assignments->count; i++) {
		const struct assignment *assignment = &assignments->list[i];
		const struct mbshm_span *span = &assignment->span;
		if (!assignment->expect && point->table == span->table &&
		    point->addr >= span->first && point->addr - span->first < span->count)
			return true;
	}
	return false;
}

/* Of these values the next step leaves nothing. */
static void warn_of_points(const struct tool *tool, const struct mbshm *img,
			   const struct assignments *assignments)
{
	const struct plant *plant = tool->plant;
	if (!simulator_lives(tool, img))
		return;
	for (unsigned i = 0; i < plant->point_count; i++) {
		const struct plant_point *point = &plant->points[i];
		const struct mbshm_span at = { point->table, point->addr, 1 };
		char text[ADDRESS_TEXT_SIZE];
		if (assigned(assignments, point))
			log_warn("%s is the point \"%s\": the simulator's next step overwrites it",
				 address_text(&at, text), point->name);
	}
}

/* ---- the command --------------------------------------------------------------------------- */

int run_set(struct tool *tool, char **words)
{
	const struct mbshm_origin origin = tool_origin();
	struct assignments assignments = { 0, NULL };
	int rc = 0;
	words_add(tool, &assignments, words);
	expectations_add(tool, &assignments);
	struct mbshm *img = tool_open(tool, MBSHM_WRITE);
	struct mbshm_txn *txn = mbshm_txn_new(TXN_WORDS);
	if (!txn)
		die(EXIT_FAILURE, "%s", strerror(ENOMEM));
	mbshm_txn_begin(txn, img);
	mbshm_txn_journal(txn, &origin);
	for (unsigned i = 0; i < assignments.count && !rc; i++)
		rc = assignment_stage(txn, &assignments.list[i]);
	if (!rc)
		rc = commit(tool, txn);
	if (!rc)
		warn_of_points(tool, img, &assignments);
	assignments_free(&assignments);
	mbshm_txn_free(txn);
	mbshm_close(img);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
