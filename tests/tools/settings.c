/* Prints the table of settings, for the test of the manual: path, what a value must be, its
 * default, with tabs between them; a setting without default is required.  Then the models: their
 * usage alone. */
#include "model/model.h"
#include "plant/sections.h"

#include <stdio.h>

int main(void)
{
	const struct setting_row *row;
	char expected[256];
	for (size_t i = 0; (row = setting_row(sections, i)); i++) {
		setting_expected(row, expected, sizeof expected);
		const char *preset = row->preset ? row->preset : row->otherwise;
		printf("%s\t%s%s\t%s\n", row->path, row->list ? "list of " : "", expected,
		       preset ? preset : "");
	}
	for (size_t i = 0; model_usage(i); i++)
		printf("%s\n", model_usage(i));
	return 0;
}
