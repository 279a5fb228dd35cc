#include "settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One value being read. */
struct reading {
	const struct setting_row *row;
	const config_setting_t *value;
	const char *text;	/* of a value in quotes, else NULL */
	void *base;
	void *to;		/* base + row->at */
	char why[MODEL_ERROR_SIZE + 64];	/* set by a reader that knows better than "expected ..." */
};

struct setting_kind {
	const char *expected;
	void (*format)(uint64_t value, char *text);	/* of min and max; NULL: no range to say */
	bool (*read)(struct reading *reading);
};

enum { FORMAT_SIZE = 32 };

/* ---- whole numbers, durations, texts ------------------------------------------------------------------------------------- */

static void format_number(uint64_t value, char *text)
{
	snprintf(text, FORMAT_SIZE, "%llu", (unsigned long long)value);
}

static bool read_number(struct reading *r)
{
	int type = config_setting_type(r->value);
	long long value = config_setting_get_int64(r->value);
	if ((type != CONFIG_TYPE_INT && type != CONFIG_TYPE_INT64) || value < 0)
		return false;
	if ((uint64_t)value < r->row->min || (uint64_t)value > r->row->max)
		return false;
	if (r->row->size == sizeof(uint32_t))
		*(uint32_t *)r->to = (uint32_t)value;
	else
		*(uint64_t *)r->to = (uint64_t)value;
	return true;
}

static const struct unit {
	const char *name;
	uint64_t ms;
} units[] = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };
enum { UNITS = sizeof units / sizeof *units };

static void format_duration(uint64_t ms, char *text)
{
	const struct unit *unit = units;
	while (ms % unit->ms || (!ms && unit->ms != 1))
		unit++;
	snprintf(text, FORMAT_SIZE, "%llu%s", (unsigned long long)(ms / unit->ms), unit->name);
}

/* Digits, perhaps a point and digits, and a unit, as a whole number of milliseconds.  By hand: no rounding, no locale. */
static bool read_duration(struct reading *r)
{
	static const char digits[] = "0123456789";
	if (!r->text)
		return false;
	size_t whole = strspn(r->text, digits);
	size_t fraction = r->text[whole] == '.' ? strspn(r->text + whole + 1, digits) : 0;
	const char *name = r->text + whole + (r->text[whole] == '.' ? 1 + fraction : 0);
	if (whole < 1 || whole > 9 || fraction > 9 || (r->text[whole] == '.' && !fraction))
		return false;
	for (const struct unit *unit = units; unit < units + UNITS; unit++) {
		if (strcmp(unit->name, name) != 0)
			continue;
		uint64_t scale = 1, parts = 0;
		for (size_t i = 0; i < fraction; i++, scale *= 10)
			parts = parts * 10 + (uint64_t)(r->text[whole + 1 + i] - '0');
		uint64_t ms = strtoul(r->text, NULL, 10) * unit->ms + parts * unit->ms / scale;
		*(uint64_t *)r->to = ms;
		return parts * unit->ms % scale == 0 && ms >= r->row->min && ms <= r->row->max;
	}
	return false;
}

static bool read_text(struct reading *r)
{
	if (!r->text || strlen(r->text) < r->row->min || strlen(r->text) > r->row->max)
		return false;
	for (const char *c = r->text; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	snprintf(r->to, r->row->size, "%s", r->text);
	return true;
}

/* ---- the image ----------------------------------------------------------------------------------------------------------- */

static bool read_name(struct reading *r)
{
	if (!r->text || r->text[0] != '/' || strlen(r->text) < 2 || strlen(r->text) >= MBSHM_NAME_SIZE)
		return false;
	if (!strcmp(r->text, "/.") || !strcmp(r->text, "/.."))
		return false;
	for (const char *c = r->text + 1; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '/')
			return false;
	strcpy(r->to, r->text);
	return true;
}

static bool read_mode(struct reading *r)
{
	if (!r->text || strlen(r->text) < 3 || strlen(r->text) > 4 || r->text[strspn(r->text, "01234567")])
		return false;
	unsigned long mode = strtoul(r->text, NULL, 8);
	if (mode & 0002) {
		snprintf(r->why, sizeof r->why, "\"%s\" lets everybody write, expected a mode that does not, such as \"0660\"",
			 r->text);
		return false;
	}
	*(mode_t *)r->to = (mode_t)mode;
	return (mode & 0600) == 0600 && !(mode & ~0664ul);
}

static bool read_group(struct reading *r)
{
	*(gid_t *)r->to = (gid_t)-1;
	if (!r->text || !*r->text)
		return r->text;
	char *buffer = NULL;
	struct group group, *found = NULL;
	int rc = ERANGE;
	for (size_t size = 4096; rc == ERANGE && size <= 16 << 20; size *= 2) {	/* a group's members all go in here */
		free(buffer);
		buffer = malloc(size);
		rc = buffer ? getgrnam_r(r->text, &group, buffer, size, &found) : ENOMEM;
	}
	if (found)
		*(gid_t *)r->to = group.gr_gid;
	else
		snprintf(r->why, sizeof r->why, "\"%.64s\": %s, expected a group of this system", r->text,
			 rc ? strerror(rc) : "no such group");
	free(buffer);
	return found;
}

/* Decimal digits and nothing else, at most max; *text moves past them. */
static bool read_digits(const char **text, uint32_t max, uint32_t *value)
{
	size_t length = strspn(*text, "0123456789");
	if (length < 1 || length > 5)
		return false;
	*value = (uint32_t)strtoul(*text, NULL, 10);
	*text += length;
	return *value <= max;
}

static bool read_span(struct reading *r)
{
	uint32_t first, last;
	if (config_setting_type(r->value) == CONFIG_TYPE_INT) {
		int value = config_setting_get_int(r->value);
		first = last = (uint32_t)value;
		if (value < 0 || value >= MBSHM_ITEMS)
			return false;
	} else {
		const char *p = r->text;
		if (!p || !read_digits(&p, MBSHM_ITEMS - 1, &first))
			return false;
		last = first;
		if (*p == '-' && (p++, !read_digits(&p, MBSHM_ITEMS - 1, &last)))
			return false;
		if (*p || last < first)
			return false;
	}
	int rc = mbshm_layout_add(r->to, r->row->table, first, last - first + 1);
	if (rc)
		snprintf(r->why, sizeof r->why, "too many spans, expected at most %d in all four lists together",
			 MBSHM_SPANS_MAX);
	return !rc;
}

/* ---- the server ---------------------------------------------------------------------------------------------------------- */

/* "1.2.3.4" or "[v6]", without or with a %scope.  Names are not looked up: a plant must mean the same everywhere. */
static bool read_host(const char *text, size_t length, struct plant_listen *listen)
{
	char address[sizeof listen->host];
	unsigned char binary[sizeof(struct in6_addr)];
	bool v6 = length > 2 && text[0] == '[' && text[length - 1] == ']';
	if (v6)
		text++, length -= 2;
	if (length == 0 || length >= sizeof listen->host)
		return false;
	snprintf(listen->host, sizeof listen->host, "%.*s", (int)length, text);
	snprintf(address, sizeof address, "%s", listen->host);
	if (v6)
		address[strcspn(address, "%")] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, address, binary) == 1;
}

/* "unix:/PATH" */
static bool read_socket(const char *path, struct plant_listen *listen)
{
	if (path[0] != '/' || strlen(path) > PLANT_SOCKET_MAX || path[strlen(path) - 1] == '/')
		return false;
	for (const char *c = path; *c; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	strcpy(listen->host, path);
	return true;
}

static bool read_listen(struct reading *r)
{
	static const char prefix[] = "unix:";
	struct plant_server *server = r->to;
	const char *colon = r->text ? strrchr(r->text, ':') : NULL;
	if (!colon)
		return false;
	if (server->listen_count == PLANT_LISTEN_MAX) {
		snprintf(r->why, sizeof r->why, "too many addresses, expected at most %d", PLANT_LISTEN_MAX);
		return false;
	}
	struct plant_listen *listen = &server->listen[server->listen_count++];
	const char *p = colon + 1;
	uint32_t port;
	snprintf(listen->text, sizeof listen->text, "%s", r->text);
	if (!strncmp(r->text, prefix, strlen(prefix)))
		return read_socket(r->text + strlen(prefix), listen);
	if (!read_digits(&p, 65535, &port) || *p || !read_host(r->text, (size_t)(colon - r->text), listen))
		return false;
	snprintf(listen->port, sizeof listen->port, "%u", port);
	return true;
}

/* The functions that the server has, which is also what it answers to by default. */
#define FUNCTIONS 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43
#define TEXT_OF(...) #__VA_ARGS__
#define TEXT(...) TEXT_OF(__VA_ARGS__)

static bool read_function(struct reading *r)
{
	static const uint8_t codes[] = { FUNCTIONS };
	int code = config_setting_type(r->value) == CONFIG_TYPE_INT ? config_setting_get_int(r->value) : -1;
	for (size_t i = 0; i < sizeof codes; i++)
		if (codes[i] == code) {
			function_set_add(r->to, codes[i]);
			return true;
		}
	return false;
}

/* ---- access -------------------------------------------------------------------------------------------------------------- */

static bool read_flag(struct reading *r)
{
	if (config_setting_type(r->value) != CONFIG_TYPE_BOOL)
		return false;
	*(bool *)r->to = config_setting_get_bool(r->value);
	return true;
}

static bool read_network(struct reading *r)
{
	return r->text && plant_parse_network(r->text, r->to, r->why) == 0;
}

/* Unit ids, as a set. */
static bool read_unit(struct reading *r)
{
	uint64_t *words = r->to;
	int id = config_setting_type(r->value) == CONFIG_TYPE_INT ? config_setting_get_int(r->value) : -1;
	if (id < 0 || id > 255)
		return false;
	words[id / 64] |= UINT64_C(1) << id % 64;
	return true;
}

static bool read_allow(struct reading *r)
{
	static const char *const words[] = { "all", "read", "none" };	/* in enum plant_allow's order */
	for (unsigned i = 0; r->text && i < sizeof words / sizeof *words; i++)
		if (!strcmp(words[i], r->text)) {
			*(enum plant_allow *)r->to = (enum plant_allow)i;
			return true;
		}
	return false;
}

static bool read_refusal(struct reading *r)
{
	if (!r->text || (strcmp(r->text, "01") != 0 && strcmp(r->text, "02") != 0))
		return false;
	*(uint8_t *)r->to = (uint8_t)(r->text[1] - '0');
	return true;
}

/* "holding 1000-1010" */
static bool read_writes(struct reading *r)
{
	const char *p = r->text ? r->text + strcspn(r->text, " ") : "";
	uint32_t first, last;
	enum mbshm_table table = MBSHM_TABLES;
	for (int i = 0; i < MBSHM_TABLES; i++) {
		const char *word = plant_table_word((enum mbshm_table)i);
		if (r->text && strlen(word) == (size_t)(p - r->text) && !strncmp(word, r->text, strlen(word)))
			table = (enum mbshm_table)i;
	}
	if (table != MBSHM_COILS && table != MBSHM_HOLDING_REGISTERS)
		return false;
	p += strspn(p, " ");
	if (!read_digits(&p, MBSHM_ITEMS - 1, &first))
		return false;
	last = first;
	if ((*p == '-' && (p++, !read_digits(&p, MBSHM_ITEMS - 1, &last))) || *p || last < first)
		return false;
	return mbshm_layout_add(r->to, table, first, last - first + 1) == 0;
}

/* ---- devices ------------------------------------------------------------------------------------------------------------- */

/* FIRST-LAST, or FIRST alone. */
static bool parse_range(const char *p, struct mbshm_span *span)
{
	uint32_t last;
	if (!read_digits(&p, MBSHM_ITEMS - 1, &span->first))
		return false;
	last = span->first;
	if (*p == '-' && (p++, !read_digits(&p, MBSHM_ITEMS - 1, &last)))
		return false;
	span->count = last - span->first + 1;
	return !*p && last >= span->first;
}

/* "holding 1000-1010" */
static bool read_range(struct reading *r)
{
	size_t word = r->text ? strcspn(r->text, " ") : 0;
	struct mbshm_span *span = r->to;
	for (int i = 0; word && i < MBSHM_TABLES; i++) {
		span->table = (enum mbshm_table)i;
		if (!strncmp(r->text, plant_table_word(span->table), word) && !plant_table_word(span->table)[word])
			return parse_range(r->text + word + strspn(r->text + word, " "), span);
	}
	return false;
}

static bool read_registers(struct reading *r)
{
	struct mbshm_span *span = r->to;
	span->table = MBSHM_HOLDING_REGISTERS;
	return r->text && parse_range(r->text, span) && span->count >= r->row->min && span->count <= r->row->max;
}

/* Coils, a bit each. */
static bool read_status(struct reading *r)
{
	struct plant_status *status = r->to;
	enum mbshm_table table = MBSHM_COILS;
	uint16_t addr;
	if (status->count == sizeof status->coils / sizeof *status->coils) {
		snprintf(r->why, sizeof r->why, "too many coils, expected at most 8");
		return false;
	}
	int32_t *coil = &status->coils[status->count++];
	*coil = -1;
	if (r->text && !strcmp(r->text, "none"))
		return true;
	if (!r->text || plant_parse_address(r->text, &table, &addr) || table != MBSHM_COILS)
		return false;
	*coil = addr;
	return true;
}

/* Bytes as numbers, or a text of them. */
static bool read_bytes(struct reading *r)
{
	struct plant_bytes *bytes = r->to;
	int number = config_setting_type(r->value) == CONFIG_TYPE_INT ? config_setting_get_int(r->value) : -1;
	size_t length = r->text ? strlen(r->text) : 1;
	if (!r->text && (number < 0 || number > 255))
		return false;
	if (length > r->row->max - bytes->count) {
		snprintf(r->why, sizeof r->why, "too long, expected at most %u bytes", (unsigned)r->row->max);
		return false;
	}
	if (r->text)
		memcpy(bytes->bytes + bytes->count, r->text, length);
	else
		bytes->bytes[bytes->count] = (uint8_t)number;
	bytes->count += (uint32_t)length;
	return true;
}

struct choice {
	const char *word;	/* NULL after the last */
	int value;
};

static bool read_choice(struct reading *r, const struct choice *choice)
{
	for (; r->text && choice->word; choice++)
		if (!strcmp(choice->word, r->text)) {
			*(int *)r->to = choice->value;
			return true;
		}
	return false;
}

static bool read_unknown(struct reading *r)
{
	static const struct choice choices[] = { { "0x0B", 0x0B }, { "0x0A", 0x0A }, { "silence", PLANT_SILENCE }, { 0 } };
	return read_choice(r, choices);
}

static bool read_answer(struct reading *r)
{
	static const struct choice choices[] = { { "value", 0 }, { "04", 0x04 }, { "06", 0x06 }, { "0x0B", 0x0B }, { 0 } };
	return read_choice(r, choices);
}

/* ---- points -------------------------------------------------------------------------------------------------------------- */

/* In enum plant_type's order. */
static const struct point_type {
	const char *name;
	double high;	/* it holds 0..high */
} point_types[] = { { "bool", 1 }, { "u16", 65535 } };

static bool read_address(struct reading *r)
{
	struct plant_point *point = r->base;
	if (!r->text || plant_parse_address(r->text, &point->table, &point->addr))
		return false;
	point->type = point->table == MBSHM_COILS || point->table == MBSHM_DISCRETE_INPUTS ? PLANT_BOOL : PLANT_U16;
	return true;
}

/* The table has decided already; the setting is there to be read by people, and must agree. */
static bool read_type(struct reading *r)
{
	const struct plant_point *point = r->base;
	const char *fits = point_types[point->type].name;
	if (!r->text || (strcmp(r->text, "bool") != 0 && strcmp(r->text, "u16") != 0))
		return false;
	if (strcmp(r->text, fits) != 0)
		snprintf(r->why, sizeof r->why, "\"%s\" does not fit address \"%s %u\", expected \"%s\"", r->text,
			 plant_table_word(point->table), point->addr, fits);
	return !strcmp(r->text, fits);
}

static bool read_model(struct reading *r)
{
	struct plant_point *point = r->base;
	return r->text && model_parse(r->text, 0, point_types[point->type].high, &point->model, r->why) == 0;
}

/* ---- the table ----------------------------------------------------------------------------------------------------------- */

static const struct setting_kind number = { "a whole number", format_number, read_number };
static const struct setting_kind duration = {
	"a duration with its unit (\"250ms\", \"1.5s\", \"2m\", \"1h\"),", format_duration, read_duration };
static const struct setting_kind ascii = { "printable ASCII in quotes,", format_number, read_text };
static const struct setting_kind name = { "\"/NAME\" without another slash, printable, up to 254 characters", NULL, read_name };
static const struct setting_kind mode = {
	"octal digits of read and write bits in quotes, \"0600\" included, such as \"0660\"", NULL, read_mode };
static const struct setting_kind group = { "a group's name in quotes", NULL, read_group };
static const struct setting_kind span = { "\"FIRST-LAST\" or one address,", format_number, read_span };
static const struct setting_kind listener = {
	"\"ADDRESS:PORT\" in digits, \"[ADDRESS]:PORT\" for IPv6, or \"unix:/PATH\"", NULL, read_listen };
static const struct setting_kind flag = { "true or false", NULL, read_flag };
static const struct setting_kind network = {
	"an address in digits, without or with \"/BITS\", or \"unix\"", NULL, read_network };
static const struct setting_kind unit_id = { "unit ids 0..255", NULL, read_unit };
static const struct setting_kind allow = { "\"all\", \"read\" or \"none\"", NULL, read_allow };
static const struct setting_kind refusal = { "\"01\" or \"02\"", NULL, read_refusal };
static const struct setting_kind writes = {
	"\"TABLE FIRST-LAST\" or \"TABLE ADDRESS\", TABLE coil or holding", NULL, read_writes };
static const struct setting_kind function = { "function codes out of " TEXT(FUNCTIONS), NULL, read_function };
static const struct setting_kind range = {
	"\"TABLE FIRST-LAST\" or \"TABLE ADDRESS\", TABLE coil, discrete, holding or input", NULL, read_range };
static const struct setting_kind registers = { "\"FIRST-LAST\" of the holding registers,", format_number, read_registers };
static const struct setting_kind status = { "\"coil ADDRESS\" or \"none\"", NULL, read_status };
static const struct setting_kind bytes = { "bytes 0..255, or a text in quotes", NULL, read_bytes };
static const struct setting_kind unknown = { "\"0x0B\", \"0x0A\" or \"silence\"", NULL, read_unknown };
static const struct setting_kind answer = { "\"value\", \"04\", \"06\" or \"0x0B\"", NULL, read_answer };
static const struct setting_kind address = {
	"\"TABLE ADDRESS\", TABLE coil, discrete, holding or input, ADDRESS 0..65535", NULL, read_address };
static const struct setting_kind type = { "\"bool\" or \"u16\"", NULL, read_type };
static const struct setting_kind model = { "a model and its parameters in quotes, such as \"uniform 0 100\"", NULL, read_model };

#define PLANT(member) .at = offsetof(struct plant, member), .size = sizeof ((struct plant *)0)->member
#define ACCESS(member) .at = offsetof(struct plant_access, member), .size = sizeof ((struct plant_access *)0)->member
#define POINT(member) .at = offsetof(struct plant_point, member), .size = sizeof ((struct plant_point *)0)->member
#define UNIT(member) .at = offsetof(struct plant_unit, member), .size = sizeof ((struct plant_unit *)0)->member
#define RECORDS(member) .at = offsetof(struct plant_file, member), .size = sizeof ((struct plant_file *)0)->member
#define FIFO(member) .at = offsetof(struct plant_fifo, member), .size = sizeof ((struct plant_fifo *)0)->member
#define STALE(member) .at = offsetof(struct plant_stale, member), .size = sizeof ((struct plant_stale *)0)->member
#define SOURCE .max = MBSHM_SOURCE_NAME_SIZE - 1, .unit = "bytes"
#define SPANS(which) .list = true, .max = MBSHM_ITEMS - 1, .preset = "[]", PLANT(image.layout), .table = which
#define IDENTITY(member) PLANT(server.identity.member), .max = PLANT_OBJECT_MAX, .unit = "bytes"

/* In the order of reading: a point's model wants its address. */
static const struct setting_row rows[] = {
	{ "image.name", &name, PLANT(image.name), .help = "the segment: /dev/shm/NAME" },
	{ "image.group", &group, .preset = "\"\"", PLANT(image.group), .help = "group of a new segment; empty: the creator's" },
	{ "image.mode", &mode, .preset = "\"0660\"", PLANT(image.mode),
	  .help = "permissions of a new segment, whatever the umask" },
	{ "image.pool", &number, .min = MBSHM_POOL_MIN, .max = MBSHM_POOL_MAX, .unit = "pages of 1 KiB",
	  .otherwise = "4 x (live pages + 1), at least 1024", PLANT(image.pool_pages), .help = "size of the page pool" },
	{ "image.retain", &ascii, .max = 4000, .unit = "bytes", .preset = "\"\"", PLANT(retain),
	  .help = "file of saved values that fills a new image, relative to this file's folder; empty: none" },
	{ "image.coils", &span, SPANS(MBSHM_COILS), .help = "addresses of coils" },
	{ "image.discrete_inputs", &span, SPANS(MBSHM_DISCRETE_INPUTS), .help = "addresses of discrete inputs" },
	{ "image.holding_registers", &span, SPANS(MBSHM_HOLDING_REGISTERS), .help = "addresses of holding registers" },
	{ "image.input_registers", &span, SPANS(MBSHM_INPUT_REGISTERS), .help = "addresses of input registers" },

	{ "server.listen", &listener, .list = true, .preset = "[\"127.0.0.1:5020\"]", PLANT(server),
	  .help = "where clients connect; port 0: the system chooses one, see the log" },
	{ "server.workers", &number, .max = 64, .unit = "threads", .preset = "0", PLANT(server.workers),
	  .help = "threads that serve connections; 0: one per CPU, at most 4" },
	{ "server.max_connections", &number, .min = 1, .max = 65536, .unit = "connections", .preset = "1024",
	  PLANT(server.max_connections), .help = "clients at one time" },
	{ "server.socket_mode", &mode, .preset = "\"0660\"", PLANT(server.socket_mode), .help = "permissions of unix sockets" },
	{ "server.socket_group", &group, .preset = "\"\"", PLANT(server.socket_group),
	  .help = "group of unix sockets; empty: the server's" },
	{ "server.max_per_address", &number, .max = 65536, .unit = "connections", .preset = "0", PLANT(server.max_per_address),
	  .help = "clients at one time from one address; 0: as many as there are" },
	{ "server.idle_timeout", &duration, .max = 7 * 86400000, .preset = "\"1h\"", PLANT(server.idle_timeout_ms),
	  .help = "connections unused for so long are closed; 0s: never" },
	{ "server.frame_timeout", &duration, .min = 10, .max = 3600000, .preset = "\"10s\"", PLANT(server.frame_timeout_ms),
	  .help = "a frame must be complete within this time from its first byte, or its connection is closed" },
	{ "server.trace", &network, .otherwise = "nobody's", PLANT(server.trace), .help = "whose frames are logged" },
	{ "server.read_only", &flag, .preset = "false", PLANT(server.read_only), .help = "refuse every write" },
	{ "server.default_access", &allow, .preset = "\"all\"", PLANT(server.default_access),
	  .help = "what clients may do that no rule of server.access is about" },
	{ "server.access.#.from", &network, .otherwise = "everybody", ACCESS(from), .help = "whom the rule is about" },
	{ "server.access.#.units", &unit_id, .list = true, .otherwise = "every unit", ACCESS(units),
	  .help = "units that the rule is about" },
	{ "server.access.#.allow", &allow, .preset = "\"all\"", ACCESS(allow),
	  .help = "whether they may write, only read, or not even connect" },
	{ "server.access.#.functions", &function, .list = true, .otherwise = "those of server.functions", ACCESS(functions),
	  .help = "functions allowed; the others are answered with exception 01" },
	{ "server.access.#.write", &writes, .list = true, .otherwise = "everything", ACCESS(writes), .help = "what may be written" },
	{ "server.access.#.refuse", &refusal, .preset = "\"02\"", ACCESS(refusal),
	  .help = "exception that answers a write that is not allowed" },
	{ "server.access.#.keep", &flag, .preset = "false", ACCESS(keep),
	  .help = "their connections are closed neither to make room nor for being idle" },
	{ "server.functions", &function, .list = true, .preset = "[" TEXT(FUNCTIONS) "]", PLANT(server.functions),
	  .help = "functions switched on; the others are answered with exception 01" },
	{ "server.identity.vendor_name", &ascii, .preset = "\"mbimage\"", IDENTITY(vendor_name),
	  .help = "device identification, object 0x00" },
	{ "server.identity.product_code", &ascii, .preset = "\"MBIMAGE\"", IDENTITY(product_code), .help = "object 0x01" },
	{ "server.identity.major_minor_revision", &ascii, .preset = "\"" MBIMAGE_VERSION "\"", IDENTITY(major_minor_revision),
	  .help = "object 0x02" },
	{ "server.identity.vendor_url", &ascii, .preset = "\"\"", IDENTITY(vendor_url),
	  .help = "object 0x03; empty: not offered" },
	{ "server.identity.product_name", &ascii, .preset = "\"\"", IDENTITY(product_name),
	  .help = "object 0x04; empty: not offered" },
	{ "server.identity.model_name", &ascii, .preset = "\"\"", IDENTITY(model_name),
	  .help = "object 0x05; empty: not offered" },
	{ "server.identity.user_application_name", &ascii, .preset = "\"\"", IDENTITY(user_application_name),
	  .help = "object 0x06; empty: not offered" },
	{ "server.units.#.id", &number, .max = 255, UNIT(id), .help = "a unit id; 0 and 255 without entry are this plant" },
	{ "server.units.#.plant", &ascii, .min = 1, .max = sizeof ((struct plant_unit *)0)->file - 1, .unit = "bytes",
	  .otherwise = "this plant", UNIT(file), .help = "plant file of the unit, relative to this file's folder" },
	{ "server.unknown_unit", &unknown, .preset = "\"0x0B\"", PLANT(server.unknown_unit),
	  .help = "exception that answers a unit id that is not in server.units" },
	{ "server.stale.#.range", &range, STALE(span), .help = "what the producer gives" },
	{ "server.stale.#.source", &ascii, .min = 1, SOURCE, STALE(source), .help = "the producer" },
	{ "server.stale.#.after", &duration, .min = 10, .max = 86400000, .preset = "\"5s\"", STALE(after_ms),
	  .help = "it is silent when it has not published for so long" },
	{ "server.stale.#.answer", &answer, .preset = "\"04\"", STALE(answer),
	  .help = "answer to requests that touch the range while it is silent: the last value or an exception" },
	{ "server.files.#.number", &number, .min = 1, .max = 65535, RECORDS(number), .help = "number of a file, functions 20 and 21" },
	{ "server.files.#.registers", &registers, .min = 1, .max = PLANT_FILE_RECORDS, .unit = "registers", RECORDS(registers),
	  .help = "its records" },
	{ "server.fifos.#.registers", &registers, .min = 2, .max = 1 + PLANT_FIFO_VALUES, .unit = "registers", FIFO(registers),
	  .help = "a FIFO, function 24: the first register tells how many of the others are queued" },
	{ "server.exception_status", &status, .list = true, .preset = "[]", PLANT(server.status),
	  .help = "coils that are the bits of function 7, the least significant first" },
	{ "server.server_id.id", &bytes, .list = true, .max = PLANT_ID_MAX, .preset = "[1]", PLANT(server.server_id.id),
	  .help = "server id that function 17 tells" },
	{ "server.server_id.text", &ascii, .max = PLANT_ID_TEXT_MAX, .unit = "bytes", .preset = "\"\"", PLANT(server.server_id.text),
	  .help = "what function 17 tells after the run status" },
	{ "server.server_id.source", &ascii, SOURCE, .preset = "\"\"", PLANT(server.server_id.source),
	  .help = "producer whose life is the run status of function 17; empty: always on" },
	{ "server.server_id.after", &duration, .min = 10, .max = 86400000, .preset = "\"5s\"", PLANT(server.server_id.after_ms),
	  .help = "it is dead when it has not published for so long" },

	{ "simulator.period", &duration, .min = 1, .max = 3600000, .preset = "\"1s\"", PLANT(simulator.period_ms),
	  .help = "time between steps" },
	{ "simulator.start_delay", &duration, .max = 3600000, .preset = "\"2s\"", PLANT(simulator.start_delay_ms),
	  .help = "before the first step, on a fresh image only" },
	{ "simulator.seed", &number, .max = INT64_MAX, .preset = "0", PLANT(simulator.seed),
	  .help = "of all random streams; 0: the system's choice, logged at start" },
	{ "simulator.source", &ascii, .min = 1, SOURCE, .preset = "\"simulatord\"", PLANT(simulator.source),
	  .help = "as which producer the simulator publishes" },

	{ "points.*.address", &address, POINT(table), .help = "table and address of the point" },
	{ "points.*.type", &type, .otherwise = "the table's: bool for coils and discrete inputs, u16 for registers", POINT(type),
	  .help = "type of the value" },
	{ "points.*.model", &model, POINT(model), .help = "what makes the value move" },
};

const struct setting_row *setting_row(size_t index)
{
	return index < sizeof rows / sizeof *rows ? &rows[index] : NULL;
}

/* ---- reading by the table ------------------------------------------------------------------------------------------------ */

void setting_expected(const struct setting_row *row, char *to, size_t size)
{
	char low[FORMAT_SIZE], high[FORMAT_SIZE];
	if (!row->kind->format) {
		snprintf(to, size, "%s", row->kind->expected);
		return;
	}
	row->kind->format(row->min, low);
	row->kind->format(row->max, high);
	snprintf(to, size, "%s %s..%s%s%s", row->kind->expected, low, high, row->unit ? " " : "", row->unit ? row->unit : "");
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

static int read_value(const struct source *source, const struct setting_row *row, const config_setting_t *setting,
		      const config_setting_t *value, const char *path, void *base)
{
	struct reading reading = {
		row, value, config_setting_type(value) == CONFIG_TYPE_STRING ? config_setting_get_string(value) : NULL,
		base, (char *)base + row->at, "",
	};
	if (row->kind->read(&reading))
		return 0;
	char expected[256], shown[96];
	if (reading.why[0])
		return source_fail(source, setting, "%s: %s", path, reading.why);
	setting_expected(row, expected, sizeof expected);
	show_value(value, shown, sizeof shown);
	return source_fail(source, setting, "%s: %s, expected %s%s", path, shown, row->list ? "a list of " : "", expected);
}

/* An element's own line is where libconfig looked ahead to, so errors are said at the line of its setting. */
static int read_setting(const struct source *source, const struct setting_row *row, const config_setting_t *setting,
			const char *path, void *base)
{
	if (!row->list || !(config_setting_is_array(setting) || config_setting_is_list(setting)))
		return read_value(source, row, setting, setting, path, base);
	for (int i = 0; i < config_setting_length(setting); i++) {
		int rc = read_value(source, row, setting, config_setting_get_elem(setting, (unsigned)i), path, base);
		if (rc)
			return rc;
	}
	return 0;
}

/* The default goes the way of any value: it cannot mean something that could not be written. */
static int read_preset(const struct source *source, const struct setting_row *row, const char *path, void *base)
{
	char written[PLANT_OBJECT_MAX + 32];
	config_t config;
	config_init(&config);
	snprintf(written, sizeof written, "preset = %s", row->preset);
	config_read_string(&config, written);
	const config_setting_t *setting = config_lookup(&config, "preset");
	int rc = setting ? read_setting(source, row, setting, path, base) : source_fail(source, NULL, "%s: bad default", path);
	config_destroy(&config);
	return rc;
}

int setting_read(const struct source *source, const struct setting_row *row, const config_setting_t *parent,
		 const config_setting_t *setting, const char *path, void *base)
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

int setting_read_section(const struct source *source, const char *prefix, const config_setting_t *section, const char *path,
			 void *base)
{
	size_t length = strlen(prefix);
	for (const struct setting_row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
		if (strncmp(row->path, prefix, length) != 0 || row->path[length] != '.')
			continue;
		const char *key = row->path + length + 1;
		char each_path[256];
		snprintf(each_path, sizeof each_path, "%s.%s", path, key);
		int rc = setting_read(source, row, section, config_setting_get_member(section, key), each_path, base);
		if (rc)
			return rc;
	}
	return 0;
}
