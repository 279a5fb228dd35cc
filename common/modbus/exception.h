/* Exceptions (V1.1b3 7).  Their codes are modbus.h's MODBUS_EXCEPTION_*. */
#ifndef MODBUS_EXCEPTION_H
#define MODBUS_EXCEPTION_H

#include <stdint.h>

enum { EXCEPTION_FLAG = 0x80 }; /* in the function code of a reply */

/* What a server may decide instead of an exception. */
enum {
	ANSWER_SILENCE = -1,  /* no reply */
	ANSWER_LATER = -2,    /* no reply yet: another process holds the writer lock */
	ANSWER_REPLACED = -3, /* no reply yet: the image was replaced, or has to be */
};

/* "Illegal Function", ...; NULL: the specification has no name for this code. */
const char *exception_name(uint8_t code);

#endif
