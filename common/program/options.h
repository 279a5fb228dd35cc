/* Command lines.  Every program takes --plant FILE, --check, --help, --version, and the rows of its
 * own table, from which parsing and --help both come.  For a wrong word the program logs what was
 * expected, and exits with status 2. */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include "plant/plant.h"

/* One option of a program.  Long options only; value NULL: a flag. */
struct option_row {
	const char *name;  /* "display" for --display */
	const char *value; /* "SECONDS": the word in --help; NULL for a flag; "ADDRESS...": the
			      option may be given more than once */
	const char *help;  /* one line */
	/* Called when the option is seen; arg is NULL for a flag.  Returns NULL, or what was
	 * expected ("a number 1..100"). */
	const char *(*set)(void *context, const char *arg);
};

struct program {
	const char *name;              /* "simulatord" */
	const char *summary;           /* one line for --help */
	const struct option_row *rows; /* ends with a row whose name is NULL; may be NULL */
	const char *operands;          /* "HOST[:PORT]", for --help; NULL: none */
	int operands_most;             /* how many there may be; -1: any number */
	void (*help)(void);            /* prints more for --help; NULL: nothing */
	void *context;                 /* for set */
	/* What set has noted of the built-in plant, NULL: nothing can be wished; and the options
	 * that do so, for messages. */
	const struct plant_wish *wish;
	const char *wish_options;
};

/* Parse argv (calls log_open first), answer --help and --version, load the plant and answer --check
 * ("ok").  Options and operands may be mixed (argv is reordered); a negative number is an operand,
 * and so is everything after "--".  *operand: the index of the first operand in argv; argc when
 * there is none.  Returns the checked plant, to be freed by the caller.  Exits after an answer
 * (status 0) and on an error (2).  At start-up, once. */
struct plant *options_parse(const struct program *program, int argc, char **argv, int *operand);

#endif
