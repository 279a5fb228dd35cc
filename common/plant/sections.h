/* The one list of the sections of a plant file. */
#ifndef PLANT_SECTIONS_H
#define PLANT_SECTIONS_H

#include "plant/settings.h"

/* In the order of reading, which is also that of messages and listings; NULL ends it. */
extern const struct setting_section *const sections[];

#endif
