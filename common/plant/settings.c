/* Settings by tables of rows: unknown settings, values, defaults, messages. */
#include "plant/settings.h"

#include <stdio.h>
#include <string.h>

const struct setting_row *setting_row(const struct setting_section *const sections[], size_t index)
{
	for (; *sections; sections++) {
		if (index < (*sections)->count)
			return &(*sections)->rows[index];
		index -= (*sections)->count;
	}
	return NULL;
}

/* The rest of the row's path below pattern ("" is the top); NULL when it is elsewhere. */
static const char *path_below(const struct setting_row *row, const char *pattern)
{
	size_t length = strlen(pattern);
	if (!length)
		return row->path;
	if (strncmp(row->path, pattern, length) != 0 || row->path[length] != '.')
		return NULL;
	return row->path + length + 1;
}

/* ---- no setting may go unread -------------------------------------------------------------- */

/* "a, b, c": what can stand in the section pattern. */
static void list_known(const struct setting_section *const sections[], const char *pattern,
		       char *words, size_t size)
{
	size_t used = 0, last_length = 0;
	const char *last = "";
	const struct setting_row *row;
	words[0] = '\0';
	for (size_t i = 0; (row = setting_row(sections, i)); i++) {
		const char *word = path_below(row, pattern);
		size_t length = word ? strcspn(word, ".") : 0;
		/* the rows of a section stand together */
		if (!word || (length == last_length && !strncmp(word, last, length)))
			continue;
		if (used < size)
			used += (size_t)snprintf(words + used, size - used, "%s%.*s",
						 used ? ", " : "", (int)length, word);
		last = word;
		last_length = length;
	}
}

enum known { UNKNOWN, SECTION, SETTING };

static enum known look_up(const struct setting_section *const sections[], const char *pattern)
{
	const struct setting_row *row;
	for (size_t i = 0; (row = setting_row(sections, i)); i++) {
		if (!strcmp(row->path, pattern))
			return SETTING;
		if (path_below(row, pattern))
			return SECTION;
	}
	return UNKNOWN;
}

/* What the section pattern has inside: '*' sections with names, '#' a list of sections, '\0'
 * settings. */
static char look_inside(const struct setting_section *const sections[], const char *pattern)
{
	char inside[SETTING_PATH_SIZE + 2];
	for (const char *mark = "*#"; *mark; mark++) {
		snprintf(inside, sizeof inside, "%s.%c", pattern, *mark);
		if (look_up(sections, inside) == SECTION)
			return *mark;
	}
	return '\0';
}

static int fail_unknown(const struct plant_text *text,
			const struct setting_section *const sections[],
			const config_setting_t *each, const char *pattern, const char *path)
{
	char known[512], section[SETTING_PATH_SIZE];
	const char *dot = strrchr(pattern, '.');
	snprintf(section, sizeof section, "%.*s", dot ? (int)(dot - pattern) : 0, pattern);
	list_known(sections, section, known, sizeof known);
	return text_fail(text, each, "unknown setting '%s'; expected one of %s", path, known);
}

static int check_section(const struct plant_text *text,
			 const struct setting_section *const sections[],
			 const config_setting_t *section, const char *pattern, const char *path);

/* One setting or section, at path in the file, called pattern by the rows. */
static int check_one(const struct plant_text *text, const struct setting_section *const sections[],
		     const config_setting_t *each, const char *pattern, const char *path)
{
	enum known what = look_up(sections, pattern);
	const char *name = config_setting_name(each);
	if (what == UNKNOWN)
		return fail_unknown(text, sections, each, pattern, path);
	if (what == SETTING)
		return 0;
	bool list = look_inside(sections, pattern) == '#';
	if (list && !config_setting_is_list(each))
		return text_fail(text, each,
				 "%s: not a list of sections, expected %s = ( { ... }, ... )", path,
				 name);
	if (!list && !config_setting_is_group(each))
		return text_fail(text, each, "%s: not a section, expected %s%s{ ... }", path,
				 name ? name : "", name ? " = " : "");
	return check_section(text, sections, each, pattern, path);
}

/* pattern: the section as rows write it ("points.*"); path: as the file does ("points.relay"). */
static int check_section(const struct plant_text *text,
			 const struct setting_section *const sections[],
			 const config_setting_t *section, const char *pattern, const char *path)
{
	char mark = look_inside(sections, pattern);
	const char *dot = *path ? "." : "";
	int rc = 0;
	for (int i = 0; i < config_setting_length(section) && !rc; i++) {
		const config_setting_t *each = config_setting_get_elem(section, (unsigned)i);
		char each_pattern[SETTING_PATH_SIZE], each_path[SETTING_PATH_SIZE];
		const char *name = config_setting_name(each), marked[] = { mark, '\0' };
		snprintf(each_pattern, sizeof each_pattern, "%s%s%s", pattern, dot,
			 mark ? marked : name);
		if (mark == '#')
			snprintf(each_path, sizeof each_path, "%s[%d]", path, i);
		else
			snprintf(each_path, sizeof each_path, "%s%s%s", path, dot, name);
		rc = check_one(text, sections, each, each_pattern, each_path);
	}
	return rc;
}

int settings_check(const struct plant_text *text, const struct setting_section *const sections[])
{
	return check_section(text, sections, config_root_setting(&text->config), "", "");
}

/* ---- one value ----------------------------------------------------------------------------- */

void setting_expected(const struct setting_row *row, char *words, size_t size)
{
	char low[FORMAT_SIZE], high[FORMAT_SIZE];
	if (row->kind->words) {
		row->kind->words(words, size);
		return;
	}
	if (!row->kind->format) {
		snprintf(words, size, "%s", row->kind->expected);
		return;
	}
	row->kind->format(row->min, low);
	row->kind->format(row->max, high);
	snprintf(words, size, "%s %s..%s%s%s", row->kind->expected, low, high, row->unit ? " " : "",
		 row->unit ? row->unit : "");
}

/* A value as it was written, or nearly. */
static void show_value(const config_setting_t *value, char *to, size_t size)
{
	const char *string;
	double real;
	switch (config_setting_type(value)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(to, size, "%lld", config_setting_get_int64(value));
		break;
	case CONFIG_TYPE_FLOAT:
		real = config_setting_get_float(value);
		snprintf(to, size, "%g", real);
		if (!strpbrk(to, ".en")) /* no whole number: that is what is wrong with it */
			snprintf(to, size, "%g.0", real);
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(to, size, "%s", config_setting_get_bool(value) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		string = config_setting_get_string(value);
		snprintf(to, size, "\"%.60s\"%s", string, strlen(string) > 60 ? "..." : "");
		break;
	default:
		snprintf(to, size, "%s", config_setting_is_group(value) ? "a section" : "a list");
	}
}

/* Errors are reported at the line of the setting: the line of an element is that up to which
 * libconfig has looked ahead. */
static int read_value(const struct plant_text *text, const struct setting_row *row,
		      const config_setting_t *setting, const config_setting_t *value,
		      const char *path, void *base)
{
	struct reading reading = {
		.row = row,
		.value = value,
		.text = config_setting_get_string(value),
		.base = base,
		.to = (char *)base + row->at,
	};
	/* libconfig does not look whether it got memory for the text. */
	if (config_setting_type(value) == CONFIG_TYPE_STRING && !reading.text)
		return text_fail(text, setting, "%s: out of memory", path);
	if (row->kind->read(&reading))
		return 0;
	char expected[256], shown[96];
	if (reading.why[0])
		return text_fail(text, setting, "%s: %s", path, reading.why);
	setting_expected(row, expected, sizeof expected);
	show_value(value, shown, sizeof shown);
	return text_fail(text, setting, "%s: %s, expected %s%s", path, shown,
			 row->list ? "a list of " : "", expected);
}

/* ---- one setting --------------------------------------------------------------------------- */

static int read_values(const struct plant_text *text, const struct setting_row *row,
		       const config_setting_t *setting, const char *path, void *base)
{
	if (!row->list || config_setting_is_scalar(setting) || config_setting_is_group(setting))
		return read_value(text, row, setting, setting, path, base);
	int rc = 0;
	for (int i = 0; i < config_setting_length(setting) && !rc; i++)
		rc = read_value(text, row, setting, config_setting_get_elem(setting, (unsigned)i),
				path, base);
	return rc;
}

/* A default goes the way of any value, so it means nothing that could not be written. */
static int read_preset(const struct plant_text *text, const struct setting_row *row,
		       const char *path, void *base)
{
	char written[OBJECT_MAX + 32];
	config_t config;
	config_init(&config);
	snprintf(written, sizeof written, "preset = %s", row->preset);
	config_read_string(&config, written);
	const config_setting_t *setting = config_lookup(&config, "preset");
	int rc = setting ? read_values(text, row, setting, path, base)
			 : text_fail(text, NULL, "%s: bad default", path);
	config_destroy(&config);
	return rc;
}

/* setting: NULL when parent, its section, does not have it. */
static int read_setting(const struct plant_text *text, const struct setting_row *row,
			const config_setting_t *parent, const config_setting_t *setting,
			const char *path, void *base)
{
	char expected[256];
	if (setting)
		return read_values(text, row, setting, path, base);
	if (row->preset)
		return read_preset(text, row, path, base);
	if (row->otherwise)
		return 0;
	setting_expected(row, expected, sizeof expected);
	return text_fail(text, parent, "%s is missing, expected %s", path, expected);
}

/* ---- many settings ------------------------------------------------------------------------- */

int settings_read(const struct plant_text *text, const struct setting_section *section, void *base)
{
	const config_t *config = &text->config;
	const struct setting_row *row = section->rows, *end = row + section->count;
	int rc = 0;
	for (; row < end && !rc; row++) {
		char parent[SETTING_PATH_SIZE];
		if (strpbrk(row->path, "*#"))
			continue;
		snprintf(parent, sizeof parent, "%.*s", (int)strcspn(row->path, "."), row->path);
		rc = read_setting(text, row, config_lookup(config, parent),
				  config_lookup(config, row->path), row->path, base);
	}
	return rc;
}

int settings_read_item(const struct plant_text *text, const struct setting_section *section,
		       const char *pattern, const config_setting_t *group, const char *path,
		       void *base)
{
	const struct setting_row *row = section->rows, *end = row + section->count;
	int rc = 0;
	for (; row < end && !rc; row++) {
		const char *key = path_below(row, pattern);
		char each_path[SETTING_PATH_SIZE + 64];
		if (!key)
			continue;
		snprintf(each_path, sizeof each_path, "%s.%s", path, key);
		rc = read_setting(text, row, group, config_setting_get_member(group, key),
				  each_path, base);
	}
	return rc;
}
