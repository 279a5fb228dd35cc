/* mbshm - the register image: four Modbus tables in one POSIX shared-memory segment, shared by
 * processes that may die at any moment.
 *
 * A program opens an image by name, reads it without locks, and changes it by transactions that
 * become visible as a whole.  Whatever another process does, and at whatever instruction it is
 * killed, a reader never sees a state that was not published.  docs/image.md has the argument.
 *
 * Who may run with whom
 *
 *   call                           threads of one handle        other processes   may block
 *   mbshm_open, _close             one at a time per handle     any               on files
 *   mbshm_stat, _unlink            (no handle)                  any               on files
 *   mbshm_read*, _status, _check,  any number                   any               never
 *     _layout_of, _declared,
 *     _source_get
 *   mbshm_source_touch             any number, but not while    any               never
 *                                  _source_claim runs
 *   mbshm_txn_* but _commit        one thread per transaction   any               never
 *   mbshm_txn_commit               one thread per transaction;  queue on the      up to its timeout
 *                                  commits of a handle queue    writer lock
 *   mbshm_audit, _snapshot,        queue on the writer lock     queue on the      up to its timeout
 *     _values_*, _revive,                                       writer lock
 *     _recreate, _source_claim,
 *     _source_forget
 *   mbshm_wait                     any number                   any               up to its timeout
 *   mbshm_journal_next             one thread per cursor        any               never
 *   all others                     any number                   any               never
 *
 * After fork the child's handles are dead: every call returns -EPERM, and mbshm_close frees them.
 * A child that needs the image opens it again.  (The library cannot notice a child made by a raw
 * clone(2) system call; such a child must not touch the handle.)
 *
 * Errors are returned as -errno.  The library never logs, never exits, and installs no signal
 * handler unless mbshm_guard is called: whoever may write the segment may also truncate it, and
 * then access raises SIGBUS.  It keeps no descriptor below 3, so that a process without a standard
 * output or error does not print into the image.
 *
 * Addresses are those of the wire: 0-based, 0..65535.  Registers are uint16_t in host order.  Bits
 * are packed LSB first, in the order of the Modbus wire: bit i of a buffer is
 * (buf[i / 8] >> i % 8) & 1; unused bits of the last byte read as 0 and are ignored by writes. */
#ifndef MBSHM_H
#define MBSHM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what an image is ---------------------------------------------------------------------- */

/* The four tables of the Modbus data model (Application Protocol V1.1b3, 4.3).  The numbers are
 * part of the segment's layout. */
enum mbshm_table {
	MBSHM_COILS,
	MBSHM_DISCRETE_INPUTS,
	MBSHM_HOLDING_REGISTERS,
	MBSHM_INPUT_REGISTERS,
	MBSHM_TABLES
};

enum {
	MBSHM_ITEMS = 65536,   /* per table: V1.1b3 4.4 */
	MBSHM_SPANS_MAX = 256, /* declared spans of one image, all tables together */
	MBSHM_PAGES_MAX = 272, /* pages of all four tables: 8 + 8 + 128 + 128 */
	MBSHM_POOL_MIN = 8,    /* pages of 1 KiB; the default is mbshm_pool_default() */
	MBSHM_POOL_MAX = 65535,
	MBSHM_NAME_SIZE = 256, /* "/NAME", one slash, with its NUL: shm_overview(7) */
	MBSHM_NAME_NEW = 247,  /* "/NAME" of an image that is created: "/.NAME.damaged" fits, too */
	MBSHM_WHY_SIZE = 512,  /* buffer for the reason of a failed open */
};

/* The word for a table in addresses: "coil", "discrete", "holding", "input".  NULL: no such table.
 */
const char *mbshm_table_name(enum mbshm_table table);

/* Items first .. first + count - 1 of a table. */
struct mbshm_span {
	enum mbshm_table table;
	uint32_t first; /* 0..65535 */
	uint32_t count; /* 1..65536, first + count <= 65536 */
};

/* Spans sorted by table and first that do not touch one another, as mbshm_layout_add builds them.
 */
struct mbshm_layout {
	unsigned span_count;
	struct mbshm_span spans[MBSHM_SPANS_MAX];
};

/* What to open.  The caller's; the library copies what it needs. */
struct mbshm_config {
	char name[MBSHM_NAME_SIZE]; /* "/NAME"; to create it, at most MBSHM_NAME_NEW characters */
	/* Without spans: whatever the image has; such a config cannot create one. */
	struct mbshm_layout layout;
	uint32_t pool_pages; /* 0: mbshm_pool_default() */
	mode_t mode;         /* of a new segment, whatever the umask; never writable by others */
	gid_t group;         /* of a new segment, and accepted as its owner; (gid_t)-1: none */
	/* File of saved values (mbshm_values_save) that fills a new image; NULL: none. */
	const char *retain;
};

/* Add a span and merge it with those that it touches or overlaps.
 * 0, -ERANGE (outside 0..65535), -ENOSPC (more than MBSHM_SPANS_MAX). */
int mbshm_layout_add(struct mbshm_layout *layout, enum mbshm_table table, uint32_t first,
		     uint32_t count);

/* Is every item of the span declared?  A span of no items, or outside 0..65535, is not. */
bool mbshm_layout_has(const struct mbshm_layout *layout, enum mbshm_table table, uint32_t first,
		      uint32_t count);

/* Pages of 1 KiB (512 registers or 8192 bits) that the spans touch. */
unsigned mbshm_layout_pages(const struct mbshm_layout *layout);

/* max(64, 4 x (pages + 1)).  A reader is overtaken only when writers go through the whole pool
 * while it reads. */
uint32_t mbshm_pool_default(const struct mbshm_layout *layout);

/* ---- open and close ------------------------------------------------------------------------ */

struct mbshm; /* a handle: one mapping, and for writers one writer slot */

enum {
	/* May commit.  Needs write permission, and takes one of 256 writer slots until close. */
	MBSHM_WRITE = 1,
	/* Create the image if its name is free; implies MBSHM_WRITE. */
	MBSHM_CREATE = 2,
};

/* Attach to the image of that name, or create it complete, zeroed, at version 1.  Of many creators
 * at once one wins, and the others attach to its image; nobody ever sees a half-made image.
 *
 * why: MBSHM_WHY_SIZE bytes, or NULL.  On failure it receives a sentence for people.  It also does
 * on success if the retain file was damaged: the file is then kept aside as FILE.refused, or
 * FILE.refused.1 to .9, and the image starts at zero; and if the name led to what truncation leaves
 * of an image of this user: it is kept as /.NAME.damaged, and a new image created.  Otherwise it
 * becomes empty.  A retain file that exists but cannot be read is an error.
 *
 * 0, -ENOENT (no such image, and no MBSHM_CREATE), -EINVAL (bad name, mode, pool or spans),
 * -EACCES, -EPERM (permission, owner, writable by everybody, or by a group that
 * is neither config's nor this process'), -EBADMSG (not an image, damaged, other
 * layout version or byte order), -ENXIO (spans or pool differ from the image's; why names both),
 * -ENOSPC (no room in /dev/shm), -EUSERS (no writer slot), -ENOMEM, or another error of the
 * system. */
int mbshm_open(const struct mbshm_config *config, int flags, struct mbshm **img, char *why);

/* Give back slot and mapping.  No other call on the handle may run or follow.  NULL is allowed. */
void mbshm_close(struct mbshm *img);

/* The layout of the image; valid until close. */
const struct mbshm_layout *mbshm_layout_of(const struct mbshm *img);

/* mbshm_layout_has of that layout, and faster. */
bool mbshm_declared(const struct mbshm *img, enum mbshm_table table, uint32_t first,
		    uint32_t count);

/* What the file system knows about an image, even a damaged one: owner, group, mode, size.
 * 0, -ENOENT, ... */
struct stat;
int mbshm_stat(const char *name, struct stat *st);

/* Remove the name.  Attached processes keep the image.  0, -ENOENT, -EACCES, ... */
int mbshm_unlink(const char *name);

/* Does the name still lead to this image, and is the segment whole?  A stat(2) or two; call it
 * about once a second. 0, -ESTALE (replaced by another image: open again), -ENOENT (the name is
 * gone), -EBUSY (a file that is no image of ours has the name: this image goes on), -EBADMSG
 * (another process truncated the segment, or overwrote its header, what says which page counts, or
 * that page), -EPERM (after fork). */
int mbshm_check(const struct mbshm *img);

/* From now on, when a segment that this process has mapped is truncated, its handles return -ESTALE
 * as after a replacement, and the process lives on.  Installs a handler of SIGBUS, which passes on
 * what is not its own to the handler before it; call it again when another has been installed
 * since. One thread at a time.  0 or -errno. */
int mbshm_guard(void);

/* ---- read ---------------------------------------------------------------------------------- */

/* Copy count items from addr into out, all from one version of the image.
 * Any thread; never blocks and stores nothing shared.  125 registers take tens of nanoseconds.
 * out: the caller's; registers in host order, bits packed into (count + 7) / 8 bytes.  Undefined
 * after an error.  version: set to the version that was read; may be NULL.
 * 0, -ERANGE (span not declared), -EAGAIN (overtaken 16 times), -ESTALE (image replaced), -EBADMSG
 * (segment damaged), -EPERM (after fork). */
int mbshm_read_registers(const struct mbshm *img, enum mbshm_table table, uint16_t addr,
			 uint16_t count, uint16_t *out, uint64_t *version);
int mbshm_read_bits(const struct mbshm *img, enum mbshm_table table, uint16_t addr, uint16_t count,
		    uint8_t *out, uint64_t *version);

/* A span to read.  out: as above, registers or bits by the table. */
struct mbshm_read {
	enum mbshm_table table;
	uint32_t first, count;
	void *out;
};

/* Read several spans, all from one version; count 0 reads only the version.  Errors as above. */
int mbshm_read(const struct mbshm *img, const struct mbshm_read *reads, unsigned count,
	       uint64_t *version);

/* ---- write --------------------------------------------------------------------------------- */

/* A transaction: changes are staged privately, and commit makes them visible at once.  Later ones
 * win over earlier ones.  Takes no lock before commit; reusable; bound to one image at a time. */
struct mbshm_txn;

/* words: room for so many 64-bit words (4 registers, 64 bits); more is allocated when needed.
 * NULL: out of memory. */
struct mbshm_txn *mbshm_txn_new(unsigned words);
void mbshm_txn_free(struct mbshm_txn *txn);

/* Forget what is staged and bind to img, which must stay open until the next begin. */
void mbshm_txn_begin(struct mbshm_txn *txn, struct mbshm *img);

/* A span to write or to expect.  values: as a read's out; copied by the calls below. */
struct mbshm_write {
	enum mbshm_table table;
	uint32_t first, count;
	const void *values;
};

/* Stage the spans, all of them or none.  0, -ERANGE (a span is not declared), -ENOMEM. */
int mbshm_txn_write(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count);

/* One span of registers, one of bits. */
int mbshm_txn_write_registers(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			      uint16_t count, const uint16_t *values);
int mbshm_txn_write_bits(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			 uint16_t count, const uint8_t *bits);

/* Register = (register & and_mask) | (or_mask & ~and_mask): function 22, V1.1b3 6.16. */
int mbshm_txn_mask_register(struct mbshm_txn *txn, enum mbshm_table table, uint16_t addr,
			    uint16_t and_mask, uint16_t or_mask);

/* Publish only if these spans have these values in the version that is replaced; otherwise commit
 * returns -ECANCELED and changes nothing: compare-and-set over any number of spans.  All of them
 * are staged or none.  Errors as for writing. */
int mbshm_txn_expect(struct mbshm_txn *txn, const struct mbshm_write *writes, unsigned count);

/* Record the changes that follow in the journal, as requested by origin (copied).  NULL: stop. */
struct mbshm_origin;
void mbshm_txn_journal(struct mbshm_txn *txn, const struct mbshm_origin *origin);

/* Read a span from the version that commit publishes (function 23); commit fills read->out.
 * 0, -ERANGE (span not declared), -ENOSPC (more than MBSHM_TXN_READS). */
enum { MBSHM_TXN_READS = 4 };
int mbshm_txn_read(struct mbshm_txn *txn, const struct mbshm_read *read);

/* Publish everything staged as one new version.  Waits for other writers at most timeout_us; with
 * 20 us or less it spins and never sleeps.  A stopped process that owns the writer lock makes this
 * time out; a dead owner is noticed, and its lock taken over.
 * version: set to the version that holds the change; may be NULL.
 * 0, -ETIMEDOUT (nothing changed; the staging is kept, commit may be called again), -ECANCELED (an
 * expectation failed in *version; the staging is kept), -EACCES (handle is not MBSHM_WRITE),
 * -ESTALE (image replaced), -EBADMSG (segment damaged, or mutual exclusion was broken), -EPERM
 * (after fork). */
int mbshm_txn_commit(struct mbshm_txn *txn, uint32_t timeout_us, uint64_t *version);

/* ---- look ---------------------------------------------------------------------------------- */

struct mbshm_status {
	uint64_t version; /* 1: fresh */
	int64_t wall_ns;  /* when it was published: CLOCK_REALTIME, to a clock tick (4 ms) */
	int64_t mono_ns;  /* the same on CLOCK_MONOTONIC: use it for ages; ends with the boot */
	uint64_t size_bytes;
	uint32_t pool_pages, live_pages;
	uint32_t free_pages;   /* approximate while another process commits */
	uint64_t steals;       /* writer locks taken over from dead processes, since creation */
	uint64_t retries;      /* reads of this handle that were overtaken and repeated */
	uint64_t journal_next; /* sequence number of the next journal entry */
};

/* 0 or the errors of a read. */
int mbshm_status(const struct mbshm *img, struct mbshm_status *status);

/* Check the whole structure under the writer lock: every pool page is named once, either by the
 * committed root or by the free list, and no stamp or min_valid is ahead of the version.  Needs
 * MBSHM_WRITE.  0, -EBADMSG (why says what), or the errors of commit. */
int mbshm_audit(struct mbshm *img, uint32_t timeout_us, char *why);

/* ---- journal: writes that came from outside ------------------------------------------------ */

/* Values of one entry: 123 registers or 1968 bits, the most that a request writes. */
enum { MBSHM_JOURNAL_BYTES = 246 };

enum mbshm_origin_kind { MBSHM_ORIGIN_NETWORK = 1, MBSHM_ORIGIN_LOCAL = 2 };

/* The client that wrote.  family: AF_INET (first 4 bytes of address), AF_INET6, AF_UNIX or 0.  Of a
 * local write, AF_UNIX: the first 4 bytes of address are the user id (uid_t), as the writer says.
 */
struct mbshm_origin {
	uint8_t kind; /* enum mbshm_origin_kind */
	uint8_t family;
	uint8_t unit, function; /* of the Modbus request; 0 for local writes */
	uint16_t port;
	uint8_t address[16];
};

/* One write, with all its new values.  Entry and values are published in the same version, so
 * neither is ever seen without the other. */
struct mbshm_journal_entry {
	uint64_t sequence; /* 1, 2, 3, ... without gaps */
	uint64_t version;
	int64_t wall_ns, mono_ns;
	struct mbshm_origin origin;
	enum mbshm_table table;
	uint16_t addr, count;
	uint8_t values[MBSHM_JOURNAL_BYTES + 2]; /* registers in host order, or packed bits */
};

/* Read the entry at *cursor and move *cursor to the next.  Start at 0 for the oldest entry there
 * is, at mbshm_status.journal_next for those from now on.
 * missed: set to the number of entries that were overwritten before they could be read; may be
 * NULL. 0, -EAGAIN (no entry yet, or overtaken: try later), -ESTALE, -EBADMSG, -EPERM. */
int mbshm_journal_next(const struct mbshm *img, uint64_t *cursor, struct mbshm_journal_entry *entry,
		       uint64_t *missed);

/* ---- wait for a version -------------------------------------------------------------------- */

/* Sleep until the image's version is above version, for at most timeout_ms.  A writable handle
 * sleeps on a futex that the next publish wakes; a read-only one looks each millisecond.
 * now: set to the version that ended the wait; may be NULL.  0, -ETIMEDOUT, -ESTALE, -EPERM. */
int mbshm_wait(const struct mbshm *img, uint64_t version, uint32_t timeout_ms, uint64_t *now);

/* ---- sources: named producers, and how fresh their values are ------------------------------- */

enum { MBSHM_SOURCES_MAX = 32, MBSHM_SOURCE_NAME_SIZE = 48 };

/* A named producer.  The entry outlives the process: the next one of that name continues it.  One
 * handle at a time holds it, until it claims another, is closed, or its process dies. */
struct mbshm_source {
	char name[MBSHM_SOURCE_NAME_SIZE];
	int64_t wall_ns, mono_ns; /* last commit or touch; clock tick (4 ms) */
	uint64_t version;         /* the last that it published */
	uint64_t commits;         /* in total */
};

/* Claim the entry of that name for this handle; each commit of the handle then refreshes it.  When
 * all are taken, a new name gets the entry that is longest without a sign of life, at least a
 * minute, and that nobody holds.
 * 0, -EINVAL (name empty, too long, or with control characters), -EBUSY (another handle holds it),
 * -ENOSPC (all taken), or the errors of commit. */
int mbshm_source_claim(struct mbshm *img, const char *name, uint32_t timeout_us);

/* Free the entry of that name.  0, -ENOENT, -EINVAL, -EBUSY (another handle holds it), or the
 * errors of commit. */
int mbshm_source_forget(struct mbshm *img, const char *name, uint32_t timeout_us);

/* Show that the producer lives, with nothing new: refresh the time without publishing. */
void mbshm_source_touch(struct mbshm *img);

/* index: below MBSHM_SOURCES_MAX.  0, -ENOENT (entry unused), -ERANGE (index), -EBADMSG (being
 * claimed, or damaged), -EPERM (after fork). */
int mbshm_source_get(const struct mbshm *img, unsigned index, struct mbshm_source *source);

/* ---- the whole image ----------------------------------------------------------------------- */

/* mbshm_read, even beside writers so fast that it would give up: then, if the handle is
 * MBSHM_WRITE, under the writer lock.  Errors of mbshm_read and commit. */
int mbshm_snapshot(struct mbshm *img, const struct mbshm_read *reads, unsigned count,
		   uint32_t timeout_us, uint64_t *version);

/* Write all values to a file, completely or not at all (new file, fsync, rename, fsync of the
 * folder).  The file has the owner, group and mode of the one it replaces, or of the image; but
 * then only its owner can write it.  A symbolic link stays one: its target is replaced.
 * Its temporary name is FILE.new; while it has that, the folder is locked (flock(2)), so one
 * process saves at a time, and the next removes what a killed one left.  Whoever can read the
 * folder can keep others from saving: they give up after 30 s (-ETIMEDOUT).
 * version: set to the version saved; may be NULL.  0, -EINVAL (path leads to no regular file), or
 * another -errno; and why. */
int mbshm_values_save(struct mbshm *img, const char *path, uint32_t timeout_us, uint64_t *version,
		      char *why);

/* Publish all values of such a file as one version, and record them in the journal as written by
 * origin (copied); NULL: do not.  Of a large image that is more than the journal holds: then the
 * last are there, and older entries are gone.
 * 0, or why and -ENXIO (its layout is not the image's; why names both), -EBADMSG (damaged), or the
 * errors of commit and of the file system. */
int mbshm_values_restore(struct mbshm *img, const char *path, const struct mbshm_origin *origin,
			 uint32_t timeout_us, char *why);

/* Replace the image by one with config's layout, which keeps the values of every address that is in
 * both, the journal and the sources.  Only the owner and root may; the owner stays the same.
 * Attached processes get -ESTALE and must open again.  If the caller is killed at any point,
 * exactly one of the two images has the name.  0, or why and -ENOENT, -EPERM, -ETIMEDOUT, ... */
int mbshm_recreate(const struct mbshm_config *config, uint32_t timeout_us, char *why);

/* Copy all values, if there is a new version, into memory of this process, for mbshm_revive.
 * One thread, which also calls mbshm_revive.  0, -ENOMEM, or the errors of a read. */
int mbshm_keep(struct mbshm *img);

/* After the name was removed, or the segment damaged (mbshm_check: -ENOENT, -EBADMSG): create a new
 * image under the name, and retire this one.  It has the values of this one; if they cannot be read
 * any more, those of the last mbshm_keep.  0, -EEXIST or -ESTALE (another process was faster),
 * -EBADMSG (nothing can be saved): in all four cases open again.  After other errors try again
 * later. */
int mbshm_revive(struct mbshm *img, const struct mbshm_config *config, uint32_t timeout_us,
		 char *why);

/* ---- typed values in registers ------------------------------------------------------------- */

enum mbshm_type {
	MBSHM_U16,
	MBSHM_I16,
	MBSHM_U32,
	MBSHM_I32,
	MBSHM_U64,
	MBSHM_I64,
	MBSHM_F32,
	MBSHM_F64,
	MBSHM_BOOL, /* a bit; in a register 0 or 1, and any other value reads as 1 */
	MBSHM_TYPES
};

/* How the bytes A (most significant) B C D of a 32-bit value are ordered in two registers; 64-bit
 * values likewise.  The first is the order of Modbus. */
enum mbshm_order {
	MBSHM_ABCD, /* high word first */
	MBSHM_CDAB, /* low word first */
	MBSHM_BADC, /* high word first, bytes of each word swapped */
	MBSHM_DCBA, /* low word first, bytes swapped */
	MBSHM_ORDERS
};

/* i64 for the signed types, u64 for the unsigned and bool, f64 for both floats. */
union mbshm_value {
	uint64_t u64;
	int64_t i64;
	double f64;
};

/* Registers of a type: 1, 2 or 4. */
unsigned mbshm_type_registers(enum mbshm_type type);

/* "u16", "i16", ... "bool"; "ABCD", ... */
const char *mbshm_type_name(enum mbshm_type type);
const char *mbshm_order_name(enum mbshm_order order);

/* To and from registers (host order, as the image holds them).  Encoding truncates to the type's
 * width. */
void mbshm_encode(enum mbshm_type type, enum mbshm_order order, union mbshm_value value,
		  uint16_t *registers);
union mbshm_value mbshm_decode(enum mbshm_type type, enum mbshm_order order,
			       const uint16_t *registers);

#ifdef __cplusplus
}
#endif
#endif
