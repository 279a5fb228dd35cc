/* Lists of words, for messages that say what was expected. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

/* "one, two or three": the words 0..count - 1 of name, in size bytes of text.  Returns text. */
const char *words_list(const char *(*name)(unsigned index), unsigned count, char *text,
		       size_t size);

#endif
