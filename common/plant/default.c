/* default.conf as bytes of the program, with an image for each user. */
#include "plant/default.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The build runs in the top folder, where default.conf is. */
__asm__(".pushsection .rodata\n"
	"default_conf:\n"
	".incbin \"default.conf\"\n"
	".byte 0\n"
	".popsection\n");
extern const char default_conf[] __attribute__((visibility("hidden")));

static const char IMAGE[] = "\"/mbimage-default\"";

char *default_text(void)
{
	char *text = NULL;
	const char *image = strstr(default_conf, IMAGE);
	if (asprintf(&text, "%.*s\"/mbimage-%u-default\"%s", (int)(image - default_conf),
		     default_conf, (unsigned)geteuid(), image + sizeof IMAGE - 1) < 0)
		return NULL;
	return text;
}
