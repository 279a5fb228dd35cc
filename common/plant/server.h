/* The section "server", as far as it is about connections: where it listens, limits, timeouts. */
#ifndef PLANT_SERVER_H
#define PLANT_SERVER_H

#include "plant/settings.h"

extern const struct setting_section server_section;

#endif
