/* Host and port out of a word or a listener. */
#include "mbclient/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool valid_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long port = digits <= 5 && text[digits] == '\0' ? atol(text) : 0;
	return port >= 1 && port <= 65535;
}

const char *target_parse(const char *text, const char *default_port, struct target *target)
{
	const char *host = text, *after;
	if (*text == '[') {
		host = text + 1;
		after = strchr(host, ']');
		if (!after || (after[1] != ':' && after[1] != '\0'))
			return "HOST[:PORT], an IPv6 address with a port as [ADDRESS]:PORT";
	} else {
		after = strchr(text, ':');
		/* No colon, or those of a bare IPv6 address. */
		if (!after || strchr(after + 1, ':'))
			after = text + strlen(text);
	}
	const char *port = *text == '[' ? after + 1 : after;
	size_t length = (size_t)(after - host);
	if (length == 0 || length >= sizeof target->host)
		return "HOST[:PORT] with a host of 1 to 255 characters";
	port = *port == ':' ? port + 1 : default_port;
	if (!valid_port(port))
		return "HOST:PORT with a port 1..65535";
	snprintf(target->host, sizeof target->host, "%.*s", (int)length, host);
	snprintf(target->port, sizeof target->port, "%s", port);
	return NULL;
}

void target_from_listen(const struct plant_listen *listen, struct target *target)
{
	const char *host = listen->host;
	if (!strcmp(host, "0.0.0.0") || !*host)
		host = "127.0.0.1";
	else if (!strcmp(host, "::"))
		host = "::1";
	snprintf(target->host, sizeof target->host, "%s", host);
	snprintf(target->port, sizeof target->port, "%s", listen->port);
}
