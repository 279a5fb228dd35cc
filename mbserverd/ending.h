/* The end of a connection: counted, and logged with its reason. */
#ifndef MBSERVERD_ENDING_H
#define MBSERVERD_ENDING_H

#include "mbserverd/connection.h"
#include "plant/plant.h"

struct counters;

/* The connection is over, end says why; level: the plant's.  counters: the calling thread's. */
void ending_report(struct connection *connection, struct counters *counters, enum plant_log level);

#endif
