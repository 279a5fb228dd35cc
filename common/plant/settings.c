#include "plant/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PLANT(member) \
	.at = offsetof(struct plant, member), .size = sizeof((struct plant *)0)->member
#define ACCESS(member)                               \
	.at = offsetof(struct plant_access, member), \
	.size = sizeof((struct plant_access *)0)->member
#define POINT(member) \
	.at = offsetof(struct plant_point, member), .size = sizeof((struct plant_point *)0)->member
#define UNIT(member) \
	.at = offsetof(struct plant_unit, member), .size = sizeof((struct plant_unit *)0)->member
#define RECORDS(member) \
	.at = offsetof(struct plant_file, member), .size = sizeof((struct plant_file *)0)->member
#define FIFO(member) \
	.at = offsetof(struct plant_fifo, member), .size = sizeof((struct plant_fifo *)0)->member
#define STALE(member) \
	.at = offsetof(struct plant_stale, member), .size = sizeof((struct plant_stale *)0)->member
#define SOURCE .max = MBSHM_SOURCE_NAME_SIZE - 1, .unit = "bytes"
#define SPANS(which) \
	.list = true, .max = MBSHM_ITEMS - 1, .preset = "[]", PLANT(image.layout), .table = which
#define IDENTITY(member) PLANT(server.identity.member), .max = PLANT_OBJECT_MAX, .unit = "bytes"

/* In the order of reading: a point's model wants its address. */
static const struct setting_row rows[] = {
	{ "image.name", &kind_name, PLANT(image.name), .help = "the segment: /dev/shm/NAME" },
	{ "image.group", &kind_group, .preset = "\"\"", PLANT(image.group),
	  .help = "group of a new segment; empty: the creator's" },
	{ "image.mode", &kind_mode, .preset = "\"0660\"", PLANT(image.mode),
	  .help = "permissions of a new segment, whatever the umask" },
	{ "image.pool", &kind_number, .min = MBSHM_POOL_MIN, .max = MBSHM_POOL_MAX,
	  .unit = "pages of 1 KiB", .otherwise = "4 x (live pages + 1), at least 1024",
	  PLANT(image.pool_pages), .help = "size of the page pool" },
	{ "image.retain", &kind_ascii, .max = 4000, .unit = "bytes", .preset = "\"\"",
	  PLANT(retain),
	  .help = "file of saved values that fills a new image, relative to this file's folder; "
		  "empty: none" },
	{ "image.coils", &kind_span, SPANS(MBSHM_COILS), .help = "addresses of coils" },
	{ "image.discrete_inputs", &kind_span, SPANS(MBSHM_DISCRETE_INPUTS),
	  .help = "addresses of discrete inputs" },
	{ "image.holding_registers", &kind_span, SPANS(MBSHM_HOLDING_REGISTERS),
	  .help = "addresses of holding registers" },
	{ "image.input_registers", &kind_span, SPANS(MBSHM_INPUT_REGISTERS),
	  .help = "addresses of input registers" },

	{ "server.listen", &kind_listener, .list = true, .preset = "[\"127.0.0.1:5020\"]",
	  PLANT(server),
	  .help = "where clients connect; port 0: the system chooses one, see the log" },
	{ "server.workers", &kind_number, .max = 64, .unit = "threads", .preset = "0",
	  PLANT(server.workers),
	  .help = "threads that serve connections; 0: one per CPU, at most 4" },
	{ "server.max_connections", &kind_number, .min = 1, .max = 65536, .unit = "connections",
	  .preset = "1024", PLANT(server.max_connections), .help = "clients at one time" },
	{ "server.socket_mode", &kind_mode, .preset = "\"0660\"", PLANT(server.socket_mode),
	  .help = "permissions of unix sockets" },
	{ "server.socket_group", &kind_group, .preset = "\"\"", PLANT(server.socket_group),
	  .help = "group of unix sockets; empty: the server's" },
	{ "server.max_per_address", &kind_number, .max = 65536, .unit = "connections",
	  .preset = "0", PLANT(server.max_per_address),
	  .help = "clients at one time from one address; 0: as many as there are" },
	{ "server.idle_timeout", &kind_duration, .max = 7 * 86400000, .preset = "\"1h\"",
	  PLANT(server.idle_timeout_ms),
	  .help = "connections unused for so long are closed; 0s: never" },
	{ "server.frame_timeout", &kind_duration, .min = 10, .max = 3600000, .preset = "\"10s\"",
	  PLANT(server.frame_timeout_ms),
	  .help = "a frame must be complete within this time from its first byte, or its "
		  "connection is closed" },
	{ "server.trace", &kind_network, .otherwise = "nobody's", PLANT(server.trace),
	  .help = "whose frames are logged" },
	{ "server.read_only", &kind_flag, .preset = "false", PLANT(server.read_only),
	  .help = "refuse every write" },
	{ "server.default_access", &kind_allow, .preset = "\"all\"", PLANT(server.default_access),
	  .help = "what clients may do that no rule of server.access is about" },
	{ "server.access.#.from", &kind_network, .otherwise = "everybody", ACCESS(from),
	  .help = "whom the rule is about" },
	{ "server.access.#.units", &kind_unit_id, .list = true, .otherwise = "every unit",
	  ACCESS(units), .help = "units that the rule is about" },
	{ "server.access.#.allow", &kind_allow, .preset = "\"all\"", ACCESS(allow),
	  .help = "whether they may write, only read, or not even connect" },
	{ "server.access.#.functions", &kind_function, .list = true,
	  .otherwise = "those of server.functions", ACCESS(functions),
	  .help = "functions allowed; the others are answered with exception 01" },
	{ "server.access.#.write", &kind_writes, .list = true, .otherwise = "everything",
	  ACCESS(writes), .help = "what may be written" },
	{ "server.access.#.refuse", &kind_refusal, .preset = "\"02\"", ACCESS(refusal),
	  .help = "exception that answers a write that is not allowed" },
	{ "server.access.#.keep", &kind_flag, .preset = "false", ACCESS(keep),
	  .help = "their connections are closed neither to make room nor for being idle" },
	{ "server.functions", &kind_function, .list = true, .preset = "[" TEXT(FUNCTIONS) "]",
	  PLANT(server.functions),
	  .help = "functions switched on; the others are answered with exception 01" },
	{ "server.identity.vendor_name", &kind_ascii, .preset = "\"mbimage\"",
	  IDENTITY(vendor_name), .help = "device identification, object 0x00" },
	{ "server.identity.product_code", &kind_ascii, .preset = "\"MBIMAGE\"",
	  IDENTITY(product_code), .help = "object 0x01" },
	{ "server.identity.major_minor_revision", &kind_ascii, .preset = "\"" MBIMAGE_VERSION "\"",
	  IDENTITY(major_minor_revision), .help = "object 0x02" },
	{ "server.identity.vendor_url", &kind_ascii, .preset = "\"\"", IDENTITY(vendor_url),
	  .help = "object 0x03; empty: not offered" },
	{ "server.identity.product_name", &kind_ascii, .preset = "\"\"", IDENTITY(product_name),
	  .help = "object 0x04; empty: not offered" },
	{ "server.identity.model_name", &kind_ascii, .preset = "\"\"", IDENTITY(model_name),
	  .help = "object 0x05; empty: not offered" },
	{ "server.identity.user_application_name", &kind_ascii, .preset = "\"\"",
	  IDENTITY(user_application_name), .help = "object 0x06; empty: not offered" },
	{ "server.units.#.id", &kind_number, .max = 255, UNIT(id),
	  .help = "a unit id; 0 and 255 without entry are this plant" },
	{ "server.units.#.plant", &kind_ascii, .min = 1,
	  .max = sizeof((struct plant_unit *)0)->file - 1, .unit = "bytes",
	  .otherwise = "this plant", UNIT(file),
	  .help = "plant file of the unit, relative to this file's folder" },
	{ "server.unknown_unit", &kind_unknown, .preset = "\"0x0B\"", PLANT(server.unknown_unit),
	  .help = "exception that answers a unit id that is not in server.units" },
	{ "server.stale.#.range", &kind_range, STALE(span), .help = "what the producer gives" },
	{ "server.stale.#.source", &kind_ascii, .min = 1, SOURCE, STALE(source),
	  .help = "the producer" },
	{ "server.stale.#.after", &kind_duration, .min = 10, .max = 86400000, .preset = "\"5s\"",
	  STALE(after_ms), .help = "it is silent when it has not published for so long" },
	{ "server.stale.#.answer", &kind_answer, .preset = "\"04\"", STALE(answer),
	  .help = "answer to requests that touch the range while it is silent: the last value or "
		  "an exception" },
	{ "server.files.#.number", &kind_number, .min = 1, .max = 65535, RECORDS(number),
	  .help = "number of a file, functions 20 and 21" },
	{ "server.files.#.registers", &kind_registers, .min = 1, .max = PLANT_FILE_RECORDS,
	  .unit = "registers", RECORDS(registers), .help = "its records" },
	{ "server.fifos.#.registers", &kind_registers, .min = 2, .max = 1 + PLANT_FIFO_VALUES,
	  .unit = "registers", FIFO(registers),
	  .help = "a FIFO, function 24: the first register tells how many of the others are "
		  "queued" },
	{ "server.exception_status", &kind_status, .list = true, .preset = "[]",
	  PLANT(server.status),
	  .help = "coils that are the bits of function 7, the least significant first" },
	{ "server.server_id.id", &kind_bytes, .list = true, .max = PLANT_ID_MAX, .preset = "[1]",
	  PLANT(server.server_id.id), .help = "server id that function 17 tells" },
	{ "server.server_id.text", &kind_ascii, .max = PLANT_ID_TEXT_MAX, .unit = "bytes",
	  .preset = "\"\"", PLANT(server.server_id.text),
	  .help = "what function 17 tells after the run status" },
	{ "server.server_id.source", &kind_ascii, SOURCE, .preset = "\"\"",
	  PLANT(server.server_id.source),
	  .help = "producer whose life is the run status of function 17; empty: always on" },
	{ "server.server_id.after", &kind_duration, .min = 10, .max = 86400000, .preset = "\"5s\"",
	  PLANT(server.server_id.after_ms),
	  .help = "it is dead when it has not published for so long" },

	{ "simulator.period", &kind_duration, .min = 1, .max = 3600000, .preset = "\"1s\"",
	  PLANT(simulator.period_ms), .help = "time between steps" },
	{ "simulator.start_delay", &kind_duration, .max = 3600000, .preset = "\"2s\"",
	  PLANT(simulator.start_delay_ms), .help = "before the first step, on a fresh image only" },
	{ "simulator.seed", &kind_number, .max = INT64_MAX, .preset = "0", PLANT(simulator.seed),
	  .help = "of all random streams; 0: the system's choice, logged at start" },
	{ "simulator.source", &kind_ascii, .min = 1, SOURCE, .preset = "\"simulatord\"",
	  PLANT(simulator.source), .help = "as which producer the simulator publishes" },

	{ "points.*.address", &kind_address, POINT(table),
	  .help = "table and address of the point" },
	{ "points.*.type", &kind_type,
	  .otherwise = "the table's: bool for coils and discrete inputs, u16 for registers",
	  POINT(type), .help = "type of the value" },
	{ "points.*.model", &kind_model, POINT(model), .help = "what makes the value move" },
};

const struct setting_row *setting_row(size_t index)
{
	return index < sizeof rows / sizeof *rows ? &rows[index] : NULL;
}

/* ---- reading by the table ------------------------------------------------------------------ */

void setting_expected(const struct setting_row *row, char *to, size_t size)
{
	char low[FORMAT_SIZE], high[FORMAT_SIZE];
	if (!row->kind->format) {
		snprintf(to, size, "%s", row->kind->expected);
		return;
	}
	row->kind->format(row->min, low);
	row->kind->format(row->max, high);
	snprintf(to, size, "%s %s..%s%s%s", row->kind->expected, low, high, row->unit ? " " : "",
		 row->unit ? row->unit : "");
}

/* A value as it was written, or nearly. */
static void show_value(const config_setting_t *value, char *to, size_t size)
{
	const char *text;
	switch (config_setting_type(value)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		snprintf(to, size, "%lld", config_setting_get_int64(value));
		break;
	case CONFIG_TYPE_FLOAT:
		snprintf(to, size, "%g", config_setting_get_float(value));
		break;
	case CONFIG_TYPE_BOOL:
		snprintf(to, size, "%s", config_setting_get_bool(value) ? "true" : "false");
		break;
	case CONFIG_TYPE_STRING:
		text = config_setting_get_string(value);
		snprintf(to, size, "\"%.60s\"%s", text, strlen(text) > 60 ? "..." : "");
		break;
	default:
		snprintf(to, size, "%s", config_setting_is_group(value) ? "a section" : "a list");
	}
}

static int read_value(const struct source *source, const struct setting_row *row,
		      const config_setting_t *setting, const config_setting_t *value,
		      const char *path, void *base)
{
	struct reading reading = {
		row,
		value,
		config_setting_type(value) == CONFIG_TYPE_STRING ? config_setting_get_string(value)
								 : NULL,
		base,
		(char *)base + row->at,
		"",
	};
	if (row->kind->read(&reading))
		return 0;
	char expected[256], shown[96];
	if (reading.why[0])
		return source_fail(source, setting, "%s: %s", path, reading.why);
	setting_expected(row, expected, sizeof expected);
	show_value(value, shown, sizeof shown);
	return source_fail(source, setting, "%s: %s, expected %s%s", path, shown,
			   row->list ? "a list of " : "", expected);
}

/* An element's own line is where libconfig looked ahead to, so errors are said at the line of its
 * setting. */
static int read_setting(const struct source *source, const struct setting_row *row,
			const config_setting_t *setting, const char *path, void *base)
{
	if (!row->list || !(config_setting_is_array(setting) || config_setting_is_list(setting)))
		return read_value(source, row, setting, setting, path, base);
	for (int i = 0; i < config_setting_length(setting); i++) {
		int rc = read_value(source, row, setting,
				    config_setting_get_elem(setting, (unsigned)i), path, base);
		if (rc)
			return rc;
	}
	return 0;
}

/* The default goes the way of any value: it cannot mean something that could not be written. */
static int read_preset(const struct source *source, const struct setting_row *row, const char *path,
		       void *base)
{
	char written[PLANT_OBJECT_MAX + 32];
	config_t config;
	config_init(&config);
	snprintf(written, sizeof written, "preset = %s", row->preset);
	config_read_string(&config, written);
	const config_setting_t *setting = config_lookup(&config, "preset");
	int rc = setting ? read_setting(source, row, setting, path, base)
			 : source_fail(source, NULL, "%s: bad default", path);
	config_destroy(&config);
	return rc;
}

int setting_read(const struct source *source, const struct setting_row *row,
		 const config_setting_t *parent, const config_setting_t *setting, const char *path,
		 void *base)
{
	char expected[256];
	if (setting)
		return read_setting(source, row, setting, path, base);
	if (row->preset)
		return read_preset(source, row, path, base);
	if (row->otherwise)
		return 0;
	setting_expected(row, expected, sizeof expected);
	return source_fail(source, parent, "%s is missing, expected %s", path, expected);
}

int setting_read_section(const struct source *source, const char *prefix,
			 const config_setting_t *section, const char *path, void *base)
{
	size_t length = strlen(prefix);
	for (const struct setting_row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
		if (strncmp(row->path, prefix, length) != 0 || row->path[length] != '.')
			continue;
		const char *key = row->path + length + 1;
		char each_path[256];
		snprintf(each_path, sizeof each_path, "%s.%s", path, key);
		int rc = setting_read(source, row, section, config_setting_get_member(section, key),
				      each_path, base);
		if (rc)
			return rc;
	}
	return 0;
}
