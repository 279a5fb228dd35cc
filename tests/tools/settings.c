/* Prints the table of settings, for the test of the manual: path, what a value must be, its default, tab between them; a default in
 * words is in parentheses, none means that the setting is required. */
#include "settings.h"

#include <stdio.h>

int main(void)
{
	const struct setting_row *row;
	char expected[256];
	for (size_t i = 0; (row = setting_row(i)) != NULL; i++) {
		setting_expected(row, expected, sizeof expected);
		printf("%s\t%s%s\t%s%s%s\n", row->path, row->list ? "list of " : "", expected, row->preset || !row->otherwise ? "" : "(",
		       row->preset ? row->preset : row->otherwise ? row->otherwise : "", row->preset || !row->otherwise ? "" : ")");
	}
	return 0;
}
