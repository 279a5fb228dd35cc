/* The section "server", as far as it is about connections. */
#include "plant/server.h"

#include "base/number.h"
#include "plant/kinds.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* ---- kinds --------------------------------------------------------------------------------- */

/* "1.2.3.4" or "[v6]", with or without a %scope.  Names are not looked up: a plant must mean the
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

static bool is_v6(const struct plant_listen *listen)
{
	return strchr(listen->host, ':');
}

/* All addresses of the machine of one family, however it is written. */
static bool is_any(const struct plant_listen *listen)
{
	static const struct in6_addr any;
	struct in6_addr address;
	if (is_v6(listen))
		return inet_pton(AF_INET6, listen->host, &address) == 1 &&
		       !memcmp(&address, &any, sizeof any);
	return !strcmp(listen->host, "0.0.0.0");
}

/* Would one of them take the other's place?  0.0.0.0 is in the way of each IPv4 address. */
static bool listens_overlap(const struct plant_listen *a, const struct plant_listen *b)
{
	if (strcmp(a->port, b->port) != 0 || !strcmp(a->port, "0"))
		return false;
	if (!strcmp(a->host, b->host))
		return true;
	return a->port[0] && is_v6(a) == is_v6(b) && (is_any(a) || is_any(b));
}

/* Does an earlier entry name what the last one names? */
static bool listens_twice(const struct plant_server *server)
{
	const struct plant_listen *last = &server->listen[server->listen_count - 1];
	for (const struct plant_listen *l = server->listen; l < last; l++)
		if (listens_overlap(l, last))
			return true;
	return false;
}

/* "ADDRESS:PORT" or "unix:/PATH" */
static bool read_place(const char *text, struct plant_listen *listen)
{
	static const char prefix[] = "unix:";
	const char *colon = strrchr(text, ':'), *p = colon ? colon + 1 : NULL;
	uint32_t port;
	if (!strncmp(text, prefix, strlen(prefix)))
		return read_socket(text + strlen(prefix), listen);
	if (!p || !number_digits(&p, 65535, &port) || *p ||
	    !read_host(text, (size_t)(colon - text), listen))
		return false;
	snprintf(listen->port, sizeof listen->port, "%u", port);
	return true;
}

static bool read_listen(struct reading *r)
{
	struct plant_server *server = kind_field(r, sizeof *server);
	if (!r->text)
		return false;
	if (server->listen_count == PLANT_LISTEN_MAX) {
		snprintf(r->why, sizeof r->why, "too many addresses, expected at most %d",
			 PLANT_LISTEN_MAX);
		return false;
	}
	struct plant_listen *listen = &server->listen[server->listen_count++];
	snprintf(listen->text, sizeof listen->text, "%s", r->text);
	if (!read_place(r->text, listen))
		return false;
	if (listens_twice(server)) {
		snprintf(r->why, sizeof r->why,
			 "listed twice, expected each address once (0.0.0.0 and [::] stand for all "
			 "of theirs)");
		return false;
	}
	return true;
}

static const struct setting_kind kind_listen = {
	.expected = "\"ADDRESS:PORT\" in digits, \"[ADDRESS]:PORT\" for IPv6, or \"unix:/PATH\"",
	.read = read_listen
};

static bool read_log(struct reading *r)
{
	static const struct choice choices[] = { { "errors", PLANT_LOG_ERRORS },
						 { "connections", PLANT_LOG_CONNECTIONS },
						 { "requests", PLANT_LOG_REQUESTS },
						 { 0 } };
	return kind_choice(r, choices);
}

static const struct setting_kind kind_log = { .expected =
						      "\"errors\", \"connections\" or \"requests\"",
					      .read = read_log };

/* ---- rows ---------------------------------------------------------------------------------- */

#define SERVER(member) FIELD(struct plant, server.member)

static const struct setting_row rows[] = {
	{ "server.listen", &kind_listen, .list = true, .preset = "[\"127.0.0.1:5020\"]",
	  FIELD(struct plant, server),
	  .help = "where clients connect; port 0: the system chooses one, see the log" },
	{ "server.workers", &kind_number, .max = 64, .unit = "threads", .preset = "0",
	  SERVER(workers), .help = "threads that serve connections; 0: one per CPU, at most 4" },
	{ "server.max_connections", &kind_number, .min = 1, .max = 65536, .unit = "connections",
	  .preset = "1024", SERVER(max_connections), .help = "clients at one time" },
	{ "server.socket_mode", &kind_mode, .preset = "\"0660\"", SERVER(socket_mode),
	  .help = "permissions of unix sockets" },
	{ "server.socket_group", &kind_group, .preset = "\"\"", SERVER(socket_group),
	  .help = "group of unix sockets; empty: the server's" },
	{ "server.max_per_address", &kind_number, .max = 65536, .unit = "connections",
	  .preset = "0", SERVER(max_per_address),
	  .help = "clients at one time from one address; 0: as many as there are" },
	{ "server.idle_timeout", &kind_duration, .max = 7 * 86400000, .preset = "\"1h\"",
	  SERVER(idle_timeout_ms),
	  .help = "connections unused for this long are closed; 0s: never" },
	{ "server.frame_timeout", &kind_duration, .min = 10, .max = 3600000, .preset = "\"10s\"",
	  SERVER(frame_timeout_ms),
	  .help = "a frame must be complete within this time from its first byte, or its "
		  "connection is closed" },
	{ "server.log", &kind_log, .preset = "\"errors\"", SERVER(log),
	  .help = "what the log says of clients: what goes wrong, also each connection, or also "
		  "each frame" },
	{ "server.trace", &kind_network, .otherwise = "nobody", SERVER(trace),
	  .help = "client or network whose frames are logged" },
	{ "server.read_only", &kind_flag, .preset = "false", SERVER(read_only),
	  .help = "refuse every write" },
};

/* ---- checks -------------------------------------------------------------------------------- */

static int server_finish(const struct plant_text *text, struct plant *plant)
{
	if (plant->server.listen_count)
		return 0;
	return text_fail(text, config_lookup(&text->config, "server.listen"),
			 "server.listen: no address, expected at least one");
}

const struct setting_section server_section = { ROWS(rows), server_finish };
