/* Reading plant files. */
#ifndef PLANT_LOAD_H
#define PLANT_LOAD_H

#include "plant/plant.h"

/* Read and check a plant file and those of its units; path NULL is the built-in default
 * (plant/default.h).  0 and *plant, which the caller gives to plant_free; or
 * -EINVAL, -ENOENT, ... and error: one line, PLANT_ERROR_SIZE bytes.  Any thread. */
int plant_load(const char *path, struct plant **plant, char *error);

/* The built-in default, changed by the wish.  Errors as above. */
int plant_load_default(const struct plant_wish *wish, struct plant **plant, char *error);

/* Read old's file again; old stays as it is.  Errors as above. */
int plant_reload(const struct plant *old, struct plant **plant, char *error);

void plant_free(struct plant *plant);

#endif
