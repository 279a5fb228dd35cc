/* What a device has beside registers: stale values, files, FIFOs, exception status, server id. */
#include "plant/devices.h"

#include "plant/kinds.h"
#include "plant/lists.h"
#include "point/address.h"

#include <stdio.h>
#include <string.h>

/* ---- kinds --------------------------------------------------------------------------------- */

static bool read_range(struct reading *r)
{
	struct mbshm_span *span = kind_field(r, sizeof *span);
	return r->text && address_parse(r->text, span, NULL);
}

static const struct setting_kind kind_range = {
	.expected = "\"TABLE FIRST-LAST\" (FIRST <= LAST) or \"TABLE ADDRESS\", TABLE coil, "
		    "discrete, holding or input",
	.read = read_range
};

static bool read_registers(struct reading *r)
{
	struct mbshm_span *span = kind_field(r, sizeof *span);
	span->table = MBSHM_HOLDING_REGISTERS;
	return r->text && address_parse_range(r->text, span, NULL) && span->count >= r->row->min &&
	       span->count <= r->row->max;
}

static const struct setting_kind kind_registers = {
	.expected = "\"FIRST-LAST\" (FIRST <= LAST) of the holding registers,",
	.format = kind_format,
	.read = read_registers
};

static bool read_answer(struct reading *r)
{
	static const struct choice choices[] = {
		{ "value", 0 }, { "04", 0x04 }, { "06", 0x06 }, { "0x0B", 0x0B }, { 0 }
	};
	return kind_choice(r, choices);
}

static const struct setting_kind kind_answer = { .expected =
							 "\"value\", \"04\", \"06\" or \"0x0B\"",
						 .read = read_answer };

/* Coils, a bit each. */
static bool read_status(struct reading *r)
{
	struct plant_status *status = kind_field(r, sizeof *status);
	struct mbshm_span span;
	bool range;
	if (status->count == sizeof status->coils / sizeof *status->coils) {
		snprintf(r->why, sizeof r->why, "too many coils, expected at most 8");
		return false;
	}
	int32_t *coil = &status->coils[status->count++];
	*coil = -1;
	if (r->text && !strcmp(r->text, "none"))
		return true;
	if (!r->text || !address_parse(r->text, &span, &range) || range ||
	    span.table != MBSHM_COILS)
		return false;
	*coil = (int32_t)span.first;
	return true;
}

static const struct setting_kind kind_status = { .expected = "\"coil ADDRESS\" or \"none\"",
						 .read = read_status };

/* Bytes as numbers, or a text of them. */
static bool read_bytes(struct reading *r)
{
	struct plant_bytes *bytes = kind_field(r, sizeof *bytes);
	int number = kind_small(r, 255);
	size_t length = r->text ? strlen(r->text) : 1;
	if (!r->text && number < 0)
		return false;
	if (length > r->row->max - bytes->count) {
		snprintf(r->why, sizeof r->why, "too long, expected at most %u bytes",
			 (unsigned)r->row->max);
		return false;
	}
	if (r->text)
		memcpy(bytes->bytes + bytes->count, r->text, length);
	else
		bytes->bytes[bytes->count] = (uint8_t)number;
	bytes->count += (uint32_t)length;
	return true;
}

static const struct setting_kind kind_bytes = { .expected = "bytes 0..255, or a text in quotes",
						.read = read_bytes };

/* ---- rows ---------------------------------------------------------------------------------- */

#define SERVER(member)  FIELD(struct plant, server.member)
#define STALE(member)   FIELD(struct plant_stale, member)
#define RECORDS(member) FIELD(struct plant_file, member)
#define FIFO(member)    FIELD(struct plant_fifo, member)

static const struct setting_row rows[] = {
	{ "server.stale.#.range", &kind_range, STALE(span),
	  .help = "the range that the producer writes" },
	{ "server.stale.#.source", &kind_ascii, .min = 1, PRODUCER, STALE(source),
	  .help = "the producer" },
	{ "server.stale.#.after", &kind_duration, .min = 10, .max = 86400000, .preset = "\"5s\"",
	  STALE(after_ms),
	  .help = "the producer counts as silent after this long without publishing" },
	{ "server.stale.#.answer", &kind_answer, .preset = "\"04\"", STALE(answer),
	  .help = "answer to requests that touch the range while it is silent: the last value or "
		  "an exception" },
	{ "server.files.#.number", &kind_number, .min = 1, .max = 65535, RECORDS(number),
	  .help = "number of a file, functions 20 and 21" },
	{ "server.files.#.registers", &kind_registers, .min = 1, .max = FILE_RECORDS,
	  .unit = "registers", RECORDS(registers), .help = "its records" },
	{ "server.fifos.#.registers", &kind_registers, .min = 2, .max = 1 + FIFO_VALUES,
	  .unit = "registers", FIFO(registers),
	  .help = "a FIFO, function 24: the first register holds how many of the others are "
		  "queued" },
	{ "server.exception_status", &kind_status, .list = true, .preset = "[]", SERVER(status),
	  .help = "coils that are the bits of function 7, the least significant first" },
	{ "server.server_id.id", &kind_bytes, .list = true, .max = PLANT_ID_MAX, .preset = "[1]",
	  SERVER(server_id.id), .help = "server id that function 17 tells" },
	{ "server.server_id.text", &kind_ascii, .max = PLANT_ID_TEXT_MAX, .unit = "bytes",
	  .preset = "\"\"", SERVER(server_id.text),
	  .help = "what function 17 tells after the run status" },
	{ "server.server_id.source", &kind_ascii, PRODUCER, .preset = "\"\"",
	  SERVER(server_id.source),
	  .help = "the run status of function 17 is on while this producer publishes; empty: "
		  "always" },
	{ "server.server_id.after", &kind_duration, .min = 10, .max = 86400000, .preset = "\"5s\"",
	  SERVER(server_id.after_ms),
	  .help = "the run status is off after this long without publishing" },
};

/* ---- checks -------------------------------------------------------------------------------- */

static const struct mbshm_span *span_of(const struct setting_list *list, unsigned index, size_t at)
{
	const char *items = list->items;
	return (const struct mbshm_span *)(items + index * list->size + at);
}

static bool spans_overlap(const struct mbshm_span *a, const struct mbshm_span *b)
{
	return a->table == b->table && a->first < b->first + b->count &&
	       b->first < a->first + a->count;
}

/* The spans at this place of the items, read from key, must not overlap. */
static int check_apart(const struct plant_text *text, const struct setting_list *list,
		       const char *key, size_t at)
{
	for (unsigned i = 0; i < list->count; i++)
		for (unsigned k = 0; k < i; k++)
			if (spans_overlap(span_of(list, i, at), span_of(list, k, at)))
				return text_fail(text, list_member(list, i, key),
						 "%s[%u].%s: overlaps %s[%u] (line %u), expected "
						 "ranges apart",
						 list->path, i, key, list->path, k,
						 text_where(text, list_member(list, k, key)).line);
	return 0;
}

/* The same spans must be declared by the image. */
static int check_declared(const struct plant_text *text, const struct setting_list *list,
			  const char *key, size_t at, const struct mbshm_layout *layout)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct mbshm_span *span = span_of(list, i, at);
		if (!mbshm_layout_has(layout, span->table, span->first, span->count))
			return text_fail(text, list_member(list, i, key),
					 "%s[%u].%s: \"%s %u-%u\" is not declared, expected "
					 "addresses in the image's ranges",
					 list->path, i, key, mbshm_table_name(span->table),
					 span->first, span->first + span->count - 1);
	}
	return 0;
}

static int check_status_coils(const struct plant_text *text, const struct plant *plant)
{
	const struct plant_status *status = &plant->server.status;
	for (unsigned i = 0; i < status->count; i++) {
		uint32_t coil = (uint32_t)status->coils[i];
		if (status->coils[i] >= 0 &&
		    !mbshm_layout_has(&plant->image.layout, MBSHM_COILS, coil, 1))
			return text_fail(text,
					 config_lookup(&text->config, "server.exception_status"),
					 "server.exception_status: \"coil %d\" is not declared, "
					 "expected an address in the image's ranges",
					 status->coils[i]);
	}
	return 0;
}

/* ---- the lists ----------------------------------------------------------------------------- */

static int finish_files(const struct plant_text *text, struct plant *plant)
{
	struct setting_list list = { .path = "server.files", .size = sizeof(struct plant_file) };
	int rc = list_read(text, &devices_section, &list);
	rc = rc ? rc
		: list_check_distinct(text, &list, "number", offsetof(struct plant_file, number));
	rc = rc ? rc
		: check_declared(text, &list, "registers", offsetof(struct plant_file, registers),
				 &plant->image.layout);
	plant->server.files = list.items;
	plant->server.file_count = list.count;
	return rc;
}

static int finish_fifos(const struct plant_text *text, struct plant *plant)
{
	const size_t at = offsetof(struct plant_fifo, registers);
	struct setting_list list = { .path = "server.fifos", .size = sizeof(struct plant_fifo) };
	int rc = list_read(text, &devices_section, &list);
	rc = rc ? rc : check_apart(text, &list, "registers", at);
	rc = rc ? rc : check_declared(text, &list, "registers", at, &plant->image.layout);
	plant->server.fifos = list.items;
	plant->server.fifo_count = list.count;
	return rc;
}

static int finish_stale(const struct plant_text *text, struct plant *plant)
{
	const size_t at = offsetof(struct plant_stale, span);
	struct setting_list list = { .path = "server.stale", .size = sizeof(struct plant_stale) };
	int rc = list_read(text, &devices_section, &list);
	rc = rc ? rc : check_apart(text, &list, "range", at);
	rc = rc ? rc : check_declared(text, &list, "range", at, &plant->image.layout);
	plant->server.stale = list.items;
	plant->server.stale_count = list.count;
	return rc;
}

static int devices_finish(const struct plant_text *text, struct plant *plant)
{
	int rc = finish_files(text, plant);
	rc = rc ? rc : finish_fifos(text, plant);
	rc = rc ? rc : finish_stale(text, plant);
	return rc ? rc : check_status_coils(text, plant);
}

const struct setting_section devices_section = { ROWS(rows), devices_finish };
