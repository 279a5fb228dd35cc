/* What the server counts: one block for each thread, written by that thread alone with plain
 * stores, in a file that any process may map or read meanwhile at no cost to the server.
 *
 *   call                              thread
 *   counters_add, counters_bucket     the block's own thread
 *   counters_sum                      any thread
 *   counters_open, _close, _block     the main thread, before workers start and after they end
 *
 * The file is RUNTIME/mbserverd-IMAGE.counters, RUNTIME the first of $RUNTIME_DIRECTORY (set by
 * systemd), /run/mbimage (for reading only), $XDG_RUNTIME_DIR/mbimage, /tmp/mbimage-UID.  Its
 * server holds a lock on it as long as it runs, and removes it when it stops in order. */
#ifndef MBSERVERD_COUNTERS_H
#define MBSERVERD_COUNTERS_H

#include "mbserverd/strays.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	COUNTERS_FUNCTIONS = 128,
	COUNTERS_EXCEPTIONS = 16,
	COUNTERS_UNITS = 256,
	COUNTERS_BUCKETS = 40
};

/* Everything that is counted: ONE(name, text) or MANY(name, how many, key, text), key being what
 * index i stands for.  Struct, text and JSON come from this list. */
#define COUNTERS(ONE, MANY)                                                               \
	ONE(opened, "connections opened")                                                 \
	ONE(ended, "connections ended, for whatever reason")                              \
	ONE(refused, "connections refused by an access rule")                             \
	ONE(limited, "connections refused: too many from one address")                    \
	ONE(crowded, "connections refused: all are taken and none may be evicted")        \
	ONE(evicted, "connections closed to make room for others")                        \
	ONE(idle, "connections closed after idle_timeout")                                \
	ONE(late, "connections closed: a frame was not complete within frame_timeout")    \
	ONE(stalled, "connections closed: their unread answers took too much memory")     \
	ONE(broken, "connections closed: what they sent was not Modbus")                  \
	ONE(lost, "connections ended by an error of the network")                         \
	ONE(bytes_in, "bytes received")                                                   \
	ONE(bytes_out, "bytes sent")                                                      \
	ONE(foreign, "frames of another protocol, skipped")                               \
	ONE(requests, "requests")                                                         \
	ONE(silent, "requests left without an answer")                                    \
	ONE(exceptions, "exceptions answered")                                            \
	ONE(refused_writes, "writes refused by an access rule")                           \
	ONE(undeclared, "requests outside the declared ranges")                           \
	MANY(functions, COUNTERS_FUNCTIONS, COUNTERS_NUMBER, "requests by function code") \
	MANY(exception_codes, COUNTERS_EXCEPTIONS, COUNTERS_NUMBER, "exceptions by code") \
	MANY(unknown_units, COUNTERS_UNITS, COUNTERS_NUMBER,                              \
	     "requests for a unit that is not served, by unit id")                        \
	MANY(latency_ns, COUNTERS_BUCKETS, COUNTERS_BELOW,                                \
	     "requests answered, sent and all, in less than so many ns after they were noticed")

enum counters_key {
	COUNTERS_NUMBER, /* i */
	COUNTERS_BELOW,  /* what is below 2^(i + 1) and not below 2^i */
};

#define COUNTERS_ONE(name, text)              _Atomic uint64_t name;
#define COUNTERS_MANY(name, count, key, text) _Atomic uint64_t name[count];

/* One thread's; it shares no cache line with another's. */
struct counters {
	alignas(64)
		COUNTERS(COUNTERS_ONE, COUNTERS_MANY) struct strays strays; /* after the counters */
};

#undef COUNTERS_ONE
#undef COUNTERS_MANY

/* Only the block's thread writes, so nothing is locked: a plain load, add and store.  Relaxed,
 * since a count orders nothing. */
static inline void counters_add(_Atomic uint64_t *counter, uint64_t count)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count,
			      memory_order_relaxed);
}

/* The bucket of latency_ns for ns. */
static inline unsigned counters_bucket(uint64_t ns)
{
	unsigned bucket = 63 - (unsigned)__builtin_clzll(ns | 1);
	return bucket < COUNTERS_BUCKETS ? bucket : COUNTERS_BUCKETS - 1;
}

/* The file. */
struct counters_file {
	char magic[8];
	char version[24]; /* of the program, which decides what the blocks mean */
	uint32_t block_bytes, blocks;
	int64_t start_ns; /* CLOCK_REALTIME */
	int64_t pid;
	char image[256];
	struct counters counters[];
};
#define COUNTERS_MAGIC "mbcount1"
enum { COUNTERS_BLOCKS_MAX = 65, COUNTERS_PATH_SIZE = 4096 };

/* Where the file of that image would be: in the folder of rank 0, 1, ...  path: COUNTERS_PATH_SIZE
 * bytes, "" when there is no folder of that rank.  false: no more ranks. */
bool counters_path(unsigned rank, const char *image, char *path);

/* Does a running server hold the open file? */
bool counters_held(int fd);

/* Make the file for the server of that image, with that many blocks.  When that fails, or another
 * server of the image has it, a warning is logged and the counters are private to the process.
 * Dies when there is no memory. */
void counters_open(const char *image, unsigned blocks);
void counters_close(void);

/* 0 is the main thread's, 1.. the workers'. */
struct counters *counters_block(unsigned index);

/* All threads' counts of the counter at that offset of struct counters. */
uint64_t counters_sum(size_t offset);
#define COUNTERS_SUM(name) counters_sum(offsetof(struct counters, name))

#endif
