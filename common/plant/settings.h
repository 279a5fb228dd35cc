/* Settings by tables of rows, from which reading, checks, defaults and messages come.
 *
 * Each file of this room that has settings has a table of rows and the kinds of values that only
 * they need, as one struct setting_section; sections.c lists them.  A new setting is one row, and
 * one kind if no kind fits.  This file knows no setting and no kind by name.
 *
 * Every function that takes the text of a plant returns 0, or -EINVAL and the text's error is
 * "FILE:LINE: what was wrong, and what was expected". */
#ifndef PLANT_SETTINGS_H
#define PLANT_SETTINGS_H

#include "plant/plant.h"
#include "plant/text.h"

enum { SETTING_PATH_SIZE = 256 }; /* longer names are cut, and then fit no row */

struct setting_kind;

struct setting_row {
	/* "server.workers".  "points.*.address" is a setting of each point, which have names;
	 * "server.access.#.from" of each rule, which stand in a list. */
	const char *path;
	const struct setting_kind *kind;
	/* Any number of values: [A, B, ...], or one alone. */
	bool list;
	/* Of a number; milliseconds of a duration; bytes of a text; registers of a range. */
	uint64_t min, max;
	/* Of min and max; NULL: none. */
	const char *unit;
	/* The value of a setting that the plant does not have, as it would be written. */
	const char *preset;
	/* The same in words, for a setting without preset.  NULL as well: it is required. */
	const char *otherwise;
	/* What the setting is for, in one line. */
	const char *help;
	/* The field, by FIELD: of struct plant; with * or # of the struct of one item. */
	size_t at, size;
	/* Of spans. */
	enum mbshm_table table;
};

#define FIELD(type, member) .at = offsetof(type, member), .size = sizeof((type *)0)->member

/* One value being read. */
struct reading {
	const struct setting_row *row;
	const config_setting_t *value;
	const char *text; /* of a value in quotes, else NULL */
	void *base;       /* the struct */
	void *to;         /* the field in it */
	/* Set by a kind that can say more than "expected ...". */
	char why[MODEL_ERROR_SIZE + 64];
};

/* How values are written and read: "a whole number", "a duration", ... */
struct setting_kind {
	const char *expected;
	/* The same, for words that come from a table: used when expected is NULL. */
	void (*words)(char *words, size_t size);
	/* Write row->min or max, FORMAT_SIZE bytes.  NULL: there is no range to say. */
	void (*format)(uint64_t value, char *text);
	/* Store the value in its field.  false: it is wrong.  Called again for each of a list. */
	bool (*read)(struct reading *reading);
};

enum { FORMAT_SIZE = 32 };

/* The settings of one file of this room. */
struct setting_section {
	const struct setting_row *rows;
	size_t count;
	/* Read the section's lists and check what no single value can get wrong; NULL: nothing.
	 * Called when the settings outside of lists have been read, those of all sections. */
	int (*finish)(const struct plant_text *text, struct plant *plant);
};

#define ROWS(table) .rows = (table), .count = sizeof(table) / sizeof *(table)

/* Row index of all sections, which end with NULL; NULL past the end. */
const struct setting_row *setting_row(const struct setting_section *const sections[], size_t index);

/* What a value must be, in words: "a whole number 1..65536 connections". */
void setting_expected(const struct setting_row *row, char *words, size_t size);

/* Check that all of the text is settings that are in a row, in the right sections. */
int settings_check(const struct plant_text *text, const struct setting_section *const sections[]);

/* Read the section's settings outside of lists into base: a struct plant. */
int settings_read(const struct plant_text *text, const struct setting_section *section, void *base);

/* Read the settings of one item of a list into base: the section's rows below pattern
 * ("server.files.#") out of group, which messages call path ("server.files[2]"). */
int settings_read_item(const struct plant_text *text, const struct setting_section *section,
		       const char *pattern, const config_setting_t *group, const char *path,
		       void *base);

#endif
