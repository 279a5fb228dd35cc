/* Fuzz target: any bytes as a plant file.  It is read, or refused by one line that names it; and
 * never both or neither. */
#include "fuzz.h"
#include "mbshm.h"
#include "plant/load.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* libconfig 1.5 loses a text that stands where none may: some bytes per refused file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

/* "FILE:LINE: what, and what was expected", or without LINE: one line of text. */
static void message_check(const char *path, const char *error)
{
	size_t length = strnlen(error, PLANT_ERROR_SIZE), at = strlen(path);
	if (length == PLANT_ERROR_SIZE)
		finding("the message has no end");
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)error[i] < ' ' || error[i] == 0x7f)
			finding("byte %02X in the message: %s", (unsigned char)error[i], error);
	/* else it is about an included file */
	if (strncmp(error, path, at) != 0 || error[at] != ':') {
		const char *colon = strchr(error, ':');
		at = colon ? (size_t)(colon - error) : 0;
	}
	if (at == 0)
		finding("the message does not begin with a file: %s", error);
	at++;
	if (error[at] >= '1' && error[at] <= '9')
		at += strspn(error + at, "0123456789");
	at += error[at] == ':';
	if (error[at] != ' ' || error[at + 1] == '\0')
		finding("the message says nothing: %s", error);
}

/* What every program takes for granted of a plant that was read. */
static void plant_check(const struct plant *plant)
{
	const struct mbshm_layout *layout = &plant->image.layout;
	struct mbshm_layout again = { 0 };
	if (layout->span_count == 0 || layout->span_count > MBSHM_SPANS_MAX)
		finding("%u spans", layout->span_count);
	for (unsigned i = 0; i < layout->span_count; i++)
		if (mbshm_layout_add(&again, layout->spans[i].table, layout->spans[i].first,
				     layout->spans[i].count))
			finding("span %u cannot be", i);
	if (again.span_count != layout->span_count)
		finding("spans touch one another");
	if (!memchr(plant->image.name, '\0', sizeof plant->image.name) ||
	    plant->image.name[0] != '/')
		finding("the image's name");
	if (plant->server.listen_count == 0 || plant->server.listen_count > PLANT_LISTEN_MAX)
		finding("%u addresses to listen on", plant->server.listen_count);
	for (unsigned i = 0; i < plant->point_count; i++) {
		const struct plant_point *point = &plant->points[i];
		bool inside = false;
		for (unsigned k = 0; k < layout->span_count; k++)
			if (layout->spans[k].table == point->table &&
			    layout->spans[k].first <= point->addr &&
			    point->addr < layout->spans[k].first + layout->spans[k].count)
				inside = true;
		if (!inside)
			finding("point %.64s is outside the image", point->name);
	}
}

const unsigned replay_runs = 20000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[PLANT_ERROR_SIZE] = "";
	const char *path = file_of(data, size);
	struct plant *plant = NULL;
	int rc = plant_load(path, &plant, error);
	if (!rc) {
		plant_check(plant);
		plant_free(plant);
		return 0;
	}
	if (rc > 0 || plant)
		finding("error %d: %s", rc, error);
	message_check(path, error);
	return 0;
}
