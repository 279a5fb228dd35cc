/* The section "image". */
#include "plant/image.h"

#include "plant/kinds.h"
#include "point/address.h"

#include <stdio.h>
#include <string.h>

/* ---- kinds --------------------------------------------------------------------------------- */

static bool read_name(struct reading *r)
{
	char *name = kind_field(r, MBSHM_NAME_SIZE);
	if (!r->text || r->text[0] != '/' || strlen(r->text) < 2 ||
	    strlen(r->text) > MBSHM_NAME_NEW)
		return false;
	if (!strcmp(r->text, "/.") || !strcmp(r->text, "/.."))
		return false;
	for (const char *c = r->text + 1; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/')
			return false;
	strcpy(name, r->text);
	return true;
}

static const struct setting_kind kind_name = {
	.expected = "\"/NAME\" without another slash, printable, up to 246 characters",
	.read = read_name
};

static bool add_seam(struct reading *r, uint32_t at)
{
	struct plant *plant = r->base;
	struct plant_server *server = &plant->server;
	if (server->seam_count == PLANT_SEAMS_MAX) {
		snprintf(r->why, sizeof r->why, "too many |, expected at most %d in all four lists",
			 PLANT_SEAMS_MAX);
		return false;
	}
	server->seams[server->seam_count++] = (struct plant_seam){ r->row->table, at };
	return true;
}

/* "FIRST-LAST", or more of them with " | " between, each of which begins where the one before
 * ends: one span with seams. */
static bool read_parts(struct reading *r, struct mbshm_span *span)
{
	char part[32];
	span->count = 0;
	for (const char *text = r->text, *bar; text; text = bar ? bar + 3 : NULL) {
		struct mbshm_span next;
		bar = strstr(text, " | ");
		size_t length = bar ? (size_t)(bar - text) : strlen(text);
		snprintf(part, sizeof part, "%.*s", (int)length, text);
		if (length >= sizeof part || !address_parse_range(part, &next, NULL))
			return false;
		if (text == r->text)
			span->first = next.first;
		else if (next.first != span->first + span->count || !add_seam(r, next.first))
			return false;
		span->count += next.count;
	}
	return r->text;
}

static bool read_span(struct reading *r)
{
	struct mbshm_layout *layout = kind_field(r, sizeof *layout);
	struct mbshm_span span = { .count = 1 };
	int one = kind_small(r, MBSHM_ITEMS - 1);
	if (one >= 0)
		span.first = (uint32_t)one;
	else if (!read_parts(r, &span)) {
		if (!r->why[0] && r->text && strchr(r->text, '|'))
			snprintf(r->why, sizeof r->why,
				 "\"%.40s\", expected ranges that touch with \" | \" between them, "
				 "such as \"0-49 | 50-99\"",
				 r->text);
		return false;
	}
	int rc = mbshm_layout_add(layout, r->row->table, span.first, span.count);
	if (rc)
		snprintf(r->why, sizeof r->why,
			 "too many spans, expected at most %d in all four lists together",
			 MBSHM_SPANS_MAX);
	return !rc;
}

static const struct setting_kind kind_span = {
	.expected = "\"FIRST-LAST\" (FIRST <= LAST) or one address,",
	.format = kind_format,
	.read = read_span
};

/* ---- rows ---------------------------------------------------------------------------------- */

#define IMAGE(member) FIELD(struct plant, image.member)
#define SPANS(which) \
	.list = true, .max = MBSHM_ITEMS - 1, .preset = "[]", IMAGE(layout), .table = which

static const struct setting_row rows[] = {
	{ "image.name", &kind_name, .otherwise = "none; required where addresses are declared",
	  IMAGE(name), .help = "the segment: /dev/shm/NAME" },
	{ "image.group", &kind_group, .preset = "\"\"", IMAGE(group),
	  .help = "group of a new segment; empty: the creator's" },
	{ "image.mode", &kind_mode, .preset = "\"0660\"", IMAGE(mode),
	  .help = "permissions of a new segment, whatever the umask" },
	{ "image.pool", &kind_number, .min = MBSHM_POOL_MIN, .max = MBSHM_POOL_MAX,
	  .unit = "pages of 1 KiB", .otherwise = "4 x (live pages + 1), at least 64",
	  IMAGE(pool_pages), .help = "size of the page pool" },
	{ "image.retain", &kind_ascii, .max = 4000, .unit = "bytes", .preset = "\"\"",
	  FIELD(struct plant, retain),
	  .help = "file of saved values that fills a new image, relative to this file's folder; "
		  "empty: none" },
	{ "image.coils", &kind_span, SPANS(MBSHM_COILS), .help = "addresses of coils" },
	{ "image.discrete_inputs", &kind_span, SPANS(MBSHM_DISCRETE_INPUTS),
	  .help = "addresses of discrete inputs" },
	{ "image.holding_registers", &kind_span, SPANS(MBSHM_HOLDING_REGISTERS),
	  .help = "addresses of holding registers" },
	{ "image.input_registers", &kind_span, SPANS(MBSHM_INPUT_REGISTERS),
	  .help = "addresses of input registers" },
};

/* ---- checks -------------------------------------------------------------------------------- */

/* "coils, discrete_inputs, ...": the settings that declare addresses. */
static void list_spans(char *names, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].kind == &kind_span && used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s",
						 used ? ", " : "", strchr(rows[i].path, '.') + 1);
}

/* A plant whose units are all other plants needs no addresses. */
static bool has_units(const struct plant_text *text)
{
	const config_setting_t *units = config_lookup(&text->config, "server.units");
	return units && config_setting_length(units) > 0;
}

/* A plant without image goes by the name of its file, as far as somebody asks: counters do. */
static int require_name(const struct plant_text *text, struct plant *plant)
{
	char expected[256];
	char *name = plant->image.name;
	if (*name)
		return 0;
	if (plant_has_image(plant) || !has_units(text)) {
		setting_expected(&rows[0], expected, sizeof expected);
		return text_fail(text, config_lookup(&text->config, "image"),
				 "image.name is missing, expected %s", expected);
	}
	const char *slash = strrchr(plant->file, '/');
	snprintf(name, MBSHM_NAME_SIZE, "/%.250s", slash ? slash + 1 : plant->file);
	return 0;
}

static int check_layout(const struct plant_text *text, const struct mbshm_config *image)
{
	char names[256];
	if (image->layout.span_count == 0 && has_units(text))
		return 0;
	if (image->layout.span_count == 0) {
		list_spans(names, sizeof names);
		return text_fail(text, config_lookup(&text->config, "image"),
				 "image declares no address; expected at least one in %s", names);
	}
	unsigned live = mbshm_layout_pages(&image->layout), least = 2 * live + 2;
	if (!image->pool_pages || image->pool_pages >= least)
		return 0;
	return text_fail(text, config_lookup(&text->config, "image.pool"),
			 "image.pool: %u, expected at least %u: the declared addresses take %u "
			 "pages, and a write may replace them all while the old ones are still "
			 "read",
			 image->pool_pages, least, live);
}

static int place_retain(const struct plant_text *text, struct plant *plant)
{
	char name[sizeof plant->retain];
	if (!plant->retain[0])
		return 0;
	strcpy(name, plant->retain);
	if (!text_beside(text, name, plant->retain, sizeof plant->retain))
		return text_fail(text, config_lookup(&text->config, "image.retain"),
				 "image.retain: the name with its folder is too long, expected at "
				 "most %zu bytes",
				 sizeof plant->retain - 1);
	plant->image.retain = plant->retain;
	return 0;
}

static int image_finish(const struct plant_text *text, struct plant *plant)
{
	int rc = require_name(text, plant);
	rc = rc ? rc : check_layout(text, &plant->image);
	return rc ? rc : place_retain(text, plant);
}

const struct setting_section image_section = { ROWS(rows), image_finish };
