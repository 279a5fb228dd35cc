/* A hash of a text: FNV-1a, 64 bits.  Any thread. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

/* The same for the same text in every version: seeds of random streams come from it. */
static inline uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

#endif
