/* Device identification: function 43/14. */
#include "mbserverd/identity.h"

#include "modbus/reply.h"

#include <string.h>

enum { BASIC = 1, REGULAR, EXTENDED, INDIVIDUAL, INDIVIDUAL_ACCESS = 0x80 };

static uint8_t level_of(uint8_t id)
{
	return id <= 0x02 ? BASIC : id <= 0x7F ? REGULAR : EXTENDED;
}

/* NULL: there is none. */
static const char *text_of(const struct plant_identity *texts, unsigned id)
{
	if (id < PLANT_OBJECTS)
		return level_of((uint8_t)id) == BASIC || texts->objects[id][0] ? texts->objects[id]
									       : NULL;
	for (unsigned i = 0; i < texts->private_count; i++)
		if (texts->private[i].id == id)
			return texts->private[i].value;
	return NULL;
}

void identity_init(struct identity *identity, const struct plant_identity *texts)
{
	identity->count = 0;
	for (unsigned id = 0; id <= PLANT_PRIVATE_LAST; id++) {
		const char *text = text_of(texts, id);
		if (!text)
			continue;
		identity->level = level_of((uint8_t)id);
		identity->objects[identity->count++] =
			(struct object){ (uint8_t)id, (uint8_t)strnlen(text, OBJECT_MAX), text };
	}
}

/* Index of the object id among the first end; end: it is not there. */
static unsigned object_find(const struct identity *identity, unsigned end, uint8_t id)
{
	unsigned i = 0;
	while (i < end && identity->objects[i].id != id)
		i++;
	return i;
}

int identity_read(const struct identity *identity, const struct request *request, uint8_t *pdu,
		  size_t *bytes)
{
	uint8_t code = request->id_code;
	unsigned end = identity->count;
	while (code < EXTENDED && level_of(identity->objects[end - 1].id) > code)
		end--;
	unsigned first = object_find(identity, end, request->id_object);
	if (code == INDIVIDUAL && first == end)
		return MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS;
	if (code == INDIVIDUAL)
		end = first + 1;
	else if (first == end)
		first = 0; /* a stream from an unknown object starts at the first */
	*bytes = reply_put_objects(pdu, request, INDIVIDUAL_ACCESS | identity->level,
				   &identity->objects[first], end - first);
	return 0;
}
