/* The blocks of counters, in a file. */
#include "mbserverd/counters.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The main thread's; once workers run, any thread reads the blocks. */
static struct counters_file *file;
static size_t file_bytes;
static int file_fd = -1;
static char file_path[COUNTERS_PATH_SIZE];

struct counters *counters_block(unsigned index)
{
	return &file->counters[index];
}

uint64_t counters_sum(size_t offset)
{
	uint64_t sum = 0;
	for (unsigned i = 0; file && i < file->blocks; i++) {
		const void *counter = (const char *)&file->counters[i] + offset;
		sum += atomic_load_explicit((const _Atomic uint64_t *)counter,
					    memory_order_relaxed);
	}
	return sum;
}

/* ---- where the file is --------------------------------------------------------------------- */

enum rank { OF_SERVICE, OF_SYSTEM, OF_SESSION, OF_USER, RANKS };

/* Its path, or "": there is none. */
static void folder_of(enum rank rank, char *path)
{
	const char *given = getenv(rank == OF_SERVICE ? "RUNTIME_DIRECTORY" : "XDG_RUNTIME_DIR");
	*path = '\0';
	if (rank == OF_SYSTEM)
		strcpy(path, "/run/mbimage");
	else if (rank == OF_USER)
		snprintf(path, COUNTERS_PATH_SIZE, "/tmp/mbimage-%u", (unsigned)geteuid());
	else if (given && rank == OF_SERVICE)
		snprintf(path, COUNTERS_PATH_SIZE, "%.*s", (int)strcspn(given, ":"), given);
	else if (given && *given == '/')
		snprintf(path, COUNTERS_PATH_SIZE, "%s/mbimage", given);
}

bool counters_path(unsigned rank, const char *image, char *path)
{
	if (rank >= RANKS)
		return false;
	folder_of((enum rank)rank, path);
	size_t used = strlen(path);
	if (used > 0 && used < COUNTERS_PATH_SIZE - 300)
		snprintf(path + used, COUNTERS_PATH_SIZE - used, "/mbserverd-%.255s.counters",
			 image + 1);
	else
		*path = '\0';
	return true;
}

/* The rank to write at: the service manager's folder, or one in which only this user can write.
 * 0 or -errno. */
static int folder_make(enum rank *rank)
{
	char path[COUNTERS_PATH_SIZE];
	struct stat st;
	folder_of(*rank = OF_SERVICE, path);
	if (*path != '\0')
		return 0;
	folder_of(*rank = OF_SESSION, path);
	if (*path == '\0')
		folder_of(*rank = OF_USER, path);
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	if (lstat(path, &st))
		return -errno;
	bool ours = S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 0022);
	return ours ? 0 : -EPERM;
}

/* ---- the file ------------------------------------------------------------------------------ */

/* The server's is a write lock, which is in the way of a read lock. */
bool counters_held(int fd)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

static bool is_taken(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool taken = fd >= 0 && counters_held(fd);
	if (fd >= 0)
		close(fd);
	return taken;
}

/* A new file under a temporary name, locked, then moved to its place: those that have the old one
 * open keep it.  0 or -errno. */
static int file_make(const char *path)
{
	char temporary[COUNTERS_PATH_SIZE + 32];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (is_taken(path))
		return -EBUSY;
	snprintf(temporary, sizeof temporary, "%s.%d", path, getpid());
	unlink(temporary);
	file_fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file_fd < 0)
		return -errno;
	int rc = posix_fallocate(file_fd, 0, (off_t)file_bytes);
	if (!rc && (fcntl(file_fd, F_OFD_SETLK, &lock) || rename(temporary, path)))
		rc = errno;
	if (!rc)
		return 0;
	unlink(temporary);
	close(file_fd);
	file_fd = -1;
	return -rc;
}

static void counters_header_fill(const char *image, unsigned blocks)
{
	snprintf(file->version, sizeof file->version, "%s", MBIMAGE_VERSION);
	snprintf(file->image, sizeof file->image, "%s", image);
	file->block_bytes = sizeof *file->counters;
	file->blocks = blocks;
	file->start_ns = clock_now_ns(CLOCK_REALTIME);
	file->pid = getpid();
	memcpy(file->magic, COUNTERS_MAGIC, sizeof file->magic);
}

/* However the program exits, workers running or not. */
static void file_remove(void)
{
	if (file_fd < 0)
		return;
	unlink(file_path);
	close(file_fd);
	file_fd = -1;
}

void counters_open(const char *image, unsigned blocks)
{
	enum rank rank;
	file_bytes = sizeof *file + blocks * sizeof *file->counters;
	int rc = folder_make(&rank);
	counters_path(rank, image, file_path);
	if (!rc)
		rc = *file_path != '\0' ? file_make(file_path) : -ENAMETOOLONG;
	if (rc == -EBUSY)
		log_warn("another server counts in %s: the counters of this one cannot be read",
			 file_path);
	else if (rc)
		log_warn("no counters for --stats: %s: %s", file_path, strerror(-rc));
	file = mmap(NULL, file_bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | (file_fd < 0 ? MAP_ANONYMOUS : 0), file_fd, 0);
	if (file == MAP_FAILED)
		die(EXIT_FAILURE, "counters: %s", strerror(errno));
	counters_header_fill(image, blocks);
	atexit(file_remove);
}

void counters_close(void)
{
	munmap(file, file_bytes);
	file = NULL;
	file_remove();
}
