/* The oracle: a second Modbus TCP server, slow and obvious, that shares no line with mbserverd, to
 * compare its answers with.
 *
 * Written from Modbus Application Protocol V1.1b3 and the Messaging Implementation Guide V1.0b; the
 * order of checks is that of each function's flow chart.  The four tables are plain arrays of 65536
 * items. */
#ifndef TESTS_FUZZ_ORACLE_H
#define TESTS_FUZZ_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum oracle_table { ORACLE_COILS, ORACLE_DISCRETE, ORACLE_HOLDING, ORACLE_INPUT, ORACLE_TABLES };

enum { ORACLE_ADU_MAX = 260 };

enum oracle_unit { ORACLE_SERVED, ORACLE_DETACHED /* its image is not there */, ORACLE_UNKNOWN };

/* Items first .. first + count - 1 of a table; number: of a file. */
struct oracle_range {
	enum oracle_table table;
	uint32_t first, count;
	uint16_t number;
};

/* What the client may do with a unit, where that is not everything. */
struct oracle_access {
	bool functions[256];
	const struct oracle_range *writes; /* items that it may write */
	unsigned write_count;
	int refusal; /* exception for the others; 01 and no range: as if functions that write were
			switched off */
};

struct oracle_config {
	bool functions[256]; /* switched on; 43 is 43/14 */
	enum oracle_unit units[256];
	const struct oracle_access *access[256]; /* by unit; NULL: everything */
	const struct oracle_range *ranges;       /* what there is */
	unsigned range_count;
	const struct oracle_range *seams; /* no request reaches across the border before first */
	unsigned seam_count;
	const char *
		objects[256]; /* of the identification, by id; NULL: there is none.  0..2 must be */
	const struct oracle_range *files; /* record n of a file is item first + n */
	unsigned file_count;
	const struct oracle_range
		*fifos; /* at first: the count register, after it at most count values */
	unsigned fifo_count;
	struct {
		bool mapped;
		uint16_t coil;
	} status[8];              /* function 7, least significant bit first */
	const uint8_t *server_id; /* function 17 */
	size_t server_id_bytes;
	bool running;
};

enum { ORACLE_WRITES_MAX = 1024 /* of one connection */ };

/* What a request wrote: where, and the values that it left there; bits packed, registers in host
 * order. */
struct oracle_write {
	uint8_t unit, function;
	enum oracle_table table;
	uint32_t addr, count;
	uint16_t values[123];
};

struct oracle {
	struct oracle_config config;
	const struct oracle_access *access; /* of the request being answered */
	bool declared[ORACLE_TABLES][65536];
	uint16_t items[ORACLE_TABLES][65536]; /* a bit is 0 or 1 */
	uint16_t initial[ORACLE_TABLES][65536];
	size_t busy_bytes;    /* requests in the first bytes that would write are answered 06 */
	bool busy;            /* this request is one of them */
	unsigned foreign;     /* frames of another protocol on this connection */
	unsigned requests;    /* that wrote, each of which publishes once */
	unsigned write_count; /* what they wrote, in order */
	struct oracle_write writes[ORACLE_WRITES_MAX];
	/* of functions 8 (sub-functions 11..18), 11 and 12: since the reset */
	uint16_t counters[8];
	uint16_t completed;
	unsigned event_count;
	uint8_t events[65536];
};

/* The declared items start with values that tell them apart. */
void oracle_open(struct oracle *oracle, const struct oracle_config *config);

/* Back to that state, and a new connection. */
void oracle_reset(struct oracle *oracle);

/* Answer one ADU (as framed) into out, ORACLE_ADU_MAX bytes.  The bytes of the answer. */
size_t oracle_answer(struct oracle *oracle, const uint8_t *adu, size_t bytes, uint8_t *out);

/* All that a client sends on one connection: the answers, one after the other, into out.  *left:
 * the bytes at the end that are no whole frame yet.  false: the server closes the connection (then
 * left is 0). */
bool oracle_stream(struct oracle *oracle, const uint8_t *bytes, size_t count, uint8_t *out,
		   size_t *out_bytes, size_t *left);

#endif
