/* Records in the three formats, and the escapes of JSON and CSV. */
#include "base/json.h"
#include "base/output.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct field fields[] = {
	{ "table", FIELD_TEXT, -8 },
	{ "address", FIELD_NUMBER, 5 },
	{ "type", FIELD_TEXT, 0 },
	{ "values", FIELD_LIST, 1 },
	{ 0 },
};

static const char *const records[2][4] = {
	{ "holding", "1000", "u16", "1 2 3" },
	{ "coil", "nan", "a,b", "" },
};

/* Do count records, written in that format, make up this text? */
static void assert_written(enum format format, bool stream, unsigned count, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct output output;
	assert_non_null(out);
	output_begin(&output, out, format, stream, fields);
	for (unsigned i = 0; i < count; i++)
		output_record(&output, records[i]);
	output_end(&output);
	assert_int_equal(output_flush(out), 0);
	assert_string_equal(text, expected);
	fclose(out);
	free(text);
}

static void tables(void **state)
{
	(void)state;
	assert_written(FORMAT_TABLE, false, 0, "");
	assert_written(FORMAT_TABLE, true, 2, "holding   1000 1 2 3\ncoil       nan  \n");
}

static void csv(void **state)
{
	(void)state;
	assert_written(FORMAT_CSV, false, 0, "table,address,type,values\n");
	assert_written(FORMAT_CSV, true, 2,
		       "table,address,type,values\n"
		       "holding,1000,u16,1 2 3\n"
		       "coil,nan,\"a,b\",\n");
}

static void json(void **state)
{
	static const char first[] =
		"{\"table\": \"holding\", \"address\": 1000, \"type\": \"u16\", "
		"\"values\": [1,2,3]}";
	static const char second[] =
		"{\"table\": \"coil\", \"address\": null, \"type\": \"a,b\", \"values\": []}";
	char expected[512];
	(void)state;
	assert_written(FORMAT_JSON, false, 0, "[]\n");
	snprintf(expected, sizeof expected, "[\n%s,\n%s\n]\n", first, second);
	assert_written(FORMAT_JSON, false, 2, expected);
	assert_written(FORMAT_JSON, true, 0, "");
	snprintf(expected, sizeof expected, "%s\n%s\n", first, second);
	assert_written(FORMAT_JSON, true, 2, expected);
}

static void csv_escapes(void **state)
{
	static const struct field field[] = { { "a\"b", FIELD_TEXT, 1 }, { 0 } };
	static const char *const cases[][2] = {
		{ "plain text", "plain text" },           { "a,b", "\"a,b\"" },
		{ "say \"yes\"", "\"say \"\"yes\"\"\"" }, { "two\nlines", "\"two\nlines\"" },
		{ "two\r\nlines", "\"two\r\nlines\"" },   { "", "" },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = NULL, expected[64];
		size_t size;
		FILE *out = open_memstream(&text, &size);
		struct output output;
		assert_non_null(out);
		output_begin(&output, out, FORMAT_CSV, false, field);
		output_record(&output, &cases[i][0]);
		assert_int_equal(output_flush(out), 0);
		snprintf(expected, sizeof expected, "\"a\"\"b\"\n%s\n", cases[i][1]);
		assert_string_equal(text, expected);
		fclose(out);
		free(text);
	}
}

static void json_escapes(void **state)
{
	static const char *const cases[][2] = {
		{ "", "\"\"" },
		{ "a \"b\" \\ /", "\"a \\\"b\\\" \\\\ /\"" },
		{ "\x01\t\n\x1f\x7f", "\"\\u0001\\u0009\\u000a\\u001f\\u007f\"" },
		/* UTF-8 of 2, 3 and 4 bytes: the first and the last of each length */
		{ "\u00b0C", "\"\u00b0C\"" },
		{ "\xc2\x80 \xdf\xbf", "\"\xc2\x80 \xdf\xbf\"" },
		{ "\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf",
		  "\"\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\"" },
		{ "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf", "\"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"" },
		/* not UTF-8: a byte alone, cut, overlong, a surrogate, above U+10FFFF */
		{ "\x80 \xff", "\"\\u0080 \\u00ff\"" },
		{ "\xe2\x82", "\"\\u00e2\\u0082\"" },
		{ "\xe2\x82x", "\"\\u00e2\\u0082x\"" },
		{ "\xc0\xaf", "\"\\u00c0\\u00af\"" },
		{ "\xe0\x9f\xbf", "\"\\u00e0\\u009f\\u00bf\"" },
		{ "\xf0\x8f\xbf\xbf", "\"\\u00f0\\u008f\\u00bf\\u00bf\"" },
		{ "\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"" },
		{ "\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"" },
		{ "\xf8\x88\x80\x80\x80", "\"\\u00f8\\u0088\\u0080\\u0080\\u0080\"" },
	};
	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = NULL;
		size_t size;
		FILE *out = open_memstream(&text, &size);
		assert_non_null(out);
		json_string(out, cases[i][0]);
		fclose(out);
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

static void lost_output_is_reported(void **state)
{
	FILE *out = fopen("/dev/full", "w");
	struct output output;
	(void)state;
	assert_non_null(out);
	output_begin(&output, out, FORMAT_CSV, false, fields);
	output_end(&output);
	assert_int_equal(output_flush(out), -ENOSPC);
	fclose(out);
}

static void names(void **state)
{
	char text[OUTPUT_NAMES_SIZE];
	enum format format;
	(void)state;
	assert_string_equal(output_format_names(text), "table, csv or json");
	assert_true(output_format_find("table", &format) && format == FORMAT_TABLE);
	assert_true(output_format_find("csv", &format) && format == FORMAT_CSV);
	assert_true(output_format_find("json", &format) && format == FORMAT_JSON);
	assert_false(output_format_find("xml", &format) || output_format_find("", &format));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),       cmocka_unit_test(csv),
		cmocka_unit_test(json),         cmocka_unit_test(csv_escapes),
		cmocka_unit_test(json_escapes), cmocka_unit_test(lost_output_is_reported),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
