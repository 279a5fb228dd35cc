/* The standard files of a process. */
#include "program/standard.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The lower ones are open when it is the turn of fd, so the kernel gives out fd. */
void standard_open(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			die(EXIT_FAILURE, "/dev/null: %s", strerror(errno));
}
