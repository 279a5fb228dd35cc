/* JSON (RFC 8259). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdio.h>

/* Write text as a JSON string, quotes included.  UTF-8 is written as it is; quotes, backslashes and
 * control characters are escaped, and a byte that is not UTF-8 is written as \u00XX, so that the
 * result is always valid.  An error of writing is left in out (ferror(3)). */
void json_string(FILE *out, const char *text);

#endif
