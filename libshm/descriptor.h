/* Descriptors of files. */
#ifndef LIBSHM_DESCRIPTOR_H
#define LIBSHM_DESCRIPTOR_H

#include <sys/types.h>

/* As open(2), with O_CLOEXEC.  In a process without a standard input, output or error the kernel
 * gives out 0, 1 and 2 like any other number, and whatever the process then prints would go into
 * this file; so the descriptor is one from 3 up.  It, or -1 and errno. */
int descriptor_open(const char *path, int flags, mode_t mode);

/* Move one to a number from 3 up; -1 stays -1.  It, or -1 and errno, when fd is closed. */
int descriptor_move(int fd);

#endif
