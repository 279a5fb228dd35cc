/* The header of a segment: what can be known without trusting it. */
#ifndef LIBSHM_HEADER_H
#define LIBSHM_HEADER_H

#include "libshm/layout.h"

/* A checksum over several pieces: begin with CHECKSUM_START, then add one after the other. */
#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)
uint64_t checksum_add(uint64_t hash, const void *data, size_t size);
uint64_t header_checksum(const struct segment_header *header);

/* Spans as segments and files keep them.  Unpacking checks count and all spans: 0, or -EBADMSG
 * and why. */
void span_pack(struct segment_span *packed, const struct mbshm_layout *layout);
int span_unpack(struct mbshm_layout *layout, const struct segment_span *packed, uint32_t count,
		char *why);

/* header: a private copy.  0 and its spans in layout, checked; or -EBADMSG and why. */
int header_check(const struct segment_header *header, uint64_t file_bytes,
		 struct mbshm_layout *layout, char *why);

#endif
