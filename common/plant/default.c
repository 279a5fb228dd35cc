/* default.conf as bytes of the program. */
#include "plant/default.h"

/* The build runs in the top folder, where default.conf is. */
__asm__(".pushsection .rodata\n"
	".global default_conf\n"
	".type default_conf, %object\n"
	"default_conf:\n"
	".incbin \"default.conf\"\n"
	".byte 0\n"
	".size default_conf, . - default_conf\n"
	".popsection\n");
