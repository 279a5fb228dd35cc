/* Prints the table of settings, for the test of the manual: path, what a value must be, its
 * default, tab between them; without a default it is required.  Then the models: their usage alone.
 */
#include "plant/settings.h"

#include "model/model.h"

#include <stdio.h>

int main(void)
{
	const struct setting_row *row;
	char expected[256];
	for (size_t i = 0; (row = setting_row(i)) != NULL; i++) {
		setting_expected(row, expected, sizeof expected);
		const char *preset = row->preset != NULL ? row->preset : row->otherwise;
		printf("%s\t%s%s\t%s\n", row->path, row->list ? "list of " : "", expected,
		       preset != NULL ? preset : "");
	}
	for (size_t i = 0; model_usage(i) != NULL; i++)
		printf("%s\n", model_usage(i));
	return 0;
}
