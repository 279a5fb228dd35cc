/* Segments that another process has truncated or overwritten: noticed, and replaced by one at a
 * time. */
#include "libshm/lost.h"

#include "libshm/header.h"
#include "libshm/image.h"
#include "libshm/read.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Behind the bytes of the writer slots. */
enum { REPLACER_BYTE = SEGMENT_SLOTS };

bool segment_damaged(const struct mbshm *img)
{
	struct stat st;
	if (flag_load(&img->lost) || fstat(img->fd, &st) || (uint64_t)st.st_size != img->size_bytes)
		return true;
	/* It may have got its size back. */
	return !commit_version(commit_load(&img->seg->control));
}

bool segment_overwritten(const struct mbshm *img)
{
	const struct segment_header header = img->seg->header;
	return header.checksum != header_checksum(&header) || root_check(img) == -EBADMSG;
}

bool lost_is_rest(int fd)
{
	struct segment_header header;
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0))
		return false;
	if (pread(fd, &header, sizeof header, 0) != sizeof header)
		return st.st_size < (off_t)sizeof header;
	if (!header.magic && !header.checksum)
		return true; /* it has got its size back */
	if (header.magic != SEGMENT_MAGIC || header.layout != SEGMENT_LAYOUT)
		return false;
	if (header.checksum != header_checksum(&header))
		return true;
	/* Not of a program that counts in another way. */
	return header.size_bytes == segment_size(header.pool_pages) &&
	       header.size_bytes != (uint64_t)st.st_size;
}

static int replacer(int fd, short type)
{
	struct flock range = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = REPLACER_BYTE, .l_len = 1
	};
	return fcntl(fd, F_OFD_SETLK, &range) ? -errno : 0;
}

int lost_lock(int fd)
{
	return replacer(fd, F_WRLCK);
}

void lost_unlock(int fd)
{
	replacer(fd, F_UNLCK);
}
