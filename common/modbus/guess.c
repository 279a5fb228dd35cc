/* What bytes may be that are not Modbus TCP. */
#include "modbus/guess.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

enum { RTU_MIN = 4, RTU_MAX = 256 }; /* unit, function and CRC; 2.5.1 */

/* The CRC of what it ends is 0. */
static bool has_crc(const uint8_t *bytes, size_t count)
{
	uint16_t crc = 0xFFFF;
	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xA001 : crc >> 1);
	}
	return crc == 0;
}

/* A request of fixed length, one with values, or all there is; another frame may follow.  Not just
 * any length, one of which would be right by chance. */
static bool is_rtu(const uint8_t *bytes, size_t count)
{
	const size_t lengths[] = { 8, count > 6 ? 9U + bytes[6] : 0, count };
	for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
		if (lengths[i] >= RTU_MIN && lengths[i] <= RTU_MAX && lengths[i] <= count &&
		    has_crc(bytes, lengths[i]))
			return true;
	return false;
}

static bool is_ascii(const uint8_t *bytes, size_t count)
{
	if (count < 5 || bytes[0] != ':')
		return false;
	for (size_t i = 1; i < 5; i++)
		if (!isxdigit(bytes[i]))
			return false;
	return true;
}

static bool is_http(const uint8_t *bytes, size_t count)
{
	static const char *const methods[] = { "GET ",     "HEAD ",    "POST ",
					       "PUT ",     "DELETE ",  "PATCH ",
					       "OPTIONS ", "CONNECT ", "PRI * HTTP/2" };
	for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++) {
		size_t length = strlen(methods[i]);
		if (count >= length && !memcmp(bytes, methods[i], length))
			return true;
	}
	return false;
}

/* A handshake record of version 3.x. */
static bool is_tls(const uint8_t *bytes, size_t count)
{
	return count >= 3 && bytes[0] == 0x16 && bytes[1] == 3 && bytes[2] <= 4;
}

const char *guess_protocol(const uint8_t *bytes, size_t count)
{
	static const struct {
		const char *name;
		bool (*is)(const uint8_t *bytes, size_t count);
	} protocols[] = {
		{ "TLS", is_tls },
		{ "HTTP", is_http },
		{ "Modbus ASCII", is_ascii },
		{ "Modbus RTU over TCP", is_rtu },
	};
	for (unsigned i = 0; i < sizeof protocols / sizeof *protocols; i++)
		if (protocols[i].is(bytes, count))
			return protocols[i].name;
	return NULL;
}
