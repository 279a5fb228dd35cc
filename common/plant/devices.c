/* The lists of sections that describe a device: units, stale, files, fifos. */
#include "plant/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 64 };

/* A list being read: "server.files" into items of size bytes. */
struct list {
	const char *path;
	const config_setting_t *setting;
	size_t size;
	char *items;
	unsigned count;
};

static const config_setting_t *member(const struct list *list, unsigned index, const char *key)
{
	const config_setting_t *section = config_setting_get_elem(list->setting, index);
	const config_setting_t *setting = config_setting_get_member(section, key);
	return setting ? setting : section;
}

static int list_read(const struct source *source, struct list *list)
{
	char pattern[PATH_SIZE], path[PATH_SIZE];
	list->setting = config_lookup(&source->config, list->path);
	unsigned count = list->setting ? (unsigned)config_setting_length(list->setting) : 0;
	if (!count)
		return 0;
	list->items = calloc(count, list->size);
	if (!list->items)
		return source_fail(source, list->setting, "out of memory");
	list->count = count;
	snprintf(pattern, sizeof pattern, "%s.#", list->path);
	for (unsigned i = 0; i < count; i++) {
		snprintf(path, sizeof path, "%s[%u]", list->path, i);
		int rc = setting_read_section(source, pattern,
					      config_setting_get_elem(list->setting, i), path,
					      list->items + i * list->size);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- checks of two against each other ------------------------------------------------------ */

/* number: at that place of each item, found as key in the file. */
static int check_distinct(const struct source *source, const struct list *list, const char *key,
			  size_t at)
{
	for (unsigned i = 0; i < list->count; i++)
		for (unsigned k = 0; k < i; k++) {
			uint32_t number = *(uint32_t *)(list->items + i * list->size + at);
			if (number == *(uint32_t *)(list->items + k * list->size + at))
				return source_fail(source, member(list, i, key),
						   "%s[%u].%s: %u is taken by %s[%u] (line %u), "
						   "expected another one",
						   list->path, i, key, number, list->path, k,
						   source_where(source, member(list, k, key)).line);
		}
	return 0;
}

static const struct mbshm_span *span_of(const struct list *list, unsigned index, size_t at)
{
	return (const struct mbshm_span *)(list->items + index * list->size + at);
}

static int check_overlap(const struct source *source, const struct list *list, const char *key,
			 size_t at)
{
	for (unsigned i = 0; i < list->count; i++)
		for (unsigned k = 0; k < i; k++) {
			const struct mbshm_span *a = span_of(list, i, at),
						*b = span_of(list, k, at);
			if (a->table == b->table && a->first < b->first + b->count &&
			    b->first < a->first + a->count)
				return source_fail(source, member(list, i, key),
						   "%s[%u].%s: overlaps %s[%u] (line %u), expected "
						   "ranges apart",
						   list->path, i, key, list->path, k,
						   source_where(source, member(list, k, key)).line);
		}
	return 0;
}

static int check_declared(const struct source *source, const struct list *list, const char *key,
			  size_t at, const struct mbshm_layout *layout)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct mbshm_span *span = span_of(list, i, at);
		if (!span_declared(layout, span))
			return source_fail(source, member(list, i, key),
					   "%s[%u].%s: \"%s %u-%u\" is not declared, expected "
					   "addresses in the image's ranges",
					   list->path, i, key, plant_table_word(span->table),
					   span->first, span->first + span->count - 1);
	}
	return 0;
}

/* ---- the lists ----------------------------------------------------------------------------- */

static int files_read(const struct source *source, struct plant *plant)
{
	struct list list = { .path = "server.files", .size = sizeof(struct plant_file) };
	int rc = list_read(source, &list);
	rc = rc ? rc : check_distinct(source, &list, "number", offsetof(struct plant_file, number));
	rc = rc ? rc
		: check_declared(source, &list, "registers", offsetof(struct plant_file, registers),
				 &plant->image.layout);
	plant->server.files = (struct plant_file *)list.items;
	plant->server.file_count = list.count;
	return rc;
}

static int fifos_read(const struct source *source, struct plant *plant)
{
	struct list list = { .path = "server.fifos", .size = sizeof(struct plant_fifo) };
	int rc = list_read(source, &list);
	rc = rc ? rc
		: check_overlap(source, &list, "registers", offsetof(struct plant_fifo, registers));
	rc = rc ? rc
		: check_declared(source, &list, "registers", offsetof(struct plant_fifo, registers),
				 &plant->image.layout);
	plant->server.fifos = (struct plant_fifo *)list.items;
	plant->server.fifo_count = list.count;
	return rc;
}

static int stale_read(const struct source *source, struct plant *plant)
{
	struct list list = { .path = "server.stale", .size = sizeof(struct plant_stale) };
	int rc = list_read(source, &list);
	rc = rc ? rc : check_overlap(source, &list, "range", offsetof(struct plant_stale, span));
	rc = rc ? rc
		: check_declared(source, &list, "range", offsetof(struct plant_stale, span),
				 &plant->image.layout);
	plant->server.stale = (struct plant_stale *)list.items;
	plant->server.stale_count = list.count;
	return rc;
}

static int check_status(const struct source *source, const struct plant *plant)
{
	const struct plant_status *status = &plant->server.status;
	for (unsigned i = 0; i < status->count; i++) {
		const struct mbshm_span span = { MBSHM_COILS, (uint32_t)status->coils[i], 1 };
		if (status->coils[i] >= 0 && !span_declared(&plant->image.layout, &span))
			return source_fail(
				source, config_lookup(&source->config, "server.exception_status"),
				"server.exception_status: \"coil %d\" is not declared, expected an "
				"address in the "
				"image's ranges",
				status->coils[i]);
	}
	return 0;
}

int lists_read(const struct source *source, struct plant *plant)
{
	int rc = files_read(source, plant);
	rc = rc ? rc : fifos_read(source, plant);
	rc = rc ? rc : stale_read(source, plant);
	return rc ? rc : check_status(source, plant);
}

int units_read(const struct source *source, struct plant_server *server)
{
	struct list list = { .path = "server.units", .size = sizeof(struct plant_unit) };
	int rc = list_read(source, &list);
	rc = rc ? rc : check_distinct(source, &list, "id", offsetof(struct plant_unit, id));
	server->units = (struct plant_unit *)list.items;
	server->unit_count = list.count;
	return rc;
}

int unit_fail(const struct source *source, unsigned index, const char *why)
{
	const struct list list = { .setting = config_lookup(&source->config, "server.units") };
	return source_fail(source, member(&list, index, "plant"), "server.units[%u].plant: %s",
			   index, why);
}
