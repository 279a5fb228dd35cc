/* How many connections an address has.  Its connections share the entry; the main thread makes and
 * frees it (admission.c), and a worker counts down when one of them is closed. */
#ifndef MBSERVERD_ADDRESS_H
#define MBSERVERD_ADDRESS_H

#include <stdatomic.h>
#include <stdint.h>

struct address {
	struct address *next;
	uint8_t family, bytes[16];
	_Atomic unsigned connections;
};

#endif
