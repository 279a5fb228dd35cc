/* The section "image": the segment and its addresses. */
#ifndef PLANT_IMAGE_H
#define PLANT_IMAGE_H

#include "plant/settings.h"

extern const struct setting_section image_section;

#endif
