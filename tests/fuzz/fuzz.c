#include "fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int finding_fd = 2;

void finding(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	dprintf(finding_fd, "finding: ");
	vdprintf(finding_fd, format, args);
	dprintf(finding_fd, "\n");
	va_end(args);
	abort();
}

const char *hex(const uint8_t *bytes, size_t count)
{
	static char texts[4][1024];
	static unsigned next;
	char *text = texts[next++ % 4];
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < count && used + 4 < sizeof texts[0]; i++)
		used += (size_t)sprintf(text + used, "%02X", bytes[i]);
	return text;
}

const char *file_of(const void *bytes, size_t size)
{
	static char path[64];
	static int fd;
	if (path[0] == '\0') {
		fd = memfd_create("fuzz", MFD_CLOEXEC);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	if (ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
		finding("cannot write to memory");
	return path;
}
