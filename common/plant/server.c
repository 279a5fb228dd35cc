#include "plant/kinds.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ---- the server ---------------------------------------------------------------------------- */

/* "1.2.3.4" or "[v6]", without or with a %scope.  Names are not looked up: a plant must mean the
 * same everywhere. */
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
		snprintf(r->why, sizeof r->why, "too many addresses, expected at most %d",
			 PLANT_LISTEN_MAX);
		return false;
	}
	struct plant_listen *listen = &server->listen[server->listen_count++];
	const char *p = colon + 1;
	uint32_t port;
	snprintf(listen->text, sizeof listen->text, "%s", r->text);
	if (!strncmp(r->text, prefix, strlen(prefix)))
		return read_socket(r->text + strlen(prefix), listen);
	if (!value_digits(&p, 65535, &port) || *p ||
	    !read_host(r->text, (size_t)(colon - r->text), listen))
		return false;
	snprintf(listen->port, sizeof listen->port, "%u", port);
	return true;
}

static bool read_function(struct reading *r)
{
	static const uint8_t codes[] = { FUNCTIONS };
	int code = config_setting_type(r->value) == CONFIG_TYPE_INT
			   ? config_setting_get_int(r->value)
			   : -1;
	for (size_t i = 0; i < sizeof codes; i++)
		if (codes[i] == code) {
			function_set_add(r->to, codes[i]);
			return true;
		}
	return false;
}

/* ---- access -------------------------------------------------------------------------------- */

static bool read_network(struct reading *r)
{
	return r->text && network_parse(r->text, r->to, r->why) == 0;
}

/* Unit ids, as a set. */
static bool read_unit(struct reading *r)
{
	uint64_t *words = r->to;
	int id = config_setting_type(r->value) == CONFIG_TYPE_INT ? config_setting_get_int(r->value)
								  : -1;
	if (id < 0 || id > 255)
		return false;
	words[id / 64] |= UINT64_C(1) << id % 64;
	return true;
}

static bool read_allow(struct reading *r)
{
	static const char *const words[] = { "all", "read",
					     "none" }; /* in enum plant_allow's order */
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

/* ---- ranges -------------------------------------------------------------------------------- */

/* "holding 1000-1010" */
static bool parse_table_range(const char *text, struct mbshm_span *span)
{
	size_t word = text ? strcspn(text, " ") : 0;
	for (int i = 0; word && i < MBSHM_TABLES; i++) {
		span->table = (enum mbshm_table)i;
		if (!strncmp(text, plant_table_word(span->table), word) &&
		    !plant_table_word(span->table)[word])
			return value_span_parse(text + word + strspn(text + word, " "), span);
	}
	return false;
}

static bool read_range(struct reading *r)
{
	return parse_table_range(r->text, r->to);
}

static bool read_writes(struct reading *r)
{
	struct mbshm_span span;
	return parse_table_range(r->text, &span) &&
	       (span.table == MBSHM_COILS || span.table == MBSHM_HOLDING_REGISTERS) &&
	       mbshm_layout_add(r->to, span.table, span.first, span.count) == 0;
}

static bool read_registers(struct reading *r)
{
	struct mbshm_span *span = r->to;
	span->table = MBSHM_HOLDING_REGISTERS;
	return r->text && value_span_parse(r->text, span) && span->count >= r->row->min &&
	       span->count <= r->row->max;
}

/* ---- devices ------------------------------------------------------------------------------- */

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
	int number = config_setting_type(r->value) == CONFIG_TYPE_INT
			     ? config_setting_get_int(r->value)
			     : -1;
	size_t length = r->text ? strlen(r->text) : 1;
	if (!r->text && (number < 0 || number > 255))
		return false;
	if (length > r->row->max - bytes->count) {
		snprintf(r->why, sizeof r->why, "too long, expected at most %u bytes",
			 (unsigned)r->row->max);
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
	const char *word; /* NULL after the last */
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
	static const struct choice choices[] = {
		{ "0x0B", 0x0B }, { "0x0A", 0x0A }, { "silence", PLANT_SILENCE }, { 0 }
	};
	return read_choice(r, choices);
}

static bool read_answer(struct reading *r)
{
	static const struct choice choices[] = {
		{ "value", 0 }, { "04", 0x04 }, { "06", 0x06 }, { "0x0B", 0x0B }, { 0 }
	};
	return read_choice(r, choices);
}

/* ---- the kinds ----------------------------------------------------------------------------- */

const struct setting_kind kind_listener = {
	"\"ADDRESS:PORT\" in digits, \"[ADDRESS]:PORT\" for IPv6, or \"unix:/PATH\"", NULL,
	read_listen
};
const struct setting_kind kind_network = {
	"an address in digits, without or with \"/BITS\", or \"unix\"", NULL, read_network
};
const struct setting_kind kind_unit_id = { "unit ids 0..255", NULL, read_unit };
const struct setting_kind kind_allow = { "\"all\", \"read\" or \"none\"", NULL, read_allow };
const struct setting_kind kind_refusal = { "\"01\" or \"02\"", NULL, read_refusal };
const struct setting_kind kind_writes = {
	"\"TABLE FIRST-LAST\" or \"TABLE ADDRESS\", TABLE coil or holding", NULL, read_writes
};
const struct setting_kind kind_function = { "function codes out of " TEXT(FUNCTIONS), NULL,
					    read_function };
const struct setting_kind kind_range = {
	"\"TABLE FIRST-LAST\" or \"TABLE ADDRESS\", TABLE coil, discrete, holding or input", NULL,
	read_range
};
const struct setting_kind kind_registers = { "\"FIRST-LAST\" of the holding registers,",
					     value_format, read_registers };
const struct setting_kind kind_status = { "\"coil ADDRESS\" or \"none\"", NULL, read_status };
const struct setting_kind kind_bytes = { "bytes 0..255, or a text in quotes", NULL, read_bytes };
const struct setting_kind kind_unknown = { "\"0x0B\", \"0x0A\" or \"silence\"", NULL,
					   read_unknown };
const struct setting_kind kind_answer = { "\"value\", \"04\", \"06\" or \"0x0B\"", NULL,
					  read_answer };
