/* The section "server": where it listens, limits, timeouts, and what clients may do by default. */
#ifndef PLANT_SERVER_H
#define PLANT_SERVER_H

#include "plant/settings.h"

extern const struct setting_section server_section;

#endif
