/* default.conf, embedded at build time: the plant of programs that are given none. */
#ifndef DEFAULT_H
#define DEFAULT_H

extern const char default_conf[];	/* ends with a NUL */

#endif
