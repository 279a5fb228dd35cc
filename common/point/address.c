/* Addresses as people write them: a table's word and 0-based addresses of the wire. */
#include "point/address.h"

#include "base/number.h"
#include "base/words.h"

#include <stdio.h>
#include <string.h>

bool address_table(const char *word, size_t length, enum mbshm_table *table)
{
	for (unsigned i = 0; i < MBSHM_TABLES; i++) {
		const char *name = mbshm_table_name((enum mbshm_table)i);
		if (strlen(name) == length && !strncmp(name, word, length)) {
			*table = (enum mbshm_table)i;
			return true;
		}
	}
	return false;
}

static const char *table_word(unsigned table)
{
	return mbshm_table_name((enum mbshm_table)table);
}

const char *address_table_words(char text[ADDRESS_WORDS_SIZE])
{
	return words_list(table_word, MBSHM_TABLES, text, ADDRESS_WORDS_SIZE);
}

const char *address_table_title(enum mbshm_table table)
{
	static const char *const titles[MBSHM_TABLES] = {
		[MBSHM_COILS] = "Coil",
		[MBSHM_DISCRETE_INPUTS] = "Discrete Input",
		[MBSHM_HOLDING_REGISTERS] = "Holding Register",
		[MBSHM_INPUT_REGISTERS] = "Input Register",
	};
	return titles[table];
}

bool address_parse_range(const char *text, struct mbshm_span *span, bool *range)
{
	uint32_t last;
	if (!number_digits(&text, MBSHM_ITEMS - 1, &span->first))
		return false;
	bool is_range = *text == '-';
	last = span->first;
	if (is_range) {
		text++;
		if (!number_digits(&text, MBSHM_ITEMS - 1, &last))
			return false;
	}
	if (range)
		*range = is_range;
	span->count = last - span->first + 1;
	return !*text && last >= span->first;
}

bool address_parse(const char *text, struct mbshm_span *span, bool *range)
{
	size_t word = strcspn(text, ": \t");
	size_t between = text[word] == ':' ? 1 : strspn(text + word, " \t");
	return between && address_table(text, word, &span->table) &&
	       address_parse_range(text + word + between, span, range);
}

const char *address_text(const struct mbshm_span *span, char text[ADDRESS_TEXT_SIZE])
{
	const char *table = mbshm_table_name(span->table);
	if (span->count > 1)
		snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u-%u", table, span->first,
			 span->first + span->count - 1);
	else
		snprintf(text, ADDRESS_TEXT_SIZE, "%s:%u", table, span->first);
	return text;
}
