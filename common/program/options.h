/* Command lines.  Every program takes --plant FILE, --check, --help, --version, and the rows of a
 * table of its own, from which parsing and --help both come.  A wrong word is said with what was
 * expected and ends the program with status 2. */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include "plant/plant.h"

/* One option of a program.  Long options only; value NULL: a flag. */
struct option_row {
	const char *name;  /* "display" for --display */
	const char *value; /* "SECONDS": the word in --help; NULL for a flag */
	const char *help;  /* one line */
	/* Called when the option is seen; arg is NULL for a flag.  Returns NULL, or what was
	 * expected ("a number 1..100"). */
	const char *(*set)(void *context, const char *arg);
};

struct program {
	const char *name;              /* "simulatord" */
	const char *summary;           /* one line for --help */
	const struct option_row *rows; /* ends with a row whose name is NULL; may be NULL */
	const char *operands; /* "HOST[:PORT]": as many as there are words, any number with "...";
				 NULL: none */
	void (*help)(void);   /* prints more for --help; NULL: nothing */
	void *context;        /* for set */
};

/* Parse argv (calls log_open first), answer --help and --version, load the plant and answer --check
 * ("ok").  Options and operands may be mixed (argv is reordered); a negative number is an operand,
 * and so is all after "--".  Returns the checked plant, the program's for its lifetime; *operand:
 * the index of the first operand in argv, argc when there is none.  Exits when it answered (0) or
 * on an error (2). */
struct plant *options_parse(const struct program *program, int argc, char **argv, int *operand);

/* The --plant argument as given, NULL for the default: what a reload reads again. */
const char *options_plant_path(void);

#endif
