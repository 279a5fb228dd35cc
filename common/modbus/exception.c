/* Exceptions. */
#include "modbus/exception.h"

#include <stddef.h>

static const char *const names[] = {
	[0x01] = "Illegal Function",
	[0x02] = "Illegal Data Address",
	[0x03] = "Illegal Data Value",
	[0x04] = "Server Device Failure",
	[0x05] = "Acknowledge",
	[0x06] = "Server Device Busy",
	[0x07] = "Negative Acknowledge",
	[0x08] = "Memory Parity Error",
	[0x0A] = "Gateway Path Unavailable",
	[0x0B] = "Gateway Target Device Failed to Respond",
};

const char *exception_name(uint8_t code)
{
	return code < sizeof names / sizeof *names ? names[code] : NULL;
}
