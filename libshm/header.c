/* The header of a segment: what can be known without trusting it. */
#include "libshm/header.h"

#include "libshm/spans.h"
#include "libshm/why.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* FNV-1a, 64 bits: each step is a bijection of the state, so a change of a single byte always
 * changes the sum. */
uint64_t checksum_add(uint64_t hash, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t header_checksum(const struct segment_header *header)
{
	return checksum_add(CHECKSUM_START, header, offsetof(struct segment_header, checksum));
}

void span_pack(struct segment_span *packed, const struct mbshm_layout *layout)
{
	for (unsigned i = 0; i < layout->span_count; i++) {
		const struct mbshm_span *span = &layout->spans[i];
		packed[i] = (struct segment_span){ (uint16_t)span->table, (uint16_t)span->first,
						   span->count };
	}
}

int span_unpack(struct mbshm_layout *layout, const struct segment_span *packed, uint32_t count,
		char *why)
{
	if (!count || count > MBSHM_SPANS_MAX)
		return why_set(why, -EBADMSG, "damaged: %u spans", count);
	layout->span_count = count;
	for (unsigned i = 0; i < count; i++)
		layout->spans[i] = (struct mbshm_span){ (enum mbshm_table)packed[i].table,
							packed[i].first, packed[i].count };
	return layout_check(layout, why) ? -EBADMSG : 0;
}

static int header_check(const struct segment_header *header, uint64_t file_bytes,
			struct mbshm_layout *layout, char *why)
{
	if (header->magic != SEGMENT_MAGIC)
		return why_set(why, -EBADMSG, "not a register image (wrong magic number)");
	if (header->byte_order != SEGMENT_BYTE_ORDER)
		return why_set(why, -EBADMSG, "written by a machine with another byte order");
	if (header->layout != SEGMENT_LAYOUT)
		return why_set(why, -EBADMSG,
			       "segment layout version %u; this program knows version %d: "
			       "stop all programs of the plant, unlink the image, start them again",
			       header->layout, SEGMENT_LAYOUT);
	if (header->checksum != header_checksum(header))
		return why_set(why, -EBADMSG, "damaged header (checksum)");
	if (header->pool_pages < MBSHM_POOL_MIN || header->pool_pages > MBSHM_POOL_MAX ||
	    header->size_bytes != segment_size(header->pool_pages) ||
	    header->size_bytes != file_bytes)
		return why_set(why, -EBADMSG,
			       "damaged: %llu bytes where the header says %llu for %u pages",
			       (unsigned long long)file_bytes,
			       (unsigned long long)header->size_bytes, header->pool_pages);
	if (span_unpack(layout, header->spans, header->span_count, why))
		return -EBADMSG;
	if (header->pool_pages < 2 * (mbshm_layout_pages(layout) + 1))
		return why_set(why, -EBADMSG, "damaged: a pool of %u pages for %u live ones",
			       header->pool_pages, mbshm_layout_pages(layout));
	return 0;
}

static bool group_trusted(const struct stat *st, gid_t group)
{
	return (group != (gid_t)-1 && st->st_gid == group) || st->st_gid == getegid() ||
	       (st->st_uid == 0 && st->st_gid == 0);
}

/* Only this user, root and the plant's group may be able to write the segment. */
static int file_check(const struct stat *st, gid_t group, char *why)
{
	if (!S_ISREG(st->st_mode))
		return why_set(why, -EBADMSG, "not a regular file");
	if (st->st_uid != geteuid() && st->st_uid != 0 &&
	    (group == (gid_t)-1 || st->st_gid != group))
		return why_set(why, -EPERM,
			       "belongs to user %u, group %u; expected user %u, root, or the "
			       "plant's group",
			       (unsigned)st->st_uid, (unsigned)st->st_gid, (unsigned)geteuid());
	if (st->st_mode & 0002)
		return why_set(why, -EPERM, "mode %04o: writable by everybody",
			       (unsigned)st->st_mode & 07777);
	if (st->st_mode & 0020 && !group_trusted(st, group))
		return why_set(why, -EPERM,
			       "mode %04o: writable by group %u, which is neither the plant's nor "
			       "this process'; name that group in the plant (image.group), or take "
			       "the right away (chmod g-w)",
			       (unsigned)st->st_mode & 07777, (unsigned)st->st_gid);
	if (st->st_size < (off_t)sizeof(struct segment))
		return why_set(why, -EBADMSG, "not a register image (%lld bytes)",
			       (long long)st->st_size);
	return 0;
}

int header_read(int fd, gid_t group, struct segment_header *header, struct mbshm_layout *layout,
		struct stat *st, char *why)
{
	int rc;
	if (fstat(fd, st))
		return why_set(why, -errno, "%s", strerror(errno));
	rc = file_check(st, group, why);
	if (rc)
		return rc;
	if (pread(fd, header, sizeof *header, 0) != sizeof *header)
		return why_set(why, -EBADMSG, "cannot read the header");
	return header_check(header, (uint64_t)st->st_size, layout, why);
}
