/* The reason of a failure, as a sentence for people. */
#include "libshm/why.h"

#include "mbshm.h"

#include <stdarg.h>
#include <stdio.h>

int why_set(char *why, int error, const char *format, ...)
{
	va_list args;
	if (why) {
		va_start(args, format);
		vsnprintf(why, MBSHM_WHY_SIZE, format, args);
		va_end(args);
	}
	return error;
}

void why_clear(char *why)
{
	if (why)
		why[0] = '\0';
}
