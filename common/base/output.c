/* Records as a table, as CSV or as JSON. */
#include "base/output.h"

#include "base/json.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void json_value(enum field_kind kind, const char *text)
{
	const char *digits = text + (*text == '-');
	if (kind == FIELD_TEXT) {
		json_string(stdout, text);
	} else if (kind == FIELD_NUMBER) {
		printf("%s", *digits >= '0' && *digits <= '9' ? text : "null");
	} else {
		putchar('[');
		for (; *text; text++)
			putchar(*text == ' ' ? ',' : *text);
		putchar(']');
	}
}

static void json_record(struct output *output, const char *const *texts)
{
	if (!output->stream)
		fputs(output->some ? ",\n" : "[\n", stdout);
	for (unsigned i = 0; output->fields[i].name; i++) {
		fputs(i ? ", " : "{", stdout);
		json_string(stdout, output->fields[i].name);
		fputs(": ", stdout);
		json_value(output->fields[i].kind, texts[i]);
	}
	fputs(output->stream ? "}\n" : "}", stdout);
}

static void csv_value(const char *text)
{
	if (!text[strcspn(text, "\",\r\n")]) {
		fputs(text, stdout);
		return;
	}
	putchar('"');
	for (; *text; text++) {
		if (*text == '"')
			putchar('"');
		putchar(*text);
	}
	putchar('"');
}

static void csv_record(struct output *output, const char *const *texts)
{
	for (unsigned i = 0; output->fields[i].name; i++) {
		if (i)
			putchar(',');
		csv_value(texts[i]);
	}
	putchar('\n');
}

static void table_record(struct output *output, const char *const *texts)
{
	bool first = true;
	for (unsigned i = 0; output->fields[i].name; i++) {
		if (!output->fields[i].width)
			continue;
		printf("%s%*s", first ? "" : " ", output->fields[i].width, texts[i]);
		first = false;
	}
	putchar('\n');
}

void output_begin(struct output *output, enum format format, bool stream,
		  const struct field *fields)
{
	*output = (struct output){ format, stream, fields, false };
	if (format != FORMAT_CSV)
		return;
	for (unsigned i = 0; fields[i].name; i++)
		printf("%s%s", i ? "," : "", fields[i].name);
	putchar('\n');
}

void output_record(struct output *output, const char *const *texts)
{
	static void (*const record[])(struct output *, const char *const *) = {
		[FORMAT_TABLE] = table_record,
		[FORMAT_CSV] = csv_record,
		[FORMAT_JSON] = json_record,
	};
	record[output->format](output, texts);
	output->some = true;
}

void output_end(struct output *output)
{
	if (output->format == FORMAT_JSON && !output->stream)
		fputs(output->some ? "\n]\n" : "[]\n", stdout);
	output_flush();
}

void output_flush(void)
{
	if (fflush(stdout) || ferror(stdout))
		die(EXIT_FAILURE, "cannot write to stdout: %s", strerror(errno));
}
