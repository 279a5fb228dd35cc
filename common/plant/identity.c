/* The section "server.identity". */
#include "plant/identity.h"

#include "plant/kinds.h"

#define IDENTITY(member) \
	FIELD(struct plant, server.identity.member), .max = PLANT_OBJECT_MAX, .unit = "bytes"

static const struct setting_row rows[] = {
	{ "server.identity.vendor_name", &kind_ascii, .preset = "\"mbimage\"",
	  IDENTITY(vendor_name), .help = "device identification, object 0x00" },
	{ "server.identity.product_code", &kind_ascii, .preset = "\"MBIMAGE\"",
	  IDENTITY(product_code), .help = "object 0x01" },
	{ "server.identity.major_minor_revision", &kind_ascii, .preset = "\"" MBIMAGE_VERSION "\"",
	  IDENTITY(major_minor_revision), .help = "object 0x02" },
	{ "server.identity.vendor_url", &kind_ascii, .preset = "\"\"", IDENTITY(vendor_url),
	  .help = "object 0x03; empty: not offered" },
	{ "server.identity.product_name", &kind_ascii, .preset = "\"\"", IDENTITY(product_name),
	  .help = "object 0x04; empty: not offered" },
	{ "server.identity.model_name", &kind_ascii, .preset = "\"\"", IDENTITY(model_name),
	  .help = "object 0x05; empty: not offered" },
	{ "server.identity.user_application_name", &kind_ascii, .preset = "\"\"",
	  IDENTITY(user_application_name), .help = "object 0x06; empty: not offered" },
};

const struct setting_section identity_section = { ROWS(rows), NULL };
