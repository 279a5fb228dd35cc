/* The list "server.units", and what other unit ids are answered. */
#ifndef PLANT_UNITS_H
#define PLANT_UNITS_H

#include "plant/settings.h"

/* Reads the units, but not their plants. */
extern const struct setting_section units_section;

/* Set the error of the text: why the plant of this unit cannot be loaded.  -EINVAL always. */
int unit_fail(const struct plant_text *text, unsigned index, const char *why);

#endif
