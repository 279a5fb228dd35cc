/* Records as a table, as CSV or as JSON. */
#include "base/output.h"

#include "base/json.h"
#include "base/words.h"

#include <errno.h>
#include <string.h>

/* ---- JSON ---------------------------------------------------------------------------------- */

static void json_value(FILE *out, enum field_kind kind, const char *text)
{
	const char *digits = text + (*text == '-');
	if (kind == FIELD_TEXT) {
		json_string(out, text);
	} else if (kind == FIELD_NUMBER) {
		fputs(*digits >= '0' && *digits <= '9' ? text : "null", out);
	} else {
		putc('[', out);
		for (; *text; text++)
			putc(*text == ' ' ? ',' : *text, out);
		putc(']', out);
	}
}

static void json_record(struct output *output, const char *const *texts)
{
	FILE *out = output->out;
	if (!output->stream)
		fputs(output->some ? ",\n" : "[\n", out);
	for (unsigned i = 0; output->fields[i].name; i++) {
		fputs(i ? ", " : "{", out);
		json_string(out, output->fields[i].name);
		fputs(": ", out);
		json_value(out, output->fields[i].kind, texts[i]);
	}
	fputs(output->stream ? "}\n" : "}", out);
}

/* ---- CSV ----------------------------------------------------------------------------------- */

static void csv_value(FILE *out, const char *text)
{
	if (!text[strcspn(text, "\",\r\n")]) {
		fputs(text, out);
		return;
	}
	putc('"', out);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', out);
		putc(*text, out);
	}
	putc('"', out);
}

static void csv_record(struct output *output, const char *const *texts)
{
	for (unsigned i = 0; output->fields[i].name; i++) {
		if (i)
			putc(',', output->out);
		csv_value(output->out, texts[i]);
	}
	putc('\n', output->out);
}

static void csv_header(struct output *output)
{
	for (unsigned i = 0; output->fields[i].name; i++) {
		if (i)
			putc(',', output->out);
		csv_value(output->out, output->fields[i].name);
	}
	putc('\n', output->out);
}

/* ---- tables -------------------------------------------------------------------------------- */

static void table_record(struct output *output, const char *const *texts)
{
	bool first = true;
	for (unsigned i = 0; output->fields[i].name; i++) {
		if (!output->fields[i].width)
			continue;
		fprintf(output->out, "%s%*s", first ? "" : " ", output->fields[i].width, texts[i]);
		first = false;
	}
	putc('\n', output->out);
}

/* ---- all three ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*record)(struct output *output, const char *const *texts);
} formats[FORMATS] = {
	[FORMAT_TABLE] = { "table", table_record },
	[FORMAT_CSV] = { "csv", csv_record },
	[FORMAT_JSON] = { "json", json_record },
};

static const char *format_name(unsigned format)
{
	return formats[format].name;
}

bool output_format_find(const char *name, enum format *format)
{
	for (unsigned i = 0; i < FORMATS; i++)
		if (!strcmp(format_name(i), name)) {
			*format = (enum format)i;
			return true;
		}
	return false;
}

const char *output_format_names(char text[OUTPUT_NAMES_SIZE])
{
	return words_list(format_name, FORMATS, text, OUTPUT_NAMES_SIZE);
}

void output_begin(struct output *output, FILE *out, enum format format, bool stream,
		  const struct field *fields)
{
	*output = (struct output){ out, format, stream, fields, false };
	if (format == FORMAT_CSV)
		csv_header(output);
}

void output_record(struct output *output, const char *const *texts)
{
	formats[output->format].record(output, texts);
	output->some = true;
}

void output_end(struct output *output)
{
	if (output->format == FORMAT_JSON && !output->stream)
		fputs(output->some ? "\n]\n" : "[]\n", output->out);
}

int output_flush(FILE *out)
{
	if (!fflush(out) && !ferror(out))
		return 0;
	return errno ? -errno : -EIO;
}
