/* Device identification: function 43/14, V1.1b3 6.21.  Pure.
 *
 * Objects 00..02 are basic and always offered, 03..06 regular, 80..FF extended.  The level (1
 * basic, 2 regular, 3 extended) is the highest that has an object. */
#ifndef MBSERVERD_IDENTITY_H
#define MBSERVERD_IDENTITY_H

#include "modbus/pdu.h"
#include "plant/plant.h"

struct identity {
	uint8_t level;
	unsigned count;
	/* By id, ascending; their texts are the plant's. */
	struct object objects[PLANT_OBJECTS + PLANT_PRIVATE_LAST + 1 - PLANT_PRIVATE_FIRST];
};

/* texts: kept by the caller as long as identity. */
void identity_init(struct identity *identity, const struct plant_identity *texts);

/* Answer read device id code 1..3 (a stream from the object asked for on, objects up to that level,
 * as many as fit) or 4 (that object) into pdu (PDU_MAX bytes), whose function code is there.  0 and
 * *bytes, or the exception. */
int identity_read(const struct identity *identity, const struct request *request, uint8_t *pdu,
		  size_t *bytes);

#endif
