/* The settings of a plant file: one table from which parser, defaults, error messages and manual
 * come. */
#ifndef PLANT_SETTINGS_H
#define PLANT_SETTINGS_H

#include "plant/plant.h"
#include "plant/text.h"

struct setting_kind; /* how values are written and read: "a whole number", "a duration", ... */

struct setting_row {
	/* "server.workers".  "points.*.address" is one of every point, which have names;
	 * "server.access.#.from" one of every rule, which stand in a list. */
	const char *path;
	const struct setting_kind *kind;
	bool list;         /* any number of values: [A, B, ...] or one alone */
	uint64_t min, max; /* of a number; milliseconds of a duration; bytes of a text; registers of
			      a range */
	const char *unit;  /* of min and max; may be NULL */
	const char *preset; /* its value when the plant does not say, as it would be written; NULL:
			       see otherwise */
	const char *otherwise; /* the same in words; NULL as well: the setting is required */
	const char *help;      /* what it is for: one line */
	size_t at,
		size; /* where it goes: in struct plant; with * or # in the struct of one of them */
	enum mbshm_table table; /* of spans */
};

/* Row index of the table; NULL past the end. */
const struct setting_row *setting_row(size_t index);

/* What a value must be, in words: "a whole number 1..65536 connections". */
void setting_expected(const struct setting_row *row, char *text, size_t size);

/* Read a row's setting, found at path in the section parent, into base (struct plant, struct
 * plant_point, ...); setting NULL takes the default.  0, or -EINVAL and the source's error says
 * what was wrong and what was expected. */
int setting_read(const struct source *source, const struct setting_row *row,
		 const config_setting_t *parent, const config_setting_t *setting, const char *path,
		 void *base);

/* Read the rows below prefix ("points.*") out of section, which messages call path, into base. */
int setting_read_section(const struct source *source, const char *prefix,
			 const config_setting_t *section, const char *path, void *base);

/* rules.c: read the list "server.access". */
int rules_read(const struct source *source, struct plant_server *server);

/* points.c: read the section "points" into the plant, whose image is read already. */
int points_read(const struct source *source, struct plant *plant);
bool span_declared(const struct mbshm_layout *layout, const struct mbshm_span *span);

/* lists.c: read the lists of sections: all of them but units, and check what hangs on the image's
 * ranges. */
int lists_read(const struct source *source, struct plant *plant);

/* lists.c: read the units; the plant that one names is for the caller to load, with unit_fail to
 * say what is wrong in it. */
int units_read(const struct source *source, struct plant_server *server);
int unit_fail(const struct source *source, unsigned index, const char *why);

#endif
