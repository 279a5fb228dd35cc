/* Operands: addresses, and the type of their values. */
#ifndef MBSHM_OPERAND_H
#define MBSHM_OPERAND_H

#include "mbshm/tool.h"
#include "point/address.h"
#include "point/value.h"

struct operand {
	struct mbshm_span span;
	bool range; /* written as FIRST-LAST */
};

/* Does the word begin an address?  NULL does not. */
bool operand_begins(const char *word);

/* Take one address, of one or two words; *words moves behind it.  Dies if there is none. */
struct operand operand_take(char ***words);

/* The type of a table's values: --type, or the table's usual one.  Dies if --type does not fit the
 * table. */
enum mbshm_type operand_type(const struct tool *tool, enum mbshm_table table);

#endif
