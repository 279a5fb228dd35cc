/* The section "simulator": its clock, its random numbers, its name. */
#ifndef PLANT_SIMULATOR_H
#define PLANT_SIMULATOR_H

#include "plant/settings.h"

extern const struct setting_section simulator_section;

#endif
