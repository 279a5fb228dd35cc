#include "plant/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- access rules -------------------------------------------------------------------------- */

/* An empty list could be meant to allow nothing, or to say nothing: neither is done. */
static int check_empty(const struct source *source, const config_setting_t *section,
		       const char *path, const char *key, const char *instead)
{
	const config_setting_t *list = config_setting_get_member(section, key);
	if (!list || config_setting_is_scalar(list) || config_setting_length(list) > 0)
		return 0;
	return source_fail(source, list, "%s.%s: an empty list, expected at least one, or %s", path,
			   key, instead);
}

static int read_rule(const struct source *source, const config_setting_t *section, int index,
		     struct plant_access *rule)
{
	char path[64];
	snprintf(path, sizeof path, "server.access[%d]", index);
	int rc = setting_read_section(source, "server.access.#", section, path, rule);
	rc = rc ? rc
		: check_empty(source, section, path, "units", "no such setting for every unit");
	rc = rc ? rc : check_empty(source, section, path, "functions", "allow = \"none\"");
	return rc ? rc : check_empty(source, section, path, "write", "allow = \"read\"");
}

int rules_read(const struct source *source, struct plant_server *server)
{
	const config_setting_t *list = config_lookup(&source->config, "server.access");
	int count = list ? config_setting_length(list) : 0, rc = 0;
	if (count > PLANT_ACCESS_MAX)
		return source_fail(source, list, "server.access: %d rules, expected at most %d",
				   count, PLANT_ACCESS_MAX);
	if (count == 0)
		return 0;
	server->access = calloc((size_t)count, sizeof *server->access);
	if (!server->access)
		return source_fail(source, list, "out of memory");
	server->access_count = (unsigned)count;
	for (int i = 0; i < count && !rc; i++)
		rc = read_rule(source, config_setting_get_elem(list, (unsigned)i), i,
			       &server->access[i]);
	return rc;
}
