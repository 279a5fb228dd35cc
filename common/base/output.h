/* Records as a table for people, as CSV, or as JSON: one description of the columns, three formats.
 *
 *   output_begin(&output, stdout, FORMAT_CSV, false, fields);
 *   output_record(&output, (const char *const[]){ "1000", "holding" });
 *   output_end(&output);
 *   rc = output_flush(stdout);
 *
 * table: a line a record, columns padded to their width, without a header.
 * csv:   RFC 4180 with a header line, but lines end with LF, as other Unix tools expect.
 * json:  RFC 8259; an array of objects, or for a stream one object a line.
 *
 * One thread per output.  Errors of writing are kept by the file and reported by output_flush. */
#ifndef BASE_OUTPUT_H
#define BASE_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

enum format { FORMAT_TABLE, FORMAT_CSV, FORMAT_JSON, FORMATS };

enum field_kind {
	FIELD_TEXT,
	FIELD_NUMBER, /* in JSON: null if it is not a finite number ("nan", "inf", "-") */
	FIELD_LIST,   /* numbers with one space between; in JSON an array */
};

/* A column.  The last one of a list has name NULL. */
struct field {
	const char *name;
	enum field_kind kind;
	int width; /* in tables: the least width, negative: aligned left; 0: not shown */
};

/* Owned by the caller; set by output_begin. */
struct output {
	FILE *out;
	enum format format;
	bool stream;
	const struct field *fields;
	bool some; /* a record was written */
};

enum { OUTPUT_NAMES_SIZE = 32 };

/* A format by name.  false: there is none of that name. */
bool output_format_find(const char *name, enum format *format);

/* "table, csv or json".  Returns text. */
const char *output_format_names(char text[OUTPUT_NAMES_SIZE]);

/* Begin records of these fields, and write the header of CSV.  stream: there is no last record.
 * out and fields must outlive the output. */
void output_begin(struct output *output, FILE *out, enum format format, bool stream,
		  const struct field *fields);

/* Write one record.  texts: one per field, in their order. */
void output_record(struct output *output, const char *const *texts);

/* Write what ends the records.  To be flushed. */
void output_end(struct output *output);

/* Flush.  0, or -errno if anything written to out so far was lost: a full disk, a closed pipe. */
int output_flush(FILE *out);

#endif
