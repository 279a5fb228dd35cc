/* Addresses as people write them: a table's word and 0-based addresses of the wire.  Pure. */
#ifndef POINT_ADDRESS_H
#define POINT_ADDRESS_H

#include "mbshm.h"

enum { ADDRESS_TEXT_SIZE = 32 };

/* "coil", "discrete", "holding" or "input" of length characters.  false: none of them. */
bool address_table(const char *word, size_t length, enum mbshm_table *table);

/* "holding:1000", "holding 1000" (any blanks), "holding:1000-1010".  range: was it written as
 * FIRST-LAST?  May be NULL.  false: not an address, or outside 0..65535; span is then undefined. */
bool address_parse(const char *text, struct mbshm_span *span, bool *range);

/* The same without the table, which span has already. */
bool address_parse_range(const char *text, struct mbshm_span *span, bool *range);

/* "holding:1000-1010", or "holding:1000" for one item.  Returns text. */
const char *address_text(const struct mbshm_span *span, char text[ADDRESS_TEXT_SIZE]);

#endif
