/* The one list of the sections of a plant file. */
#include "plant/sections.h"

#include "plant/access.h"
#include "plant/devices.h"
#include "plant/identity.h"
#include "plant/image.h"
#include "plant/points.h"
#include "plant/server.h"
#include "plant/simulator.h"
#include "plant/units.h"

const struct setting_section *const sections[] = {
	&image_section,     &server_section, &access_section,
	&identity_section,  &units_section,  &devices_section,
	&simulator_section, &points_section, NULL,
};
