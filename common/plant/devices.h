/* The part of the section "server" about what a device has beside its registers: stale values,
 * files, FIFOs, exception status, server id. */
#ifndef PLANT_DEVICES_H
#define PLANT_DEVICES_H

#include "plant/settings.h"

extern const struct setting_section devices_section;

#endif
