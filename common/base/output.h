/* Records as a table for people, as CSV (RFC 4180, one header line), or as JSON. */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON };

enum field_kind {
	FIELD_TEXT,
	FIELD_NUMBER, /* what is none (nan, inf) is null in JSON */
	FIELD_LIST,   /* numbers with spaces between: an array in JSON */
};

/* A column.  The last one of a list has name NULL. */
struct field {
	const char *name;
	enum field_kind kind;
	int width; /* in tables: at least so wide, negative: to the left; 0: not shown */
};

struct output {
	enum format format;
	bool stream; /* without end: JSON is one object a line instead of one array */
	const struct field *fields;
	bool some; /* a record was printed */
};

void output_begin(struct output *output, enum format format, bool stream,
		  const struct field *fields);
/* texts: one per field. */
void output_record(struct output *output, const char *const *texts);
void output_end(struct output *output);

/* Everything written so far must have arrived: a full disk or a closed pipe ends the program with
 * status 1. */
void output_flush(void);

#endif
