/* JSON (RFC 8259). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdio.h>

/* Write text as a JSON string, quotes included.  What is not printable ASCII is escaped, since it
 * may be no UTF-8. */
void json_string(FILE *out, const char *text);

#endif
