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

static const char IMAGE[] = "\"/mbimage-default\"", LISTEN[] = "\"127.0.0.1:5020\"";
enum { PORT = 5020 };

/* The image is named after all that it depends on, so that a second one is in nobody's way. */
static char *tables_text(const struct plant_wish *wish, unsigned port)
{
	unsigned last = wish->items - 1;
	char *text;
	return asprintf(&text,
			"image = {\n"
			"  name = \"/mbimage-%u-%u-%u\"\n"
			"  coils = [\"0-%u\"]  discrete_inputs = [\"0-%u\"]\n"
			"  holding_registers = [\"0-%u\"]  input_registers = [\"0-%u\"]\n"
			"}\n"
			"server = { listen = [\"127.0.0.1:%u\"] }\n",
			(unsigned)geteuid(), port, (unsigned)wish->items, last, last, last, last,
			port) < 0
		       ? NULL
		       : text;
}

char *default_text(const struct plant_wish *wish)
{
	char *text;
	unsigned port = wish->port ? wish->port : PORT;
	if (wish->items)
		return tables_text(wish, port);
	const char *image = strstr(default_conf, IMAGE), *between = image + sizeof IMAGE - 1;
	const char *listen = strstr(between, LISTEN), *rest = listen + sizeof LISTEN - 1;
	if (asprintf(&text, "%.*s\"/mbimage-%u-default\"%.*s\"127.0.0.1:%u\"%s",
		     (int)(image - default_conf), default_conf, (unsigned)geteuid(),
		     (int)(listen - between), between, port, rest) < 0)
		return NULL;
	return text;
}
