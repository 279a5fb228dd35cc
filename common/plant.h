/* The plant file: one file describes one plant; every program reads all of it and checks all of it.
 *
 * The grammar is libconfig's (comments, @include).  Every setting is one row of the table in settings.c, from which parser,
 * checks, error messages and manual come.  An unknown setting, a bad value or an overlap is "FILE:LINE: what, and what was
 * expected". */
#ifndef PLANT_H
#define PLANT_H

#include "mbshm.h"
#include "model.h"

enum {
	PLANT_ERROR_SIZE = 1024,
	PLANT_LISTEN_MAX = 16,
	PLANT_NAME_MAX = 64,	/* a point's name */
	PLANT_OBJECT_MAX = 244,	/* bytes of one identification object that still fit a response: V1.1b3 6.21 */
};

/* One address to listen on, as written and taken apart.  IPv6 in brackets: "[::1]:5020".  Port 0: the kernel's choice. */
struct plant_listen {
	char text[128];
	char host[112];
	char port[8];
};

/* Basic and regular device identification, functions 43/14 (V1.1b3 6.21).  Empty: object not offered (00..02 always are). */
struct plant_identity {
	char vendor_name[PLANT_OBJECT_MAX + 1];			/* 0x00 */
	char product_code[PLANT_OBJECT_MAX + 1];		/* 0x01 */
	char major_minor_revision[PLANT_OBJECT_MAX + 1];	/* 0x02 */
	char vendor_url[PLANT_OBJECT_MAX + 1];			/* 0x03 */
	char product_name[PLANT_OBJECT_MAX + 1];		/* 0x04 */
	char model_name[PLANT_OBJECT_MAX + 1];			/* 0x05 */
	char user_application_name[PLANT_OBJECT_MAX + 1];	/* 0x06 */
};

/* Function codes, one bit each; 43 is 43/14. */
struct function_set {
	uint64_t words[4];
};

static inline bool function_set_has(const struct function_set *set, uint8_t code)
{
	return set->words[code / 64] >> code % 64 & 1;
}

static inline void function_set_add(struct function_set *set, uint8_t code)
{
	set->words[code / 64] |= UINT64_C(1) << code % 64;
}

struct plant_server {
	unsigned listen_count;
	struct plant_listen listen[PLANT_LISTEN_MAX];
	uint32_t workers;		/* threads, 1..64; 0: one per CPU, at most 4 */
	uint32_t max_connections;	/* 1..65536 */
	struct function_set functions;	/* switched on */
	struct plant_identity identity;
};

struct plant_simulator {
	uint64_t period_ms;	/* 1..3600000 */
	uint64_t start_delay_ms;	/* 0..3600000, on a fresh image only */
	uint64_t seed;		/* of all random streams; 0: taken from the system at start and logged */
};

enum plant_type { PLANT_BOOL, PLANT_U16 };

/* A process value: where it lives and what makes it move. */
struct plant_point {
	char name[PLANT_NAME_MAX];
	enum mbshm_table table;
	uint16_t addr;
	enum plant_type type;	/* PLANT_BOOL exactly in the bit tables */
	struct model_config model;
	unsigned line;		/* in the plant file, for messages */
};

struct plant {
	char file[4096];	/* as given, or "built-in default" */
	struct mbshm_config image;
	char retain[4096];	/* what image.retain points to when it is set; relative to the plant file's folder */
	struct plant_server server;
	struct plant_simulator simulator;
	unsigned point_count;
	struct plant_point *points;	/* in the order of the file; no two overlap, all inside the declared ranges */
};

/* Read and check a plant file; path NULL is the built-in default (default.conf, embedded at build time).
 * 0 and *plant (plant_free is the caller's), or -EINVAL, -ENOENT, ... and error: PLANT_ERROR_SIZE bytes, one line. */
int plant_load(const char *path, struct plant **plant, char *error);
void plant_free(struct plant *plant);

/* "coil", "discrete", "holding", "input": the word for a table in point addresses and messages. */
const char *plant_table_word(enum mbshm_table table);

/* Parse "TABLE ADDRESS" ("holding 1000").  0 or -EINVAL. */
int plant_parse_address(const char *text, enum mbshm_table *table, uint16_t *addr);

#endif
