/* Inside of mbshm, the image's command-line tool: one function per subcommand, and what they share.
 *
 * A subcommand returns 0 (done) or 1 (refused or failed, and said so); die() ends it at once with 1
 * or, for a wrong word, 2.  One thread. */
#ifndef MBSHM_TOOL_H
#define MBSHM_TOOL_H

#include "base/log.h"
#include "base/output.h"
#include "plant/plant.h"
#include "point/address.h"
#include "point/value.h"

enum { TOOL_TIMEOUT_US = 1000000, EXPECT_MAX = 64 };

/* The options, in the order of the table in main.c; a subcommand takes a set of them. */
enum option {
	OPTION_TYPE,
	OPTION_ORDER,
	OPTION_COUNT,
	OPTION_FORMAT,
	OPTION_EXPECT,
	OPTION_FOLLOW,
	OPTION_INTERVAL,
	OPTIONS
};

struct tool {
	struct plant *plant;
	unsigned given;       /* 1 << enum option of those on the command line */
	enum mbshm_type type; /* with OPTION_TYPE */
	enum mbshm_order order;
	uint32_t count; /* 0: not given */
	enum format format;
	uint32_t interval_s;
	unsigned expect_count;
	const char *expect[EXPECT_MAX]; /* as given */
};

int run_info(struct tool *tool, int argc, char **argv);
int run_get(struct tool *tool, int argc, char **argv);
int run_set(struct tool *tool, int argc, char **argv);
int run_dump(struct tool *tool, int argc, char **argv);
int run_watch(struct tool *tool, int argc, char **argv);
int run_journal(struct tool *tool, int argc, char **argv);
int run_save(struct tool *tool, int argc, char **argv);
int run_restore(struct tool *tool, int argc, char **argv);
int run_recreate(struct tool *tool, int argc, char **argv);
int run_unlink(struct tool *tool, int argc, char **argv);
int run_retain(struct tool *tool, int argc, char **argv);

/* ---- open.c -------------------------------------------------------------------------------- */

/* The plant's image; without MBSHM_CREATE whatever layout it has.  Dies when there is none. */
struct mbshm *tool_open(const struct tool *tool, int flags);

/* Wait until the version is above version.  0; 1: the image was replaced and *img is another
 * handle, whose versions may begin anew.  Dies when the image cannot be read any more. */
int tool_wait(const struct tool *tool, struct mbshm **img, uint64_t version);

/* An error of the library in words. */
const char *tool_error(int rc);

/* ---- operand.c: operands, and the type of their values ------------------------------------- */

struct operand {
	struct mbshm_span span;
	bool range; /* written as FIRST-LAST */
};

/* Take one address, of one or two words, from the operands; dies when it is none. */
struct operand operand_take(int *argc, char ***argv);

/* Would operand_take find an address here? */
bool operand_ahead(int argc, char **argv);

/* "holding:1000-1010", or "holding:1000" for one item.  The text lives until the next call but one.
 */
const char *span_text(enum mbshm_table table, uint32_t first, uint32_t count);

/* What values of a table are: --type, or the usual one; dies when the type does not fit the table.
 */
enum mbshm_type operand_type(const struct tool *tool, enum mbshm_table table);

/* ---- view.c: spans read from one version --------------------------------------------------- */

struct view {
	unsigned count;
	struct mbshm_read reads[MBSHM_SPANS_MAX]; /* out: the view's */
	uint64_t version;
};

/* The addresses that the operands and --type name, count values from each (0: one, or a range), or
 * all that the image declares. */
void view_take(const struct tool *tool, int argc, char **argv, uint32_t count, struct view *view);
void view_whole(const struct mbshm *img, struct view *view);
/* The same spans with buffers of their own. */
void view_copy(const struct view *view, struct view *copy);
void view_free(struct view *view);

/* Dies when it cannot be read. */
void view_read(const struct tool *tool, struct mbshm *img, struct view *view);

/* Print it as records; last: only what differs from it, NULL for all.  The number of records. */
extern const struct field view_fields[];
uint32_t view_print(const struct tool *tool, struct output *output, const struct view *view,
		    const struct view *last);

#endif
