#include "plant/plant.h"

#include "plant/default.h"
#include "plant/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 256 }; /* of a setting; longer names are cut, and then match no row */

/* ---- no setting may go unread -------------------------------------------------------------- */

/* "a, b, c": what can stand in the section pattern ("" is the top). */
static void list_known(const char *pattern, char *text, size_t size)
{
	size_t skip = *pattern ? strlen(pattern) + 1 : 0, used = 0, last_length = 0;
	const char *last = "";
	const struct setting_row *row;
	text[0] = '\0';
	for (size_t i = 0; (row = setting_row(i)); i++) {
		if (skip &&
		    (strncmp(row->path, pattern, skip - 1) != 0 || row->path[skip - 1] != '.'))
			continue;
		const char *word = row->path + skip;
		size_t length = strcspn(word, ".");
		if (length == last_length &&
		    !strncmp(word, last, length)) /* the rows of a section stand together */
			continue;
		if (used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%.*s",
						 used ? ", " : "", (int)length, word);
		last = word;
		last_length = length;
	}
}

enum known { UNKNOWN, SECTION, SETTING };

static enum known look_up(const char *pattern)
{
	size_t length = strlen(pattern);
	const struct setting_row *row;
	for (size_t i = 0; (row = setting_row(i)); i++) {
		if (strncmp(row->path, pattern, length) != 0)
			continue;
		if (row->path[length] == '\0')
			return SETTING;
		if (row->path[length] == '.')
			return SECTION;
	}
	return UNKNOWN;
}

/* What the section pattern has inside: '*' sections with names of their own, '#' a list of
 * sections, else settings. */
static char look_inside(const char *pattern)
{
	char inside[PATH_SIZE + 2];
	for (const char *mark = "*#"; *mark; mark++) {
		snprintf(inside, sizeof inside, "%s.%c", pattern, *mark);
		if (look_up(inside) == SECTION)
			return *mark;
	}
	return '\0';
}

static int check_known(const struct source *source, const config_setting_t *section,
		       const char *pattern, const char *path);

/* One setting or section, at path in the file, called pattern by the rows. */
static int check_one(const struct source *source, const config_setting_t *each, const char *pattern,
		     const char *path)
{
	enum known what = look_up(pattern);
	const char *name = config_setting_name(each);
	if (what == UNKNOWN) {
		char known[512], section[PATH_SIZE];
		snprintf(section, sizeof section, "%.*s",
			 (int)(strrchr(pattern, '.') ? strrchr(pattern, '.') - pattern : 0),
			 pattern);
		list_known(section, known, sizeof known);
		return source_fail(source, each, "unknown setting '%s'; expected one of %s", path,
				   known);
	}
	if (what == SETTING)
		return 0;
	if (look_inside(pattern) == '#' && !config_setting_is_list(each))
		return source_fail(source, each,
				   "%s: not a list of sections, expected %s = ( { ... }, ... )",
				   path, name);
	if (look_inside(pattern) != '#' && !config_setting_is_group(each))
		return source_fail(source, each, "%s: not a section, expected %s%s{ ... }", path,
				   name ? name : "", name ? " = " : "");
	return check_known(source, each, pattern, path);
}

/* pattern: the section as rows write it ("points.*"); path: as the file does ("points.relay"). */
static int check_known(const struct source *source, const config_setting_t *section,
		       const char *pattern, const char *path)
{
	char mark = look_inside(pattern);
	const char *dot = *path ? "." : "";
	for (int i = 0; i < config_setting_length(section); i++) {
		const config_setting_t *each = config_setting_get_elem(section, (unsigned)i);
		char each_pattern[PATH_SIZE], each_path[PATH_SIZE];
		const char marked[] = { mark, '\0' };
		snprintf(each_pattern, sizeof each_pattern, "%s%s%s", pattern, dot,
			 mark ? marked : config_setting_name(each));
		if (mark == '#')
			snprintf(each_path, sizeof each_path, "%s[%d]", path, i);
		else
			snprintf(each_path, sizeof each_path, "%s%s%s", path, dot,
				 config_setting_name(each));
		int rc = check_one(source, each, each_pattern, each_path);
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_settings(const struct source *source, struct plant *plant)
{
	const struct setting_row *row;
	for (size_t i = 0; (row = setting_row(i)); i++) {
		if (strpbrk(row->path, "*#"))
			continue;
		char section[PATH_SIZE];
		snprintf(section, sizeof section, "%.*s", (int)strcspn(row->path, "."), row->path);
		const config_setting_t *parent = config_lookup(&source->config, section);
		int rc = setting_read(source, row, parent,
				      config_lookup(&source->config, row->path), row->path, plant);
		if (rc)
			return rc;
	}
	return 0;
}

/* What no single value can get wrong. */
static int check_server(const struct source *source, const struct plant_server *server)
{
	if (server->listen_count)
		return 0;
	return source_fail(source, config_lookup(&source->config, "server.listen"),
			   "server.listen: no address, expected at least one");
}

static int check_image(const struct source *source, const struct mbshm_config *image)
{
	char known[512];
	if (image->layout.span_count == 0) {
		list_known("image", known, sizeof known);
		return source_fail(source, config_lookup(&source->config, "image"),
				   "image declares no address; expected at least one in %s",
				   strstr(known, "coils"));
	}
	unsigned live = mbshm_layout_pages(&image->layout), least = 2 * live + 2;
	if (image->pool_pages && image->pool_pages < least)
		return source_fail(source, config_lookup(&source->config, "image.pool"),
				   "image.pool: %u, expected at least %u: the declared addresses "
				   "take %u pages, and a write may "
				   "replace them all while the old ones are still read",
				   image->pool_pages, least, live);
	return 0;
}

/* The files that a plant names lie beside it.  false: too long. */
static bool place(const struct plant *plant, const char *name, char *path, size_t size)
{
	const char *slash = strrchr(plant->file, '/');
	int folder = slash && name[0] != '/' ? (int)(slash + 1 - plant->file) : 0;
	return snprintf(path, size, "%.*s%s", folder, plant->file, name) < (int)size;
}

static int place_retain(const struct source *source, struct plant *plant)
{
	char name[sizeof plant->retain];
	if (!plant->retain[0])
		return 0;
	strcpy(name, plant->retain);
	if (!place(plant, name, plant->retain, sizeof plant->retain))
		return source_fail(source, config_lookup(&source->config, "image.retain"),
				   "image.retain: the name with its folder is too long, expected "
				   "at most %zu bytes",
				   sizeof plant->retain - 1);
	plant->image.retain = plant->retain;
	return 0;
}

/* ---- units --------------------------------------------------------------------------------- */

static int load(const char *path, bool is_unit, struct plant **out, char *error);

static int load_unit(const struct source *source, const struct plant *plant, unsigned index)
{
	struct plant_unit *units = plant->server.units, *unit = &units[index];
	char path[sizeof plant->file], why[PLANT_ERROR_SIZE];
	if (!unit->file[0])
		return 0;
	for (const struct plant_unit *other = units; other < unit; other++)
		if (!strcmp(other->file, unit->file)) {
			unit->plant = other->plant;
			unit->shared = true;
			return 0;
		}
	if (!place(plant, unit->file, path, sizeof path))
		return unit_fail(source, index, "the name with its folder is too long");
	return load(path, true, &unit->plant, why) ? unit_fail(source, index, why) : 0;
}

/* A unit's plant is the end of it: the units that it may have, when it is served by itself, are not
 * looked at. */
static int read_units(const struct source *source, struct plant *plant, bool is_unit)
{
	int rc = units_read(source, &plant->server);
	for (unsigned i = 0; i < plant->server.unit_count && !is_unit && !rc; i++)
		rc = load_unit(source, plant, i);
	return rc;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int read_plant(const struct source *source, struct plant *plant, bool is_unit)
{
	int rc = check_known(source, config_root_setting(&source->config), "", "");
	rc = rc ? rc : read_settings(source, plant);
	rc = rc ? rc : check_image(source, &plant->image);
	rc = rc ? rc : place_retain(source, plant);
	rc = rc ? rc : check_server(source, &plant->server);
	rc = rc ? rc : rules_read(source, &plant->server);
	rc = rc ? rc : lists_read(source, plant);
	rc = rc ? rc : points_read(source, plant);
	return rc ? rc : read_units(source, plant, is_unit);
}

static int load(const char *path, bool is_unit, struct plant **out, char *error)
{
	const char *name = path ? path : "built-in default";
	struct source source;
	struct plant *plant = calloc(1, sizeof *plant);
	if (!plant || strlen(name) >= sizeof plant->file) {
		snprintf(error, PLANT_ERROR_SIZE, "%.500s: %s", name,
			 plant ? "the file's name is too long" : "out of memory");
		free(plant);
		return plant ? -ENAMETOOLONG : -ENOMEM;
	}
	strcpy(plant->file, name);
	int rc = source_open(&source, name, path ? NULL : default_conf, error);
	rc = rc ? rc : read_plant(&source, plant, is_unit);
	source_close(&source);
	if (rc)
		plant_free(plant);
	else
		*out = plant;
	return rc;
}

int plant_load(const char *path, struct plant **plant, char *error)
{
	return load(path, false, plant, error);
}

void plant_free(struct plant *plant)
{
	if (!plant)
		return;
	for (unsigned i = 0; i < plant->server.unit_count; i++)
		if (!plant->server.units[i].shared)
			plant_free(plant->server.units[i].plant);
	free(plant->server.units);
	free(plant->server.files);
	free(plant->server.fifos);
	free(plant->server.stale);
	free(plant->server.access);
	free(plant->points);
	free(plant);
}
