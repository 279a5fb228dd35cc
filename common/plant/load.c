/* Plant files: load one, and those of its units. */
#include "plant/load.h"

#include "plant/access.h"
#include "plant/default.h"
#include "plant/sections.h"
#include "plant/text.h"
#include "plant/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int load(const char *path, const struct plant_wish *wish, bool is_unit, struct plant **out,
		char *error);

/* Units that name the same file share its plant. */
static int load_unit(const struct plant_text *text, struct plant_unit *units, unsigned index)
{
	struct plant_unit *unit = &units[index];
	char path[sizeof((struct plant *)0)->file], why[PLANT_ERROR_SIZE];
	if (!unit->file[0])
		return 0;
	for (const struct plant_unit *other = units; other < unit; other++)
		if (!strcmp(other->file, unit->file)) {
			unit->plant = other->plant;
			unit->shared = true;
			return 0;
		}
	if (!text_beside(text, unit->file, path, sizeof path))
		return unit_fail(text, index, "the name with its folder is too long");
	if (load(path, NULL, true, &unit->plant, why))
		return unit_fail(text, index, why);
	return plant_has_image(unit->plant)
		       ? 0
		       : unit_fail(text, index,
				   "this plant declares no address, expected at "
				   "least one: its own units are not served here");
}

static int read_sections(const struct plant_text *text, struct plant *plant)
{
	const struct setting_section *const *section;
	int rc = settings_check(text, sections);
	for (section = sections; *section && !rc; section++)
		rc = settings_read(text, *section, plant);
	for (section = sections; *section && !rc; section++)
		if ((*section)->finish)
			rc = (*section)->finish(text, plant);
	return rc;
}

/* The units of a unit's plant are not loaded: they are for when it is served by itself. */
static int read_plant(const struct plant_text *text, struct plant *plant, bool is_unit)
{
	int rc = read_sections(text, plant);
	for (unsigned i = 0; i < plant->server.unit_count && !is_unit && !rc; i++)
		rc = load_unit(text, plant->server.units, i);
	if (!rc && !is_unit)
		access_remark(text, plant);
	return rc;
}

/* path NULL: the built-in default, by the wish. */
static int load(const char *path, const struct plant_wish *wish, bool is_unit, struct plant **out,
		char *error)
{
	const char *name = path ? path : "built-in default";
	struct plant_text text;
	struct plant *plant = calloc(1, sizeof *plant);
	char *content = path ? NULL : default_text(wish);
	if (!plant || (!path && !content) || strlen(name) >= sizeof plant->file) {
		int rc = plant && (path || content) ? -ENAMETOOLONG : -ENOMEM;
		snprintf(error, PLANT_ERROR_SIZE, "%.500s: %s", name,
			 rc == -ENOMEM ? "out of memory" : "the file's name is too long");
		free(content);
		free(plant);
		return rc;
	}
	strcpy(plant->file, name);
	plant->built_in = !path;
	if (wish)
		plant->wish = *wish;
	plant->read_s = time(NULL);
	int rc = text_open(&text, name, content, error);
	text.remarks = &plant->remarks;
	rc = rc ? rc : read_plant(&text, plant, is_unit);
	text_close(&text);
	free(content);
	if (rc)
		plant_free(plant);
	else
		*out = plant;
	return rc;
}

int plant_load(const char *path, struct plant **plant, char *error)
{
	static const struct plant_wish as_it_is;
	return load(path, &as_it_is, false, plant, error);
}

int plant_load_default(const struct plant_wish *wish, struct plant **plant, char *error)
{
	return load(NULL, wish, false, plant, error);
}

int plant_reload(const struct plant *old, struct plant **plant, char *error)
{
	return load(old->built_in ? NULL : old->file, &old->wish, false, plant, error);
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
	free(plant->server.identity.private);
	free(plant->points);
	free(plant->remarks);
	free(plant);
}
