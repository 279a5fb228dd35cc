/* Lists of sections, "server.files", and sections with names, "points": each becomes one item of an
 * array. */
#ifndef PLANT_LISTS_H
#define PLANT_LISTS_H

#include "plant/settings.h"

struct setting_list {
	/* Set by the caller. */
	const char *path;
	size_t size; /* bytes of an item */
	/* Set by list_read.  items is the caller's to free, also after an error. */
	const config_setting_t *setting; /* NULL: the plant does not have the list */
	void *items;
	unsigned count;
};

/* Read all items by the rows of section, whose paths are those of the list and ".#." or ".*.".  0,
 * or -EINVAL and the text's error. */
int list_read(const struct plant_text *text, const struct setting_section *section,
	      struct setting_list *list);

/* Where the item has the setting key, or the item if it does not. */
const config_setting_t *list_member(const struct setting_list *list, unsigned index,
				    const char *key);

/* Check that no two items have the same number: a uint32_t at this place of each, read from key. */
int list_check_distinct(const struct plant_text *text, const struct setting_list *list,
			const char *key, size_t at);

#endif
