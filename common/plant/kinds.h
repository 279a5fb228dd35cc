/* Inside of settings.h: the kinds of values and how they are read. */
#ifndef PLANT_KINDS_H
#define PLANT_KINDS_H

#include "plant/settings.h"

/* One value being read. */
struct reading {
	const struct setting_row *row;
	const config_setting_t *value;
	const char *text; /* of a value in quotes, else NULL */
	void *base;
	void *to;                        /* base + row->at */
	char why[MODEL_ERROR_SIZE + 64]; /* set by a reader that knows better than "expected ..." */
};

struct setting_kind {
	const char *expected;
	void (*format)(uint64_t value, char *text); /* of min and max; NULL: no range to say */
	bool (*read)(struct reading *reading);
};

enum { FORMAT_SIZE = 32 };

/* Those of the image, the points, and what all sections have: values.c. */
extern const struct setting_kind kind_number, kind_duration, kind_ascii, kind_name, kind_mode,
	kind_group, kind_span, kind_flag, kind_address, kind_type, kind_model;

/* Those of the server: server_values.c. */
extern const struct setting_kind kind_listener, kind_network, kind_unit_id, kind_allow,
	kind_refusal, kind_writes, kind_function, kind_range, kind_registers, kind_status,
	kind_bytes, kind_unknown, kind_answer;

/* A number in digits: a setting_kind's format. */
void value_format(uint64_t value, char *text);

/* Decimal digits and nothing else, at most max; *text moves past them. */
bool value_digits(const char **text, uint32_t max, uint32_t *value);

/* "FIRST-LAST", or one address: the span but for its table. */
bool value_span_parse(const char *text, struct mbshm_span *span);

/* The functions that the server has, which is also what it answers to by default. */
#define FUNCTIONS    1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43
#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...)    TEXT_OF(__VA_ARGS__)

#endif
