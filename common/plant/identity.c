/* The section "server.identity". */
#include "plant/identity.h"

#include "plant/kinds.h"

#define OBJECT(id) \
	FIELD(struct plant, server.identity.objects[id]), .max = OBJECT_MAX, .unit = "bytes"

static const struct setting_row rows[] = {
	{ "server.identity.vendor_name", &kind_ascii, .preset = "\"mbimage\"", OBJECT(0),
	  .help = "device identification, object 0x00" },
	{ "server.identity.product_code", &kind_ascii, .preset = "\"MBIMAGE\"", OBJECT(1),
	  .help = "object 0x01" },
	{ "server.identity.major_minor_revision", &kind_ascii, .preset = "\"" MBIMAGE_VERSION "\"",
	  OBJECT(2), .help = "object 0x02" },
	{ "server.identity.vendor_url", &kind_ascii, .preset = "\"\"", OBJECT(3),
	  .help = "object 0x03; empty: not offered" },
	{ "server.identity.product_name", &kind_ascii, .preset = "\"\"", OBJECT(4),
	  .help = "object 0x04; empty: not offered" },
	{ "server.identity.model_name", &kind_ascii, .preset = "\"\"", OBJECT(5),
	  .help = "object 0x05; empty: not offered" },
	{ "server.identity.user_application_name", &kind_ascii, .preset = "\"\"", OBJECT(6),
	  .help = "object 0x06; empty: not offered" },
};

const struct setting_section identity_section = { ROWS(rows), NULL };
