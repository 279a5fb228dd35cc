/* Descriptors of files, none of them where the process may print to. */
#include "libshm/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int descriptor_move(int fd)
{
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), error = errno;
	close(fd);
	errno = error;
	return moved;
}

int descriptor_open(const char *path, int flags, mode_t mode)
{
	return descriptor_move(open(path, flags | O_CLOEXEC, mode));
}
