/* All values at once: taken out of an image, put into one, kept in a file.
 *
 * A file is a struct values_header, the values of its spans in order (registers little-endian, bits
 * packed, each span padded to 8 bytes), and a checksum of all of it. */
#include "libshm/values.h"

#include "libshm/txn.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	VALUES_MAX = 2 * MBSHM_ITEMS * 2 + 2 * MBSHM_ITEMS / 8 +
		     MBSHM_SPANS_MAX * 8, /* all four tables */
	CHUNK = 32768,                    /* items of one call that takes 16 bits of them */
};

static size_t span_bytes(const struct mbshm_span *span)
{
	return (span->count * table_bits(span->table) + 63) / 64 * 8;
}

static int values_alloc(struct values *values)
{
	values->size_bytes = 0;
	for (unsigned i = 0; i < values->layout.span_count; i++)
		values->size_bytes += span_bytes(&values->layout.spans[i]);
	values->bytes = calloc(1, values->size_bytes);
	return values->bytes ? 0 : -ENOMEM;
}

void values_free(struct values *values)
{
	free(values->bytes);
	values->bytes = NULL;
}

int values_take(struct mbshm *img, bool under_lock, uint32_t timeout_us, struct values *values)
{
	struct mbshm_read reads[MBSHM_SPANS_MAX];
	uint8_t *out;
	int rc;
	values->layout = img->layout;
	rc = values_alloc(values);
	if (rc)
		return rc;
	out = values->bytes;
	for (unsigned i = 0; i < img->layout.span_count; i++) {
		const struct mbshm_span *span = &img->layout.spans[i];
		reads[i] = (struct mbshm_read){ span->table, span->first, span->count, out };
		out += span_bytes(span);
	}
	if (under_lock) /* nobody publishes: the first try holds */
		rc = mbshm_read(img, reads, img->layout.span_count, &values->version);
	else
		rc = mbshm_snapshot(img, reads, img->layout.span_count, timeout_us,
				    &values->version);
	if (rc)
		values_free(values);
	return rc;
}

static int registers_stage(struct mbshm_txn *txn, const struct mbshm_span *part,
			   const uint8_t *bytes, uint32_t skip)
{
	uint16_t buffer[CHUNK];
	int rc = 0;
	for (uint32_t done = 0, n; done < part->count && !rc; done += n) {
		n = part->count - done < CHUNK ? part->count - done : CHUNK;
		memcpy(buffer, bytes + (skip + done) * 2, n * 2);
		rc = mbshm_txn_write_registers(txn, part->table, (uint16_t)(part->first + done),
					       (uint16_t)n, buffer);
	}
	return rc;
}

static int bits_stage(struct mbshm_txn *txn, const struct mbshm_span *part, const uint8_t *bytes,
		      uint32_t skip)
{
	uint8_t buffer[CHUNK / 8];
	int rc = 0;
	for (uint32_t done = 0, n; done < part->count && !rc; done += n) {
		n = part->count - done < CHUNK ? part->count - done : CHUNK;
		memset(buffer, 0, sizeof buffer);
		for (uint32_t i = 0; i < n; i++)
			buffer[i / 8] |=
				(uint8_t)((bytes[(skip + done + i) / 8] >> (skip + done + i) % 8 &
					   1)
					  << i % 8);
		rc = mbshm_txn_write_bits(txn, part->table, (uint16_t)(part->first + done),
					  (uint16_t)n, buffer);
	}
	return rc;
}

/* What old and new have in common of one span each. */
static bool overlap(const struct mbshm_span *old, const struct mbshm_span *new,
		    struct mbshm_span *part)
{
	uint32_t first = old->first > new->first ? old->first : new->first;
	uint32_t end = old->first + old->count < new->first + new->count ? old->first + old->count
									 : new->first + new->count;
	*part = (struct mbshm_span){ old->table, first, end - first };
	return old->table == new->table &&first < end;
}

static int values_stage(struct mbshm_txn *txn, const struct mbshm *img, const struct values *values)
{
	const uint8_t *bytes = values->bytes;
	struct mbshm_span part;
	int rc = 0;
	for (unsigned i = 0; i < values->layout.span_count; i++) {
		const struct mbshm_span *old = &values->layout.spans[i];
		for (unsigned j = 0; j < img->layout.span_count && !rc; j++) {
			if (!overlap(old, &img->layout.spans[j], &part))
				continue;
			if (part.table >= MBSHM_HOLDING_REGISTERS)
				rc = registers_stage(txn, &part, bytes, part.first - old->first);
			else
				rc = bits_stage(txn, &part, bytes, part.first - old->first);
		}
		bytes += span_bytes(old);
	}
	return rc;
}

int values_publish(struct mbshm *img, const struct values *values, bool whole, uint32_t timeout_us)
{
	struct mbshm_txn *txn;
	int rc;
	if (whole && !layout_equal(&values->layout, &img->layout))
		return -ENXIO;
	txn = mbshm_txn_new((unsigned)(values->size_bytes / 8 + MBSHM_SPANS_MAX));
	if (!txn)
		return -ENOMEM;
	mbshm_txn_begin(txn, img);
	rc = values_stage(txn, img, values);
	if (!rc)
		rc = mbshm_txn_commit(txn, timeout_us, NULL);
	mbshm_txn_free(txn);
	return rc;
}

/* ---- file ---------------------------------------------------------------------------------- */

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
	for (unsigned i = 0; i < values->layout.span_count; i++) {
		const struct mbshm_span *span = &values->layout.spans[i];
		header.spans[i] = (struct segment_span){ (uint16_t)span->table,
							 (uint16_t)span->first, span->count };
	}
	checksum = values_checksum(&header, values);
	rc = write_all(fd, &header, sizeof header);
	if (!rc)
		rc = write_all(fd, values->bytes, values->size_bytes);
	if (!rc)
		rc = write_all(fd, &checksum, sizeof checksum);
	return rc ? rc : fsync(fd) ? -errno : 0;
}

static int folder_sync(const char *path)
{
	char folder[4096];
	const char *slash = strrchr(path, '/');
	int fd, rc;
	snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
		 slash ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) ? -errno : 0;
	close(fd);
	return rc;
}

static int file_replace(const char *path, const struct values *values)
{
	char beside[4096];
	int fd, rc;
	if (snprintf(beside, sizeof beside, "%s.%ld.new", path, (long)getpid()) >=
	    (int)sizeof beside)
		return -ENAMETOOLONG;
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	rc = file_write(fd, values);
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(beside, path))
		rc = -errno;
	if (rc)
		unlink(beside);
	return rc ? rc : folder_sync(path);
}

/* Rename a damaged file to FILE.refused, and say so behind what is said of it.  A daemon may not be
 * allowed to: then whoever saves next does it, before he would overwrite it. */
static void keep_aside(const char *path, char *why)
{
	char aside[4096];
	size_t used = strlen(why);
	if (snprintf(aside, sizeof aside, "%s.refused", path) < (int)sizeof aside &&
	    !rename(path, aside))
		snprintf(why + used, MBSHM_WHY_SIZE - used, " (kept aside as %.400s)", aside);
}

int mbshm_values_save(struct mbshm *img, const char *path, uint32_t timeout_us, uint64_t *version,
		      char *why)
{
	char refused[MBSHM_WHY_SIZE];
	struct values values, found = { 0 };
	int rc = values_take(img, false, timeout_us, &values);
	if (rc)
		return why_set(why, rc, "cannot read the image: %s", strerror(-rc));
	if (values_load(path, &found, refused) == -EBADMSG)
		keep_aside(path, refused); /* what was refused is not overwritten */
	else
		values_free(&found);
	rc = file_replace(path, &values);
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
		return why_set(why, -EBADMSG, "too short");
	memcpy(&header, data, sizeof header);
	memcpy(&checksum, data + size - 8, 8);
	if (header.magic != VALUES_MAGIC || header.format != VALUES_FORMAT)
		return why_set(why, -EBADMSG, "not a file of saved values, or of another format");
	if (checksum != checksum_add(CHECKSUM_START, data, size - 8))
		return why_set(why, -EBADMSG, "damaged (checksum)");
	if (!header.span_count || header.span_count > MBSHM_SPANS_MAX || !header.version ||
	    header.version >= VERSION_MAX)
		return why_set(why, -EBADMSG, "damaged header");
	values->version = header.version;
	values->layout.span_count = header.span_count;
	for (unsigned i = 0; i < header.span_count; i++)
		values->layout.spans[i] =
			(struct mbshm_span){ (enum mbshm_table)header.spans[i].table,
					     header.spans[i].first, header.spans[i].count };
	if (layout_check(&values->layout, why))
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

int values_load(const char *path, struct values *values, char *why)
{
	size_t most = sizeof(struct values_header) + VALUES_MAX + 8;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *data;
	ssize_t size;
	int rc;
	if (fd < 0)
		return why_set(why, -errno, "%s: %s", path, strerror(errno));
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

int mbshm_values_restore(struct mbshm *img, const char *path, uint32_t timeout_us, char *why)
{
	char ours[200], theirs[200];
	struct values values;
	int rc = values_load(path, &values, why);
	if (rc)
		return rc;
	rc = values_publish(img, &values, true, timeout_us);
	if (rc == -ENXIO) {
		layout_text(&values.layout, theirs, sizeof theirs);
		layout_text(&img->layout, ours, sizeof ours);
		why_set(why, rc, "%s: holds {%s}; the image declares {%s}", path, theirs, ours);
	} else if (rc) {
		why_set(why, rc, "cannot publish: %s", strerror(-rc));
	}
	values_free(&values);
	return rc;
}

int values_create(const struct mbshm_config *config, char *why)
{
	char refused[MBSHM_WHY_SIZE] = "";
	struct values values;
	int rc = config->retain ? values_load(config->retain, &values, refused) : -ENOENT;
	if (!rc) {
		rc = image_create(config, &values, NULL, false, why);
		values_free(&values);
		return rc == -EEXIST ? why_set(why, rc, "%s", "") : rc;
	}
	/* Only what is damaged is set aside: a file that cannot be read today may be whole. */
	if (rc == -EBADMSG)
		keep_aside(config->retain, refused);
	else if (rc == -ENOENT)
		refused[0] = 0; /* nothing saved yet */
	else
		return why_set(why, rc, "%s", refused);
	rc = image_create(config, NULL, NULL, false, why);
	if (!rc || rc == -EEXIST) /* attaching to another creator's is no failure */
		why_set(why, 0, "%s", refused);
	return rc;
}
