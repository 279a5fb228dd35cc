/* Lists of sections: read, and checked for items that exclude one another. */
#include "plant/lists.h"

#include <stdio.h>
#include <stdlib.h>

int list_read(const struct plant_text *text, const struct setting_section *section,
	      struct setting_list *list)
{
	const config_setting_t *setting = config_lookup(&text->config, list->path);
	unsigned count = setting ? (unsigned)config_setting_length(setting) : 0;
	if (!count)
		return 0;
	char *item = calloc(count, list->size);
	if (!item)
		return text_fail(text, setting, "out of memory");
	list->setting = setting;
	list->items = item;
	list->count = count;
	bool named = config_setting_is_group(setting);
	int rc = 0;
	for (unsigned i = 0; i < count && !rc; i++, item += list->size) {
		const config_setting_t *group = config_setting_get_elem(setting, i);
		char pattern[SETTING_PATH_SIZE], path[SETTING_PATH_SIZE];
		snprintf(pattern, sizeof pattern, "%s.%c", list->path, named ? '*' : '#');
		if (named)
			snprintf(path, sizeof path, "%s.%s", list->path,
				 config_setting_name(group));
		else
			snprintf(path, sizeof path, "%s[%u]", list->path, i);
		rc = settings_read_item(text, section, pattern, group, path, item);
	}
	return rc;
}

const config_setting_t *list_member(const struct setting_list *list, unsigned index,
				    const char *key)
{
	const config_setting_t *item = config_setting_get_elem(list->setting, index);
	const config_setting_t *member = config_setting_get_member(item, key);
	return member ? member : item;
}

int list_check_distinct(const struct plant_text *text, const struct setting_list *list,
			const char *key, size_t at)
{
	const char *items = list->items;
	for (unsigned i = 0; i < list->count; i++)
		for (unsigned k = 0; k < i; k++) {
			uint32_t number = *(const uint32_t *)(items + i * list->size + at);
			if (number != *(const uint32_t *)(items + k * list->size + at))
				continue;
			return text_fail(text, list_member(list, i, key),
					 "%s[%u].%s: %u is taken by %s[%u] (line %u), expected "
					 "another one",
					 list->path, i, key, number, list->path, k,
					 text_where(text, list_member(list, k, key)).line);
		}
	return 0;
}
