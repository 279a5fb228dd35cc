/* Operands: addresses, and the type of their values. */
#include "mbshm/tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool operand_ahead(int argc, char **argv)
{
	enum mbshm_table table;
	return argc > 0 && address_table(argv[0], strcspn(argv[0], ": "), &table);
}

struct operand operand_take(int *argc, char ***argv)
{
	char joined[64];
	const char *text = (*argv)[0];
	struct operand operand;
	int words = 1;
	if (*argc > 1 && address_table(text, strlen(text), &operand.span.table)) {
		snprintf(joined, sizeof joined, "%s:%s", text, (*argv)[1]);
		text = joined;
		words = 2;
	}
	if (!address_parse(text, &operand.span, &operand.range))
		die(EXIT_USAGE,
		    "'%s': expected an address such as holding:1000 or holding:1000-1010; "
		    "tables are coil, discrete, holding, input",
		    text);
	*argc -= words;
	*argv += words;
	return operand;
}

const char *span_text(enum mbshm_table table, uint32_t first, uint32_t count)
{
	static char texts[2][ADDRESS_TEXT_SIZE];
	static unsigned turn;
	const struct mbshm_span span = { table, first, count };
	return address_text(&span, texts[turn++ % 2]);
}

enum mbshm_type operand_type(const struct tool *tool, enum mbshm_table table)
{
	bool bits = table < MBSHM_HOLDING_REGISTERS;
	if (!(tool->given & 1u << OPTION_TYPE))
		return value_type_usual(table);
	if ((tool->type == MBSHM_BOOL) != bits)
		die(EXIT_USAGE, "--type %s: expected %s for table %s", mbshm_type_name(tool->type),
		    bits ? "bool" : "a type of registers", mbshm_table_name(table));
	return tool->type;
}
