/* What bytes may be that are not Modbus TCP.  Pure. */
#ifndef MODBUS_GUESS_H
#define MODBUS_GUESS_H

#include <stddef.h>
#include <stdint.h>

/* The protocol that somebody probably speaks who begins with these bytes: "Modbus RTU over TCP"
 * (Modbus over Serial Line V1.02 2.5.1: the CRC is right), "Modbus ASCII" (2.5.2), "HTTP", "TLS".
 * NULL: no idea. */
const char *guess_protocol(const uint8_t *bytes, size_t count);

#endif
