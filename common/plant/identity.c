/* The section "server.identity". */
#include "plant/identity.h"

#include "plant/kinds.h"
#include "plant/lists.h"

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
	{ "server.identity.objects.#.id", &kind_number, .min = PLANT_PRIVATE_FIRST,
	  .max = PLANT_PRIVATE_LAST, FIELD(struct plant_object, id),
	  .help = "a private object: 0x80..0xFF" },
	{ "server.identity.objects.#.value", &kind_ascii, .min = 1, .max = OBJECT_MAX,
	  .unit = "bytes", FIELD(struct plant_object, value), .help = "its text" },
};

static int identity_finish(const struct plant_text *text, struct plant *plant)
{
	struct setting_list list = { .path = "server.identity.objects",
				     .size = sizeof(struct plant_object) };
	int rc = list_read(text, &identity_section, &list);
	rc = rc ? rc : list_check_distinct(text, &list, "id", offsetof(struct plant_object, id));
	plant->server.identity.private = list.items;
	plant->server.identity.private_count = list.count;
	return rc;
}

const struct setting_section identity_section = { ROWS(rows), identity_finish };
