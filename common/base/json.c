/* JSON (RFC 8259). */
#include "base/json.h"

/* Bytes of the character at c, 1..4; 0: not UTF-8 (Unicode 15, table 3-7).  The NUL at the end of
 * the text ends a character that was cut. */
static unsigned utf8_length(const unsigned char *c)
{
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned length = *c < 0x80 ? 1 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : 4;
	unsigned long code = *c & 0xffu >> (length + 1);
	if (length == 1)
		return 1;
	if (*c < 0xc2 || *c > 0xf4)
		return 0;
	for (unsigned i = 1; i < length; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (c[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return length;
}

void json_string(FILE *out, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;
	putc('"', out);
	while (*c) {
		unsigned length = utf8_length(c);
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ' || *c == 0x7f || !length)
			fprintf(out, "\\u%04x", *c);
		else
			fwrite(c, 1, length, out);
		c += length ? length : 1;
	}
	putc('"', out);
}
