/* Typed values as text, to and from the registers or bits that hold them.
 *
 * Types and orders are those of mbshm.h, and their names are its mbshm_type_name() and
 * mbshm_order_name().  data is an image's form: for MBSHM_BOOL bits packed LSB first, for all other
 * types registers in host order; a value takes mbshm_type_registers() items from index on.
 *
 * Pure: any thread, no allocation; texts are the caller's. */
#ifndef POINT_VALUE_H
#define POINT_VALUE_H

#include "mbshm.h"

enum { VALUE_TEXT_SIZE = 32, VALUE_NAMES_SIZE = 64 };

/* Find by name, as "i16" or "CDAB".  false: there is none of that name. */
bool value_type_find(const char *name, enum mbshm_type *type);
bool value_order_find(const char *name, enum mbshm_order *order);

/* "u16, i16, ... or bool", "ABCD, CDAB, BADC or DCBA": for messages.  Returns text. */
const char *value_type_names(char text[VALUE_NAMES_SIZE]);
const char *value_order_names(char text[VALUE_NAMES_SIZE]);

/* The type of a table's values when none is given: MBSHM_BOOL or MBSHM_U16. */
enum mbshm_type value_type_usual(enum mbshm_table table);

/* The value at data[index] in decimal; "nan", "inf" and "-inf" for floats that are not finite, else
 * the fewest digits that read back as the same value.  Returns text. */
const char *value_text(enum mbshm_type type, enum mbshm_order order, const void *data,
		       uint32_t index, char text[VALUE_TEXT_SIZE]);

/* Parse text and store its value at data[index].  Whole numbers: decimal or 0x hexadecimal, with
 * sign if the type has one.  Floats: what strtod(3) takes.  Bits: 0, 1, off, on, false, true.
 * NULL, or what was expected ("a whole number 0..65535"); then data is unchanged. */
const char *value_parse(enum mbshm_type type, enum mbshm_order order, const char *text, void *data,
			uint32_t index);

#endif
