/* Device identification: function 43/14. */
#include "mbserverd/identity.h"

#include <string.h>

enum { BASIC = 1, REGULAR, EXTENDED, INDIVIDUAL };

/* Function, MEI type, code, conformity, more follows, next object, number of objects. */
enum { HEADER_BYTES = 7 };

static uint8_t level_of(uint8_t id)
{
	return id <= 0x02 ? BASIC : id <= 0x7F ? REGULAR : EXTENDED;
}

void identity_init(struct identity *identity, const struct plant_identity *texts)
{
	identity->count = 0;
	for (uint8_t id = 0; id < PLANT_OBJECTS; id++) {
		const char *text = texts->objects[id];
		size_t bytes = strnlen(text, OBJECT_MAX);
		if (bytes == 0 && level_of(id) != BASIC)
			continue;
		identity->level = level_of(id);
		identity->objects[identity->count++] =
			(struct identity_object){ id, (uint8_t)bytes, text };
	}
}

static size_t object_put(const struct identity_object *object, uint8_t *out)
{
	out[0] = object->id;
	out[1] = object->bytes;
	memcpy(out + 2, object->text, object->bytes);
	return 2U + object->bytes;
}

/* Index of the object id among the first end; end: it is not there. */
static unsigned object_find(const struct identity *identity, unsigned end, uint8_t id)
{
	unsigned i = 0;
	while (i < end && identity->objects[i].id != id)
		i++;
	return i;
}

int identity_read(const struct identity *identity, uint8_t code, uint8_t object, uint8_t *pdu,
		  size_t *bytes)
{
	unsigned end = identity->count;
	while (code < EXTENDED && level_of(identity->objects[end - 1].id) > code)
		end--;

	unsigned first = object_find(identity, end, object), last = end;
	if (code == INDIVIDUAL) {
		if (first == end)
			return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
		last = first + 1;
	} else if (first == end) {
		first = 0; /* an unknown object starts the stream anew */
	}

	size_t used = HEADER_BYTES;
	unsigned i = first;
	for (; i < last && used + 2U + identity->objects[i].bytes <= PDU_MAX; i++)
		used += object_put(&identity->objects[i], pdu + used);

	pdu[0] = FC_ENCAPSULATED;
	pdu[1] = MEI_IDENTIFICATION;
	pdu[2] = code;
	pdu[3] = 0x80 | identity->level; /* stream and individual access */
	pdu[4] = i < last ? 0xFF : 0x00;
	pdu[5] = i < last ? identity->objects[i].id : 0x00;
	pdu[6] = (uint8_t)(i - first);
	*bytes = used;
	return 0;
}
