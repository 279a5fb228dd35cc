/* Lists of words, for messages that say what was expected. */
#include "base/words.h"

#include <stdio.h>

const char *words_list(const char *(*name)(unsigned index), unsigned count, char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < count && used < size; i++) {
		const char *before = !i ? "" : i + 1 < count ? ", " : " or ";
		used += (size_t)snprintf(text + used, size - used, "%s%s", before, name(i));
	}
	return text;
}
