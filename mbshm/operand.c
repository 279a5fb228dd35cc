/* Operands: addresses, and the type of their values. */
#include "mbshm/operand.h"

#include <stdio.h>
#include <string.h>

bool operand_begins(const char *word)
{
	enum mbshm_table table;
	return word && address_table(word, strcspn(word, ": "), &table);
}

struct operand operand_take(char ***words)
{
	char joined[64], tables[ADDRESS_WORDS_SIZE];
	const char *text = (*words)[0], *second = (*words)[1];
	struct operand operand;
	bool two = second && address_table(text, strlen(text), &operand.span.table);
	if (two) {
		int length = snprintf(joined, sizeof joined, "%s:%s", text, second);
		text = length < (int)sizeof joined ? joined : second; /* else no address */
	}
	if (!address_parse(text, &operand.span, &operand.range))
		die(EXIT_USAGE,
		    "'%s': expected an address such as holding:1000 or holding:1000-1010 "
		    "(0..65535, the lower one first); tables are %s",
		    text, address_table_words(tables));
	*words += two ? 2 : 1;
	return operand;
}

enum mbshm_type operand_type(const struct tool *tool, enum mbshm_table table)
{
	bool bits = value_type_usual(table) == MBSHM_BOOL;
	if (!tool_given(tool, OPTION_TYPE))
		return value_type_usual(table);
	if ((tool->type == MBSHM_BOOL) != bits)
		die(EXIT_USAGE, "--type %s: expected %s for table %s", mbshm_type_name(tool->type),
		    bits ? "bool" : "a type of registers", mbshm_table_name(table));
	return tool->type;
}
