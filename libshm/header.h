/* The header of a segment: what can be known without trusting it. */
#ifndef LIBSHM_HEADER_H
#define LIBSHM_HEADER_H

#include "libshm/layout.h"

#include <sys/types.h>

/* A checksum over several pieces: begin with CHECKSUM_START, then add one after the other. */
#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)
uint64_t checksum_add(uint64_t hash, const void *data, size_t size);
uint64_t header_checksum(const struct segment_header *header);

/* Spans as segments and files keep them.  Unpacking checks count and all spans: 0, or -EBADMSG
 * and why. */
void span_pack(struct segment_span *packed, const struct mbshm_layout *layout);
int span_unpack(struct mbshm_layout *layout, const struct segment_span *packed, uint32_t count,
		char *why);

/* Is the open file an image that this user may believe: owned by the user, root or that group, not
 * writable by others, its header and size as they must be?  0 and what it is, or -EPERM, -EBADMSG
 * and why, or another error of the system. */
struct stat;
int header_read(int fd, gid_t group, struct segment_header *header, struct mbshm_layout *layout,
		struct stat *st, char *why);

#endif
