/* Typed values as text, to and from the registers or bits that hold them.  Pure. */
#ifndef POINT_VALUE_H
#define POINT_VALUE_H

#include "mbshm.h"

enum { VALUE_TEXT_SIZE = 32, VALUE_NAMES_SIZE = 64 };

/* By name: "i16", "CDAB".  false: none of them. */
bool value_type_find(const char *name, enum mbshm_type *type);
bool value_order_find(const char *name, enum mbshm_order *order);

/* "u16, i16, ... or bool", "ABCD, CDAB, BADC or DCBA": for messages.  Returns text. */
const char *value_type_names(char text[VALUE_NAMES_SIZE]);
const char *value_order_names(char text[VALUE_NAMES_SIZE]);

/* The type that values of a table have when nobody says another. */
enum mbshm_type value_type_usual(enum mbshm_table table);

/* The value whose first item is item index of data: packed bits for MBSHM_BOOL, else registers in
 * host order.  Floats are as short as reads back the same.  Returns text. */
const char *value_text(enum mbshm_type type, enum mbshm_order order, const void *data,
		       uint32_t index, char text[VALUE_TEXT_SIZE]);

/* The other way round: decimal or 0x hexadecimal, floats, 0/1, off/on, false/true.
 * NULL, or what was expected ("a whole number 0..65535"); then data is unchanged. */
const char *value_parse(enum mbshm_type type, enum mbshm_order order, const char *text, void *data,
			uint32_t index);

#endif
