/* Addresses as people write them: a table's word and 0-based addresses of the wire.
 *
 *   TABLE:ADDRESS   TABLE ADDRESS   TABLE:FIRST-LAST   TABLE FIRST-LAST
 *
 * TABLE is a word of mbshm_table_name(), in lower case.  Addresses are decimal digits, 0..65535.
 * Either one colon or any number of blanks stands between the two, and nothing else anywhere.
 * Plant files, command lines and messages all use this form.  Pure: any thread. */
#ifndef POINT_ADDRESS_H
#define POINT_ADDRESS_H

#include "mbshm.h"

enum { ADDRESS_TEXT_SIZE = 32, ADDRESS_WORDS_SIZE = 48 };

/* Find the table whose word is the first length characters of word.  false: no table's. */
bool address_table(const char *word, size_t length, enum mbshm_table *table);

/* "coil, discrete, holding or input": for messages.  Returns text. */
const char *address_table_words(char text[ADDRESS_WORDS_SIZE]);

/* "Coil", "Discrete Input", "Holding Register", "Input Register": for displays. */
const char *address_table_title(enum mbshm_table table);

/* Parse an address or a range.  range: was it written as FIRST-LAST?  May be NULL.  false: not an
 * address, or outside 0..65535, or LAST is below FIRST; span is then undefined. */
bool address_parse(const char *text, struct mbshm_span *span, bool *range);

/* The same for "ADDRESS" and "FIRST-LAST" alone.  span->table is left as it is. */
bool address_parse_range(const char *text, struct mbshm_span *span, bool *range);

/* "holding:1000-1010", or "holding:1000" for one item: what address_parse takes.  Returns text. */
const char *address_text(const struct mbshm_span *span, char text[ADDRESS_TEXT_SIZE]);

#endif
