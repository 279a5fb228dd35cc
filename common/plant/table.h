/* Addresses and ranges in a table, as text. */
#ifndef PLANT_TABLE_H
#define PLANT_TABLE_H

#include "mbshm.h"

#include <stdbool.h>

/* "FIRST-LAST", or one address: the span but for its table. */
bool value_span_parse(const char *text, struct mbshm_span *span);

/* "holding 1000-1010", "coil 3" */
bool value_table_span(const char *text, struct mbshm_span *span);

bool span_declared(const struct mbshm_layout *layout, const struct mbshm_span *span);

#endif
