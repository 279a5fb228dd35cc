/* default.conf, embedded at build time: the plant of programs that are given none. */
#ifndef PLANT_DEFAULT_H
#define PLANT_DEFAULT_H

extern const char default_conf[]; /* ends with a NUL */

#endif
