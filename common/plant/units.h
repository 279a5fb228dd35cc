/* The list "server.units", and what other unit ids are answered. */
#ifndef PLANT_UNITS_H
#define PLANT_UNITS_H

#include "plant/settings.h"

/* Reads the units, but not their plants. */
extern const struct setting_section units_section;

/* The plant that each unit id leads to: plant, whose units are loaded, or one of theirs.  NULL:
 * none. */
enum { UNIT_IDS = 256 };
void units_map(const struct plant *plant, const struct plant *units[UNIT_IDS]);

/* Do these have the same values: one plant, or two of one image?  NULL: no. */
bool units_same(const struct plant *a, const struct plant *b);

/* Set the error of the text: why the plant of this unit cannot be loaded.  -EINVAL always. */
int unit_fail(const struct plant_text *text, unsigned index, const char *why);

#endif
