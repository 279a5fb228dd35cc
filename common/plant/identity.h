/* The section "server.identity": what functions 43/14 tell. */
#ifndef PLANT_IDENTITY_H
#define PLANT_IDENTITY_H

#include "plant/settings.h"

extern const struct setting_section identity_section;

#endif
