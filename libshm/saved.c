/* A file of saved values: written complete or not at all, believed only when all of it is checked.
 *
 * It is a struct values_header, the values of its spans in order (registers little-endian, bits
 * packed, each span padded to 8 bytes), and a checksum of all of it. */
#include "libshm/saved.h"

#include "libshm/clock.h"
#include "libshm/descriptor.h"
#include "libshm/header.h"
#include "libshm/image.h"
#include "libshm/spans.h"
#include "libshm/why.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VALUES_MAGIC UINT64_C(0x3153474552424d2e) /* ".MBREGS1" */

struct values_header {
	uint64_t magic;
	uint32_t format;
	uint32_t span_count;
	uint64_t version;
	uint64_t saved_wall_ns;
	struct segment_span spans[MBSHM_SPANS_MAX];
};
_Static_assert(sizeof(struct values_header) == 32 + MBSHM_SPANS_MAX * 8, "no holes");

enum {
	VALUES_FORMAT = 1,
	/* All four tables. */
	VALUES_MAX = 2 * MBSHM_ITEMS * 2 + 2 * MBSHM_ITEMS / 8 + MBSHM_SPANS_MAX * 8,
};

static uint64_t values_checksum(const struct values_header *header, const struct values *values)
{
	return checksum_add(checksum_add(CHECKSUM_START, header, sizeof *header), values->bytes,
			    values->size_bytes);
}

static int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;
	while (size) {
		ssize_t n = write(fd, at, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

static int file_write(int fd, const struct values *values)
{
	struct values_header header = {
		.magic = VALUES_MAGIC,
		.format = VALUES_FORMAT,
		.span_count = values->layout.span_count,
		.version = values->version,
		.saved_wall_ns = (uint64_t)clock_ns(CLOCK_REALTIME_COARSE),
	};
	uint64_t checksum;
	int rc;
	span_pack(header.spans, &values->layout);
	checksum = values_checksum(&header, values);
	rc = write_all(fd, &header, sizeof header);
	if (!rc)
		rc = write_all(fd, values->bytes, values->size_bytes);
	if (!rc)
		rc = write_all(fd, &checksum, sizeof checksum);
	return rc ? rc : fsync(fd) ? -errno : 0;
}

/* The folder of a file, locked: one process at a time puts files in the place of others there.  The
 * lock ends with the process.  A descriptor (the caller's) or -errno. */
static int folder_lock(const char *path)
{
	enum { TRIES = 3000, TRY_MS = 10 }; /* a save takes its fsync(2), rarely seconds */
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int fd, tries = 0;
	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	fd = descriptor_open(folder, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		int rc = -errno;
		if (rc != -EINTR && (rc != -EWOULDBLOCK || ++tries == TRIES)) {
			close(fd);
			return rc == -EWOULDBLOCK ? -ETIMEDOUT : rc;
		}
		nanosleep(&(struct timespec){ 0, TRY_MS * 1000000 }, NULL);
	}
	return fd;
}

static int is_regular(const struct stat *st)
{
	return S_ISREG(st->st_mode) ? 0 : S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
}

static const char *reason_of(int rc)
{
	return rc == -EINVAL ? "not a regular file" : strerror(-rc);
}

/* The file that path leads to through symbolic links, which stay what they are; it need not exist.
 * 0, -EISDIR, -EINVAL (no regular file either: a device, a pipe) or another -errno. */
static int path_resolve(const char *path, char real[PATH_MAX])
{
	struct stat st;
	if (realpath(path, real))
		return stat(real, &st) ? -errno : is_regular(&st);
	int rc = -errno;
	if (rc != -ENOENT || !lstat(path, &st)) /* a link that leads nowhere stays, too */
		return rc;
	return snprintf(real, PATH_MAX, "%s", path) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The umask and the user who saves must not decide who can read the file after the next boot: that
 * is as of the old file, or of the image, but only its owner can write it.  0 or -errno. */
static int file_own(int fd, const char *path, const struct mbshm *img)
{
	struct stat st;
	mode_t mode = 0666;
	if (stat(path, &st)) {
		mode = 0644;
		if (fstat(img->fd, &st))
			return -errno;
	}
	mode &= st.st_mode;
	/* Without the right to give it away, it stays ours, but is nobody's by mistake. */
	if (fchown(fd, st.st_uid, st.st_gid) && fchown(fd, (uid_t)-1, st.st_gid))
		mode &= (mode_t)~0060;
	return fchmod(fd, mode) ? -errno : 0;
}

/* Under the lock of the folder, so an older FILE.new is what a dead process has left. */
static int file_replace(const char *path, const struct mbshm *img, const struct values *values)
{
	char beside[PATH_MAX];
	int fd, rc;
	if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside)
		return -ENAMETOOLONG;
	unlink(beside);
	fd = descriptor_open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = file_own(fd, path, img);
	if (!rc)
		rc = file_write(fd, values);
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(beside, path))
		rc = -errno;
	if (rc)
		unlink(beside);
	return rc;
}

/* A free name for a refused file, or when there is none, the one that was refused first. */
static bool refused_name(const char *path, char name[PATH_MAX])
{
	enum { REFUSED_MAX = 10 };
	struct timespec first = { 0 };
	char next[PATH_MAX];
	struct stat st;
	for (int i = 0; i < REFUSED_MAX; i++) {
		if (snprintf(next, sizeof next, i ? "%s.refused.%d" : "%s.refused", path, i) >=
		    (int)sizeof next)
			return false;
		bool is_free = lstat(next, &st);
		if (is_free || !i || st.st_ctim.tv_sec < first.tv_sec ||
		    (st.st_ctim.tv_sec == first.tv_sec && st.st_ctim.tv_nsec < first.tv_nsec)) {
			strcpy(name, next);
			first = st.st_ctim;
		}
		if (is_free)
			break;
	}
	return true;
}

/* Under the lock of the folder: a damaged file is not overwritten, but moved aside. */
static void refuse_locked(const char *path, char *why)
{
	char refused[MBSHM_WHY_SIZE], aside[PATH_MAX];
	struct values found;
	int rc = saved_load(path, &found, refused);
	if (!rc)
		values_free(&found);
	if (rc != -EBADMSG || !refused_name(path, aside) || rename(path, aside) || !why)
		return;
	size_t used = strlen(why);
	snprintf(why + used, MBSHM_WHY_SIZE - used, " (kept aside as %.400s)", aside);
}

void saved_refuse(const char *path, char *why)
{
	char real[PATH_MAX];
	int folder = path_resolve(path, real) ? -1 : folder_lock(real);
	if (folder < 0)
		return;
	refuse_locked(real, why);
	close(folder);
}

static int save_locked(const char *path, const struct mbshm *img, const struct values *values)
{
	int folder = folder_lock(path), rc;
	if (folder < 0)
		return folder;
	refuse_locked(path, NULL);
	rc = file_replace(path, img, values);
	if (!rc && fsync(folder))
		rc = -errno;
	close(folder);
	return rc;
}

int mbshm_values_save(struct mbshm *img, const char *path, uint32_t timeout_us, uint64_t *version,
		      char *why)
{
	char real[PATH_MAX];
	struct values values;
	int rc = path_resolve(path, real);
	if (rc)
		return why_set(why, rc, "cannot write %s: %s", path, reason_of(rc));
	rc = values_take(img, false, timeout_us, &values);
	if (rc)
		return why_set(why, rc, "cannot read the image: %s", strerror(-rc));
	rc = save_locked(real, img, &values);
	if (version)
		*version = values.version;
	values_free(&values);
	return rc ? why_set(why, rc, "cannot write %s: %s", path, strerror(-rc)) : 0;
}

/* Everything in the file is checked before it is used. */
static int file_parse(const uint8_t *data, size_t size, struct values *values, char *why)
{
	struct values_header header;
	uint64_t checksum;
	if (size < sizeof header + 8)
		return why_set(why, -EBADMSG, "too short for a file of saved values");
	memcpy(&header, data, sizeof header);
	memcpy(&checksum, data + size - 8, 8);
	if (header.magic != VALUES_MAGIC || header.format != VALUES_FORMAT)
		return why_set(why, -EBADMSG, "not a file of saved values, or of another format");
	if (checksum != checksum_add(CHECKSUM_START, data, size - 8))
		return why_set(why, -EBADMSG, "damaged (checksum)");
	if (!header.version || header.version >= VERSION_MAX)
		return why_set(why, -EBADMSG, "damaged header");
	values->version = header.version;
	if (span_unpack(&values->layout, header.spans, header.span_count, why))
		return -EBADMSG;
	if (values_alloc(values))
		return why_set(why, -ENOMEM, "out of memory");
	if (values->size_bytes != size - sizeof header - 8) {
		values_free(values);
		return why_set(why, -EBADMSG, "damaged (length)");
	}
	memcpy(values->bytes, data + sizeof header, values->size_bytes);
	return 0;
}

static ssize_t read_all(int fd, uint8_t *data, size_t size)
{
	size_t got = 0;
	while (got < size) {
		ssize_t n = read(fd, data + got, size - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int saved_load(const char *path, struct values *values, char *why)
{
	size_t most = sizeof(struct values_header) + VALUES_MAX + 8;
	int fd = descriptor_open(path, O_RDONLY | O_NONBLOCK, 0);
	struct stat st;
	uint8_t *data;
	ssize_t size;
	int rc;
	if (fd < 0)
		return why_set(why, -errno, "%s: %s", path, strerror(errno));
	rc = fstat(fd, &st) ? -errno : is_regular(&st);
	if (rc) {
		close(fd);
		return why_set(why, rc, "%s: %s", path, reason_of(rc));
	}
	data = malloc(most + 1);
	size = data ? read_all(fd, data, most + 1) : -ENOMEM;
	close(fd);
	if (size < 0) {
		rc = why_set(why, (int)size, "%s: %s", path, strerror((int)-size));
	} else {
		char reason[MBSHM_WHY_SIZE];
		rc = (size_t)size > most ? why_set(reason, -EBADMSG, "too long")
					 : file_parse(data, (size_t)size, values, reason);
		if (rc)
			why_set(why, rc, "%s: %s", path, reason);
	}
	free(data);
	return rc;
}

int mbshm_values_restore(struct mbshm *img, const char *path, const struct mbshm_origin *origin,
			 uint32_t timeout_us, char *why)
{
	char ours[200], theirs[200];
	struct values values;
	int rc = saved_load(path, &values, why);
	if (rc)
		return rc;
	rc = values_publish(img, &values, true, origin, timeout_us);
	if (rc == -ENXIO) {
		layout_text(&values.layout, theirs, sizeof theirs);
		layout_text(mbshm_layout_of(img), ours, sizeof ours);
		why_set(why, rc, "%s: holds {%s}; the image declares {%s}", path, theirs, ours);
	} else if (rc) {
		why_set(why, rc, "cannot publish: %s", strerror(-rc));
	}
	values_free(&values);
	return rc;
}
