/* The standard files of a process. */
#ifndef PROGRAM_STANDARD_H
#define PROGRAM_STANDARD_H

/* Put /dev/null where standard input, output or error is closed, so that no file that is opened
 * later gets its number and, with it, what is printed.  Reading and writing fail there as they did,
 * so a program whose output is lost still says so by its status.  The first call of each main. */
void standard_open(void);

#endif
