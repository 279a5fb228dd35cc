/* The part of the section "server" that says what clients may do: default_access, the list access,
 * functions. */
#ifndef PLANT_ACCESS_H
#define PLANT_ACCESS_H

#include "plant/settings.h"

/* Remark on rules that mean more, or less, than they seem to.  The units are loaded. */
void access_remark(const struct plant_text *text, const struct plant *plant);

extern const struct setting_section access_section;

#endif
