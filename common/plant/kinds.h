/* The kinds of values that more than one section has, and what their own kinds are made of. */
#ifndef PLANT_KINDS_H
#define PLANT_KINDS_H

#include "plant/settings.h"

/* A whole number, unsigned, of 1, 2, 4 or 8 bytes. */
extern const struct setting_kind kind_number;
/* As a whole number of milliseconds, unsigned, of 4 or 8 bytes. */
extern const struct setting_kind kind_duration;
/* char[], longer than row->max. */
extern const struct setting_kind kind_ascii;
/* The limits of a producer's name, in a row of kind_ascii. */
#define PRODUCER .max = MBSHM_SOURCE_NAME_SIZE - 1, .unit = "bytes"
/* bool */
extern const struct setting_kind kind_flag;
/* mode_t: permissions, never those to write for everybody. */
extern const struct setting_kind kind_mode;
/* gid_t; (gid_t)-1 for "". */
extern const struct setting_kind kind_group;
/* uint64_t[4]: a set of unit ids, one bit each. */
extern const struct setting_kind kind_unit_id;
/* struct network */
extern const struct setting_kind kind_network;

/* A number in digits: a setting_kind's format. */
void kind_format(uint64_t value, char *text);

/* The field, which must be of this size. */
void *kind_field(const struct reading *reading, size_t size);

/* Store a whole number in the field, which must be of 1, 2, 4 or 8 bytes. */
void kind_store(const struct reading *reading, uint64_t value);

struct choice {
	const char *word; /* NULL after the last */
	int value;
};

/* Store the value of the word that was written. */
bool kind_choice(const struct reading *reading, const struct choice *choice);

/* A value that is a whole number 0..max; -1: it is not. */
int kind_small(const struct reading *reading, int max);

#endif
