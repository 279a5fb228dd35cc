/* The part of the section "server" that says what clients may do: default_access, the list access,
 * functions. */
#ifndef PLANT_ACCESS_H
#define PLANT_ACCESS_H

#include "plant/settings.h"

extern const struct setting_section access_section;

#endif
