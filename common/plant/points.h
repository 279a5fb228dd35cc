/* The section "points": the process values. */
#ifndef PLANT_POINTS_H
#define PLANT_POINTS_H

#include "plant/settings.h"

extern const struct setting_section points_section;

#endif
