/* Numbers in text. */
#include "base/number.h"

#include <stdlib.h>
#include <string.h>

bool number_digits(const char **text, uint32_t max, uint32_t *value)
{
	size_t length = strspn(*text, "0123456789");
	unsigned long long number = length && length <= 10 ? strtoull(*text, NULL, 10) : UINT64_MAX;
	if (number > max)
		return false;
	*value = (uint32_t)number;
	*text += length;
	return true;
}
