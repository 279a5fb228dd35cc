/* Addresses and ranges in a table, as text. */
#include "plant/table.h"

#include "plant/kinds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const table_words[MBSHM_TABLES] = {
	[MBSHM_COILS] = "coil",
	[MBSHM_DISCRETE_INPUTS] = "discrete",
	[MBSHM_HOLDING_REGISTERS] = "holding",
	[MBSHM_INPUT_REGISTERS] = "input",
};

const char *plant_table_word(enum mbshm_table table)
{
	return table_words[table];
}

int plant_parse_address(const char *text, enum mbshm_table *table, uint16_t *addr)
{
	size_t word = strcspn(text, " \t");
	const char *digits = text + word + strspn(text + word, " \t");
	size_t length = strspn(digits, "0123456789");
	unsigned long value = length >= 1 && length <= 5 ? strtoul(digits, NULL, 10) : MBSHM_ITEMS;
	if (digits[length] || value >= MBSHM_ITEMS)
		return -EINVAL;
	for (int i = 0; i < MBSHM_TABLES; i++)
		if (strlen(table_words[i]) == word && !strncmp(table_words[i], text, word) &&
		    digits > text + word) {
			*table = (enum mbshm_table)i;
			*addr = (uint16_t)value;
			return 0;
		}
	return -EINVAL;
}

bool span_declared(const struct mbshm_layout *layout, const struct mbshm_span *wanted)
{
	const struct mbshm_span *span = layout->spans, *end = span + layout->span_count;
	for (; span < end; span++) /* they do not touch one another, so it is one of them */
		if (span->table == wanted->table && wanted->first >= span->first &&
		    wanted->first - span->first + wanted->count <= span->count)
			return true;
	return false;
}

bool value_span_parse(const char *text, struct mbshm_span *span)
{
	uint32_t last;
	if (!value_digits(&text, MBSHM_ITEMS - 1, &span->first))
		return false;
	last = span->first;
	if (*text == '-' && (text++, !value_digits(&text, MBSHM_ITEMS - 1, &last)))
		return false;
	span->count = last - span->first + 1;
	return !*text && last >= span->first;
}

/* "holding 1000-1010" */
bool value_table_span(const char *text, struct mbshm_span *span)
{
	size_t word = strcspn(text, " ");
	for (int i = 0; word && i < MBSHM_TABLES; i++) {
		span->table = (enum mbshm_table)i;
		if (!strncmp(text, plant_table_word(span->table), word) &&
		    !plant_table_word(span->table)[word])
			return value_span_parse(text + word + strspn(text + word, " "), span);
	}
	return false;
}
