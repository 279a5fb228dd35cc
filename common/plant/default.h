/* The plant of programs that are given none: default.conf, embedded at build time. */
#ifndef PLANT_DEFAULT_H
#define PLANT_DEFAULT_H

#include "plant/plant.h"

/* Its text, whose image is the user's own, /mbimage-UID-default: so nobody who tries a program
 * stands in the way of another user, or of the installed plant.  The caller's, free; NULL: no
 * memory. */
char *default_text(const struct plant_wish *wish);

#endif
