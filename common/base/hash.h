/* A hash of a text, or of bytes: FNV-1a, 64 bits.  Any thread. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_bytes(const void *bytes, size_t count)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (const unsigned char *byte = bytes; count; byte++, count--)
		hash = (hash ^ *byte) * UINT64_C(0x100000001b3);
	return hash;
}

/* The same for the same text in every version: seeds of random streams come from it. */
static inline uint64_t hash_text(const char *text)
{
	return hash_bytes(text, strlen(text));
}

#endif
