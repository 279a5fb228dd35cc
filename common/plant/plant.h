/* The plant file: one file describes one plant; every program reads all of it and checks all of it.
 *
 * The grammar is libconfig's (comments, @include).  Every setting is one row in the file of its
 * section, from which reading, checks, messages and manual come: see settings.h.  An unknown
 * setting, a bad value or an overlap is "FILE:LINE: what, and what was expected". */
#ifndef PLANT_PLANT_H
#define PLANT_PLANT_H

#include "base/network.h"
#include "mbshm.h"
#include "modbus/pdu.h"
#include "model/model.h"

#include <time.h>

enum {
	PLANT_ERROR_SIZE = 1024,
	PLANT_LISTEN_MAX = 16,
	/* Bytes of a unix socket's path: leaves room for a temporary name in sun_path, unix(7). */
	PLANT_SOCKET_MAX = 96,
	PLANT_ACCESS_MAX = 63,   /* access rules */
	PLANT_SEAMS_MAX = 64,    /* of all tables together */
	PLANT_NAME_MAX = 64,     /* a point's name */
	PLANT_ID_MAX = 64,       /* bytes of a server's id */
	PLANT_ID_TEXT_MAX = 180, /* the rest of a response to function 17 */
};

/* One address to listen on, as written and taken apart.  IPv6 in brackets: "[::1]:5020".  Port 0:
 * the kernel's choice. "unix:/PATH": host is the path, and port is empty. */
struct plant_listen {
	char text[128];
	char host[112];
	char port[8];
};

/* Device identification, functions 43/14 (V1.1b3 6.21): the texts of objects 00..06 (empty: object
 * not offered; 00..02 always are), and private ones. */
enum { PLANT_OBJECTS = 7, PLANT_PRIVATE_FIRST = 0x80, PLANT_PRIVATE_LAST = 0xFF };
struct plant_identity {
	char objects[PLANT_OBJECTS][OBJECT_MAX + 1];
	unsigned private_count;
	struct plant_object {
		uint32_t id; /* PLANT_PRIVATE_FIRST..LAST */
		char value[OBJECT_MAX + 1];
	} * private; /* ids differ */
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

/* What function 17 tells (V1.1b3 6.13). */
struct plant_server_id {
	struct plant_bytes {
		uint32_t count;
		uint8_t bytes[PLANT_ID_MAX];
	} id;
	char text[PLANT_ID_TEXT_MAX + 1];
	/* Run status: on when this producer published within after_ms.  Empty: always on. */
	char source[MBSHM_SOURCE_NAME_SIZE];
	uint64_t after_ms;
};

/* The eight bits of function 7 (V1.1b3 6.7), the least significant first. */
struct plant_status {
	unsigned count;
	int32_t coils[8]; /* -1: always 0 */
};

/* A file of functions 20 and 21 is a range of holding registers under another name: record 0 is the
 * first. */
struct plant_file {
	uint32_t number; /* 1..65535 */
	struct mbshm_span registers;
};

/* A FIFO of function 24: the first register tells how many of those after it are queued. */
struct plant_fifo {
	struct mbshm_span registers; /* 2..1 + FIFO_VALUES */
};

/* How requests that touch the span are answered while source has not published for after_ms. */
struct plant_stale {
	struct mbshm_span span;
	char source[MBSHM_SOURCE_NAME_SIZE];
	uint64_t after_ms;
	int answer; /* an exception, or 0: the last values */
};

/* Between this item and the one before it no request may reach across, though both exist. */
struct plant_seam {
	enum mbshm_table table;
	uint32_t at;
};

struct plant;

/* A unit id and the plant it leads to. */
struct plant_unit {
	uint32_t id;         /* 0..255 */
	char file[1024];     /* as given; empty: this plant */
	struct plant *plant; /* without units of its own; NULL: this plant */
	bool shared;         /* an earlier unit has the same plant and frees it */
};

enum plant_allow { PLANT_ALLOW_ALL, PLANT_ALLOW_READ, PLANT_ALLOW_NONE };

/* What the log says of connections: each adds to the one before. */
enum plant_log { PLANT_LOG_ERRORS, PLANT_LOG_CONNECTIONS, PLANT_LOG_REQUESTS };

/* An access rule: the first that fits peer and unit counts. */
struct plant_access {
	struct network from; /* not set: everybody */
	uint64_t units[4];   /* one bit each; none: all of them */
	enum plant_allow allow;
	struct function_set functions; /* none: all of the server's */
	struct mbshm_layout writes;    /* what may be written; no span: everything */
	uint8_t refusal;               /* exception for other writes: 1 or 2 */
	bool keep; /* connections are closed neither to make room nor for being idle */
};

/* Lists are in the order of the file.  All ranges are declared ones of the image. */
struct plant_server {
	unsigned listen_count;
	struct plant_listen listen[PLANT_LISTEN_MAX];
	uint32_t workers;          /* threads, 1..64; 0: one per CPU, at most 4 */
	mode_t socket_mode;        /* of unix sockets */
	gid_t socket_group;        /* (gid_t)-1: the server's */
	uint32_t max_connections;  /* 1..65536 */
	uint32_t max_per_address;  /* 1..65536; 0: as many as there are */
	uint64_t idle_timeout_ms;  /* 0: never */
	uint64_t frame_timeout_ms; /* from the first byte of a frame to its last */
	enum plant_log log;
	struct network trace; /* whose frames are logged; not set: nobody's */
	bool read_only;
	unsigned access_count;
	struct plant_access *access;
	enum plant_allow default_access; /* of clients that no rule is about */
	struct function_set functions;   /* switched on */
	struct plant_identity identity;
	struct plant_server_id server_id;
	struct plant_status status;
	unsigned file_count, fifo_count, stale_count, seam_count, unit_count;
	struct plant_file *files;  /* numbers differ */
	struct plant_fifo *fifos;  /* do not overlap */
	struct plant_stale *stale; /* do not overlap */
	struct plant_seam seams[PLANT_SEAMS_MAX];
	struct plant_unit *units; /* ids differ */
	uint64_t own_units[4];    /* one bit each: those not in units that are this plant */
	int unknown_unit;         /* answer to other unit ids: an exception or ANSWER_SILENCE */
};

struct plant_simulator {
	uint64_t period_ms;      /* 1..3600000 */
	uint64_t start_delay_ms; /* 0..3600000, on a fresh image only */
	uint64_t seed; /* of all random streams; 0: the system's choice, logged at start */
	char source[MBSHM_SOURCE_NAME_SIZE]; /* as which producer it publishes */
};

/* A process value: where it lives and what makes it move. */
struct plant_point {
	char name[PLANT_NAME_MAX];
	enum mbshm_table table;
	uint16_t addr;
	enum mbshm_type type; /* MBSHM_BOOL in the bit tables, else MBSHM_U16 */
	struct model_config model;
	unsigned line; /* in the plant file, for messages */
};

/* What is wished of the plant without a file; all 0: default.conf as it is. */
struct plant_wish {
	uint32_t port;  /* instead of 5020; 0: that */
	uint32_t items; /* addresses 0.. of each table in an image of their own, without points */
};

struct plant {
	char file[4096];        /* as given, or "built-in default" */
	bool built_in;          /* there is no file: default.conf, embedded at build time */
	struct plant_wish wish; /* of the built-in one */
	time_t read_s;          /* when it was read, CLOCK_REALTIME */
	struct mbshm_config image;
	/* What is allowed but hardly meant: lines "FILE:LINE: ...", each with its \n.  NULL: none.
	 */
	char *remarks;
	char retain[4096]; /* image.retain points here when it is set; with the file's folder */
	struct plant_server server;
	struct plant_simulator simulator;
	unsigned point_count;
	/* In the order of the file; no two overlap, all are inside the declared ranges. */
	struct plant_point *points;
};

/* Does it declare addresses?  Else all its units are other plants, and the image's name leads to
 * none. */
static inline bool plant_has_image(const struct plant *plant)
{
	return plant->image.layout.span_count != 0;
}

#endif
