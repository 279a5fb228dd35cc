/* Numbers in text. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Take decimal digits from *text on: a number 0..max, which is below 2^32.  Moves *text behind
 * them. false: no digits, or a larger number. */
bool number_digits(const char **text, uint32_t max, uint32_t *value);

#endif
