/* Fuzz target: what a client sends, against framing, functions, connection and image as the server
 * has them, compared byte for byte with the oracle: every answer, all values afterwards, the number
 * of versions published, and what is kept of the input.
 *
 * An input is three bytes of how, then the client's bytes: as they are (HOW_RAW), or as requests
 * without their header, each {bytes of the PDU, unit, PDU}, which get a right one.  The transport
 * is this file's: it hands out and takes as many bytes as the input says.  All else is the server's
 * own code.
 *
 * The answers, right ones and spoilt ones, then go through the check of a master. */
#include "base/log.h"
#include "fuzz.h"
#include "libshm/lock.h"
#include "mbserverd/connection.h"
#include "mbserverd/counters.h"
#include "mbserverd/policy.h"
#include "modbus/exception.h"
#include "modbus/function.h"
#include "modbus/mbap.h"
#include "modbus/reply.h"
#include "oracle.h"
#include "plant/load.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum {
	HOW_RAW = 1,
	HOW_BUSY = 2,     /* another writer has the lock at first */
	HOW_STOPPING = 4, /* the server stops when it has received all */
	HOW_PATIENCE =
		8, /* with HOW_BUSY: has it for longer than the server waits with the first write */
	STREAM_MAX = 8192,
	ANSWERS_MAX = STREAM_MAX / 8 * ADU_MAX,
	DETACHED_UNIT = 78,
	UNKNOWN_UNIT = 77,
	REPLY_ROOM = PDU_MAX + 256, /* for replies that are longer than they may be */
};
_Static_assert(STREAM_MAX / 8 <= SEGMENT_JOURNAL,
	       "the journal has room for all writes of an input");

/* As whom the client's writes are journalled. */
static const struct mbshm_origin peer = {
	.kind = MBSHM_ORIGIN_NETWORK,
	.family = AF_INET,
	.port = 49152,
	.address = { 192, 0, 2, 7 },
};

/* ---- the plant, for both ------------------------------------------------------------------- */

#define LONG_80 "12345678901234567890123456789012345678901234567890123456789012345678901234567890"

/* Ranges that cross pages of the image (8192 bits, 512 registers), end with the table, and hold the
 * largest request. */
static const char plant_text[] =
	"image = { name = \"/mbfuzz-%d\"  pool = 24\n"
	"  coils = [\"0-2047\", \"8180-8189 | 8190-8199\", \"65530-65535\"]\n"
	"  discrete_inputs = [\"5-2010\", \"65000\"]\n"
	"  holding_registers = [\"0-159 | 160-199\", \"500-535 | 536-540\", \"65436-65535\"]\n"
	"  input_registers = [\"3-130\", \"65500-65535\"] }\n"
	"server = { listen = [\"127.0.0.1:0\"]  identity = {\n"
	"  vendor_name = \"mbimage\"  product_code = \"FUZZ\"  major_minor_revision = \"1.0\"\n"
	"  vendor_url = \"" LONG_80 LONG_80 LONG_80 "1234\"  model_name = \"" LONG_80
	"\"  user_application_name = \"\"  objects = ( { id = 0xFF  value = \"last\" },\n"
	"    { id = 0x80  value = \"" LONG_80 LONG_80 "\" }, { id = 0x82  value = \"" LONG_80
	"\" } ) }\n"
	"  files = ( { number = 1  registers = \"0-199\" }, { number = 2  registers = \"150-199\" "
	"},\n"
	"    { number = 65535  registers = \"65436-65535\" } )\n"
	"  fifos = ( { registers = \"500-531\" }, { registers = \"534-539\" }, { registers = "
	"\"0-10\" } )\n"
	"  exception_status = [\"coil 0\", \"coil 1\", \"none\", \"coil 65535\", \"coil 8190\"]\n"
	"  access = ( { from = \"10.0.0.0/8\"  allow = \"none\" },\n" /* others */
	"    { from = \"192.0.2.0/24\"  units = [2]  allow = \"read\" }, { units = [3]  allow = "
	"\"read\"  refuse = \"01\" },\n"
	"    { units = [4]  write = [\"holding 10-19\", \"holding 500-520\", \"coil 0-7\"] },\n"
	"    { units = [5]  write = \"holding 0-99\"  refuse = \"01\"  functions = [3, 6, 21, 23] "
	"},\n"
	"    { units = [6]  allow = \"none\" } )\n"
	"  server_id = { id = [7, 255] } }\n";

static const struct oracle_range ranges[] = {
	{ ORACLE_COILS, 0, 2048, 0 },     { ORACLE_COILS, 8180, 20, 0 },
	{ ORACLE_COILS, 65530, 6, 0 },    { ORACLE_DISCRETE, 5, 2006, 0 },
	{ ORACLE_DISCRETE, 65000, 1, 0 }, { ORACLE_HOLDING, 0, 200, 0 },
	{ ORACLE_HOLDING, 500, 41, 0 },   { ORACLE_HOLDING, 65436, 100, 0 },
	{ ORACLE_INPUT, 3, 128, 0 },      { ORACLE_INPUT, 65500, 36, 0 },
};
static const struct oracle_range seams[] = {
	{ ORACLE_COILS, 8190, 0, 0 },
	{ ORACLE_HOLDING, 160, 0, 0 },
	{ ORACLE_HOLDING, 536, 0, 0 },
};
enum {
	RANGES = sizeof ranges / sizeof *ranges,
	VALUES_MAX = 256 /* registers, or sixteens of bits */
};

static const struct oracle_range files[] = {
	{ ORACLE_HOLDING, 0, 200, 1 },
	{ ORACLE_HOLDING, 150, 50, 2 },
	{ ORACLE_HOLDING, 65436, 100, 65535 },
};
static const struct oracle_range fifos[] = {
	{ ORACLE_HOLDING, 500, 31, 0 },
	{ ORACLE_HOLDING, 534, 5, 0 },
	{ ORACLE_HOLDING, 0, 10, 0 },
};

#define ALL_FUNCTIONS                                                                         \
	{                                                                                     \
		[1] = true, [2] = true, [3] = true, [4] = true, [5] = true, [6] = true,       \
		[7] = true, [8] = true, [11] = true, [12] = true, [15] = true, [16] = true,   \
		[17] = true, [20] = true, [21] = true, [22] = true, [23] = true, [24] = true, \
		[43] = true,                                                                  \
	}
static const struct oracle_range some[] = {
	{ ORACLE_HOLDING, 10, 10, 0 },
	{ ORACLE_HOLDING, 500, 21, 0 },
	{ ORACLE_COILS, 0, 8, 0 },
};
static const struct oracle_range first_ones[] = { { ORACLE_HOLDING, 0, 100, 0 } };
static const struct oracle_access rules[] = {
	{ ALL_FUNCTIONS, NULL, 0, 2 },
	{ ALL_FUNCTIONS, NULL, 0, 1 },
	{ ALL_FUNCTIONS, some, 3, 2 },
	{ { [3] = true, [6] = true, [21] = true, [23] = true }, first_ones, 1, 1 },
	{ { false }, NULL, 0, 2 },
};

static const struct oracle_config oracle_config = {
	.functions = ALL_FUNCTIONS,
	.access = { [2] = &rules[0],
		    [3] = &rules[1],
		    [4] = &rules[2],
		    [5] = &rules[3],
		    [6] = &rules[4] },
	.units = { [UNKNOWN_UNIT] = ORACLE_UNKNOWN, [DETACHED_UNIT] = ORACLE_DETACHED },
	.ranges = ranges,
	.range_count = RANGES,
	.seams = seams,
	.seam_count = sizeof seams / sizeof *seams,
	.objects = { "mbimage", "FUZZ", "1.0", LONG_80 LONG_80 LONG_80 "1234", NULL,
		     LONG_80, [0x80] = LONG_80 LONG_80, [0x82] = LONG_80, [0xFF] = "last" },
	.files = files,
	.file_count = sizeof files / sizeof *files,
	.fifos = fifos,
	.fifo_count = sizeof fifos / sizeof *fifos,
	.status = { { true, 0 }, { true, 1 }, { false, 0 }, { true, 65535 }, { true, 8190 } },
	.server_id = (const uint8_t[]){ 7, 255 },
	.server_id_bytes = 2,
	.running = true,
};

/* ---- the world ----------------------------------------------------------------------------- */

static struct oracle oracle;
static struct workspace workspace;
static struct mbshm *image, *rival; /* the server's handle, and another writer's */
static struct mbshm_txn *restore;
static bool rival_locks;

/* The client: what it sends and how, what it got. */
static struct {
	uint8_t stream[STREAM_MAX];
	size_t bytes, sent;
	uint8_t answers[ANSWERS_MAX];
	size_t answer_bytes;
	unsigned chunk, take; /* bytes of one recv and of one send; 0: all */
	bool full, short_send, stopping;
	bool patience; /* is yet to end */
} client;

static uint8_t wanted[ANSWERS_MAX];

static ssize_t client_sends(struct channel *channel, uint8_t *buffer, size_t room)
{
	(void)channel;
	size_t left = client.bytes - client.sent, count = left < room ? left : room;
	if (client.chunk != 0 && count > client.chunk)
		count = client.chunk;
	if (count == 0)
		return -EAGAIN;
	ASAN_UNPOISON_MEMORY_REGION(buffer, room);
	memcpy(buffer, client.stream + client.sent, count);
	client.sent += count;
	if (client.sent == client.bytes && client.stopping)
		workspace.stopping = true;
	ASAN_POISON_MEMORY_REGION(buffer + count,
				  room - count); /* nobody may look behind what came */
	return (ssize_t)count;
}

static ssize_t client_takes(struct channel *channel, const uint8_t *buffer, size_t bytes)
{
	(void)channel;
	size_t count = bytes;
	if (bytes == 0)
		finding("nothing sent");
	if (client.full) {
		client.short_send = true;
		return -EAGAIN;
	}
	if (client.take != 0 && count > client.take) {
		count = client.take;
		client.full = client.short_send = true;
	}
	if (client.answer_bytes + count > ANSWERS_MAX)
		finding("more answers than requests");
	memcpy(client.answers + client.answer_bytes, buffer, count);
	client.answer_bytes += count;
	return (ssize_t)count;
}

static void client_is_left(struct channel *channel)
{
	(void)channel;
}

static const struct transport to_client = {
	.receive = client_sends,
	.send = client_takes,
	.shut = client_is_left,
	.close = client_is_left,
};

/* The values of the oracle's i-th range as the image packs them. */
static void range_pack(unsigned i, uint16_t *out)
{
	const uint16_t *items = &oracle.items[ranges[i].table][ranges[i].first];
	uint8_t *bits = (uint8_t *)out;
	if (ranges[i].table >= ORACLE_HOLDING) {
		memcpy(out, items, 2 * (size_t)ranges[i].count);
		return;
	}
	for (uint32_t k = 0; k < ranges[i].count; k++)
		bits[k / 8] = (uint8_t)((k % 8 != 0 ? bits[k / 8] : 0) | items[k] << k % 8);
}

/* As the oracle is after its reset. */
static void image_restore(void)
{
	static uint16_t values[RANGES][VALUES_MAX];
	static bool packed;
	mbshm_txn_begin(restore, image);
	for (unsigned i = 0; i < RANGES; i++) {
		const struct oracle_range *range = &ranges[i];
		uint16_t first = (uint16_t)range->first, count = (uint16_t)range->count;
		if (!packed)
			range_pack(i, values[i]);
		if (range->table >= ORACLE_HOLDING)
			mbshm_txn_write_registers(restore, (enum mbshm_table)range->table, first,
						  count, values[i]);
		else
			mbshm_txn_write_bits(restore, (enum mbshm_table)range->table, first, count,
					     (uint8_t *)values[i]);
	}
	packed = true;
	int rc = mbshm_txn_commit(restore, 1000000, NULL);
	if (rc != 0)
		finding("the image cannot be restored: %s", strerror(-rc));
}

/* Rules are about what an id leads to, and here all lead to one image: give each id its own. */
static void rules_separate(struct policy *policy)
{
	const struct plant_server *server = &policy->plant->server;
	for (unsigned id = 0; id < 256; id++) {
		policy->access.by_unit[id] = 0;
		for (unsigned i = 0; i < server->access_count; i++) {
			const uint64_t *units = server->access[i].units;
			if (!(units[0] | units[1] | units[2] | units[3]) ||
			    (units[id / 64] >> id % 64 & 1))
				policy->access.by_unit[id] |= UINT64_C(1) << i;
		}
	}
}

/* The server's policy from a plant file, as the server makes it; then one unit without an image and
 * one that is not there. */
static void world_open(void)
{
	static struct device detached;
	char text[sizeof plant_text + 64], error[PLANT_ERROR_SIZE], why[MBSHM_WHY_SIZE];
	struct plant *plant;
	snprintf(text, sizeof text, plant_text, (int)getpid());
	if (plant_load(file_of(text, strlen(text)), &plant, error) != 0)
		finding("%s", error);
	struct mbshm_config config = plant->image;
	policy_open(plant);
	struct policy *policy = (struct policy *)policy_present();
	image = policy->devices[0].image;
	detached.plant = plant;
	detached.identity = policy->devices[0].identity;
	policy->units[DETACHED_UNIT] = &detached;
	policy->units[UNKNOWN_UNIT] = NULL;
	rules_separate(policy);
	if (mbshm_open(&config, MBSHM_WRITE, &rival, why) != 0)
		finding("%s", why);
	snprintf(text, sizeof text, "/dev/shm%s", config.name);
	unlink(text);

	setenv("RUNTIME_DIRECTORY", "/dev/shm", 1);
	counters_open(config.name, 1);
	snprintf(text, sizeof text, "/dev/shm/mbserverd-mbfuzz-%d.counters", (int)getpid());
	unlink(text);

	workspace.execution = (struct execution){
		.policy = policy,
		.txn = mbshm_txn_new(EXECUTE_TXN_WORDS),
		.counters = counters_block(0),
	};
	restore = mbshm_txn_new(1024);
	oracle_open(&oracle, &oracle_config);
	image_restore();
}

static uint64_t version_now(void)
{
	uint64_t version;
	int rc = mbshm_read(image, NULL, 0, &version);
	if (rc != 0)
		finding("the image cannot be read: %s", strerror(-rc));
	return version;
}

static void rival_lock(bool lock)
{
	if (lock == rival_locks)
		return;
	int rc = lock ? lock_take(rival, 1000000) : lock_release(rival);
	if (rc != 0)
		finding("the rival's lock: %s", strerror(-rc));
	rival_locks = lock;
}

/* ---- one input ----------------------------------------------------------------------------- */

/* The client's bytes out of the input. */
static void stream_make(const uint8_t *data, size_t size, bool raw)
{
	client.bytes = 0;
	if (raw) {
		client.bytes = size < STREAM_MAX ? size : STREAM_MAX;
		memcpy(client.stream, data, client.bytes);
		return;
	}
	for (unsigned n = 0; size >= 3; n++) {
		size_t pdu = data[0] < 1 ? 1 : data[0] > PDU_MAX ? PDU_MAX : data[0];
		if (pdu > size - 2)
			pdu = size - 2;
		if (client.bytes + MBAP_BYTES + pdu > STREAM_MAX)
			return;
		const uint8_t header[MBAP_BYTES] = { (uint8_t)(n >> 8),  (uint8_t)n, 0, 0, 0,
						     (uint8_t)(1 + pdu), data[1] };
		memcpy(client.stream + client.bytes, header, MBAP_BYTES);
		memcpy(client.stream + client.bytes + MBAP_BYTES, data + 2, pdu);
		client.bytes += MBAP_BYTES + pdu;
		data += 2 + pdu;
		size -= 2 + pdu;
	}
}

static size_t held_input(const struct connection *c)
{
	return c->input.bytes + c->rest_bytes;
}

/* What the worker does with a connection that the kernel reports.  false: it is over. */
static bool connection_run(struct connection *c)
{
	bool reads = true;
	enum connection_state state = CONNECTION_INPUT;
	while (state != CONNECTION_OVER && (!reads || client.sent < client.bytes)) {
		c->state = state;
		ASAN_UNPOISON_MEMORY_REGION(workspace.input, sizeof workspace.input);
		if (reads) {
			state = connection_input(&workspace, c);
		} else if (state == CONNECTION_OUTPUT) {
			client.full = false;
			/* What was held meanwhile has the time to wait again. */
			if (oracle.busy_bytes > client.sent - held_input(c))
				oracle.busy_bytes = client.sent - held_input(c);
			state = connection_output(&workspace, c);
		} else {
			if (!rival_locks)
				finding("waits for a lock that nobody has");
			if (client.patience) {
				workspace.execution.now_ms += PATIENCE_MS;
				oracle.busy_bytes = client.sent; /* they were received together */
			} else {
				rival_lock(false);
			}
			client.patience = false;
			state = connection_retry(&workspace, c);
		}
		reads = state == CONNECTION_INPUT || state == CONNECTION_REST;
		size_t held = held_input(c), most = reads ? ADU_MAX - 1 : sizeof workspace.input;
		if (held > most || c->output.bytes > (reads ? 0 : OUTPUT_BYTES) ||
		    workspace.output_bytes != 0)
			finding("holds %zu bytes of input, %zu of output in state %d", held,
				c->output.bytes, (int)state);
		if (reads && !c->shut && (held != 0) != (state == CONNECTION_REST))
			finding("state %d with %zu bytes of input", (int)state, held);
		if (workspace.held_bytes != c->input.bytes + c->output.bytes)
			finding("%zu bytes held and %zu known", c->input.bytes + c->output.bytes,
				workspace.held_bytes);
	}
	ASAN_UNPOISON_MEMORY_REGION(workspace.input, sizeof workspace.input);
	return state != CONNECTION_OVER;
}

/* Find the answer that differs, for people. */
static void answers_compare(size_t wanted_bytes, bool open)
{
	size_t got = client.answer_bytes, common = got < wanted_bytes ? got : wanted_bytes, at = 0;
	bool cut = !open && client.short_send; /* closed while the client did not take all */
	if (memcmp(client.answers, wanted, common) == 0 &&
	    (got == wanted_bytes || (cut && got < wanted_bytes)))
		return;
	while (at + 6 < common && memcmp(client.answers + at, wanted + at,
					 6u + wanted[at + 4] * 256u + wanted[at + 5]) == 0)
		at += 6u + wanted[at + 4] * 256u + wanted[at + 5];
	finding("answer at byte %zu of %zu (expected %zu)\n  stream   %s\n  answered %s\n  "
		"expected %s",
		at, got, wanted_bytes, hex(client.stream, client.bytes),
		hex(client.answers + at, got - at < ADU_MAX ? got - at : ADU_MAX),
		hex(wanted + at, wanted_bytes - at < ADU_MAX ? wanted_bytes - at : ADU_MAX));
}

/* ---- the master's half ---------------------------------------------------------------------- */

/* What a good reply gives a master lies in the reply, and is no more than was asked for. */
static void reply_values_check(const struct request *request, const struct reply *reply,
			       const uint8_t *pdu, size_t bytes)
{
	const struct function *function = request->function;
	size_t wanted_bytes = reply->data_bytes, objects = 0, at = 0;
	struct object object;
	if (!reply->data)
		return;
	if (function->max && request->read.count)
		wanted_bytes = function->table < MBSHM_HOLDING_REGISTERS
				       ? (request->read.count + 7U) / 8
				       : 2U * request->read.count;
	else if (request->pdu[0] == FC_READ_FIFO)
		wanted_bytes = reply->count <= FIFO_VALUES ? 2U * reply->count : 0;
	if (reply->data < pdu || reply->data_bytes > (size_t)(pdu + bytes - reply->data) ||
	    reply->data_bytes != wanted_bytes)
		finding("%zu bytes of values for the request %s out of the reply %s",
			reply->data_bytes, hex(request->pdu, request->bytes), hex(pdu, bytes));
	if (request->pdu[0] != FC_ENCAPSULATED)
		return;
	while (reply_object(reply, &at, &object))
		objects++;
	if (objects != reply->count || at != reply->data_bytes)
		finding("%zu objects of %u in the reply %s", objects, reply->count,
			hex(pdu, bytes));
}

/* Give a master these bytes as the reply.  They stand at the end of their memory, so that a
 * sanitizer sees a look past it. */
static enum reply_verdict reply_give(const struct request *request, const uint8_t *bytes,
				     size_t count)
{
	static uint8_t memory[REPLY_ROOM];
	uint8_t *pdu = memory + sizeof memory - count;
	struct reply reply;
	memcpy(pdu, bytes, count);
	enum reply_verdict verdict = reply_check(request, pdu, count, &reply);
	if (!reply_words(verdict))
		finding("verdict %d", (int)verdict);
	if (verdict == REPLY_OK || verdict == REPLY_VALUE)
		reply_values_check(request, &reply, pdu, count);
	return verdict;
}

/* Give a master the answer cut at some places: as it is, and with a byte count that fits. */
static void reply_cut(const struct request *request, const uint8_t *answer, size_t answer_bytes,
		      size_t noise)
{
	uint8_t pdu[PDU_MAX];
	size_t step = 1 + answer_bytes / 16;
	for (size_t cut = noise % step; cut < answer_bytes; cut += step) {
		reply_give(request, answer, cut);
		if (cut < 2)
			continue;
		memcpy(pdu, answer, cut);
		pdu[1] = (uint8_t)(cut - 2);
		reply_give(request, pdu, cut);
	}
}

/* The server's answer to a request is good for a master; so may be others, but none makes it look
 * elsewhere: the answer with a byte changed or its end moved, and the client's next request. */
static void reply_try(const uint8_t *adu, size_t bytes, const uint8_t *answer, size_t answer_bytes)
{
	uint8_t pdu[REPLY_ROOM] = { 0 };
	struct request request;
	const uint8_t *next = adu + bytes, *end = client.stream + client.sent;
	size_t left = next < end ? (size_t)(end - next) : 0, noise = left ? next[left / 2] : 0;
	if (request_decode(adu + MBAP_BYTES, bytes - MBAP_BYTES, &request))
		return;
	enum reply_verdict verdict = reply_give(&request, answer, answer_bytes);
	if (verdict != (answer[0] & EXCEPTION_FLAG ? REPLY_EXCEPTION : REPLY_OK))
		finding("a master finds the answer %s to %s %s", hex(answer, answer_bytes),
			hex(adu, bytes), reply_words(verdict));
	memcpy(pdu, answer, answer_bytes);
	pdu[noise % answer_bytes] ^= (uint8_t)(1 + noise);
	reply_give(&request, pdu, answer_bytes);
	reply_give(&request, pdu, answer_bytes + noise);
	reply_cut(&request, answer, answer_bytes, noise);
	if (left > MBAP_BYTES)
		reply_give(&request, next + MBAP_BYTES,
			   left - MBAP_BYTES < sizeof pdu ? left - MBAP_BYTES : sizeof pdu);
}

/* Go through the requests of the stream and the answers to them, which are right ones. */
static void replies_check(size_t wanted_bytes)
{
	const uint8_t *answer = wanted, *end = wanted + wanted_bytes;
	for (size_t at = 0; answer < end;) {
		struct frame frame = frame_next(client.stream + at, client.sent - at),
			     reply = frame_next(answer, (size_t)(end - answer));
		if (frame.kind == FRAME_ADU) {
			reply_try(client.stream + at, frame.bytes, answer + MBAP_BYTES,
				  reply.bytes - MBAP_BYTES);
			answer += reply.bytes;
		}
		at += frame.bytes;
	}
}

static void values_compare(void)
{
	static uint16_t got[RANGES][VALUES_MAX], packed[VALUES_MAX];
	struct mbshm_read reads[RANGES];
	for (unsigned i = 0; i < RANGES; i++)
		reads[i] = (struct mbshm_read){ (enum mbshm_table)ranges[i].table, ranges[i].first,
						ranges[i].count, got[i] };
	int rc = mbshm_read(image, reads, RANGES, NULL);
	if (rc != 0)
		finding("the image cannot be read: %s", strerror(-rc));
	for (unsigned i = 0; i < RANGES; i++) {
		size_t bytes = ranges[i].table >= ORACLE_HOLDING ? 2 * (size_t)ranges[i].count
								 : (ranges[i].count + 7) / 8,
		       at = 0;
		range_pack(i, packed);
		if (memcmp(got[i], packed, bytes) == 0)
			continue;
		while (((uint8_t *)got[i])[at] == ((uint8_t *)packed)[at])
			at++;
		finding("table %u from item %u on: byte %zu of the values is %02X, expected %02X\n "
			" stream %s",
			ranges[i].table, ranges[i].first, at, ((uint8_t *)got[i])[at],
			((uint8_t *)packed)[at], hex(client.stream, client.bytes));
	}
}

const unsigned replay_runs = 300000;

/* Every write stands in the journal, with all that was written, in order. */
static void journal_compare(uint64_t *cursor)
{
	struct mbshm_journal_entry entry;
	uint64_t missed = 0;
	for (unsigned i = 0; i < oracle.write_count; i++) {
		const struct oracle_write *write = &oracle.writes[i];
		size_t bytes =
			write->table >= ORACLE_HOLDING ? 2 * write->count : (write->count + 7) / 8;
		int rc = mbshm_journal_next(image, cursor, &entry, &missed);
		if (rc != 0 || missed != 0)
			finding("write %u is not in the journal: %s, %llu missed", i, strerror(-rc),
				(unsigned long long)missed);
		if (entry.origin.unit != write->unit || entry.origin.function != write->function ||
		    entry.origin.port != peer.port ||
		    entry.table != (enum mbshm_table)write->table || entry.addr != write->addr ||
		    entry.count != write->count || memcmp(entry.values, write->values, bytes) != 0)
			finding("the journal has function %u, unit %u, table %d, item %u, %u of "
				"them: %s; expected %u, %u, %d, %u, %u: %s\n"
				"  stream %s",
				entry.origin.function, entry.origin.unit, (int)entry.table,
				entry.addr, entry.count, hex(entry.values, bytes), write->function,
				write->unit, (int)write->table, write->addr, write->count,
				hex((const uint8_t *)write->values, bytes),
				hex(client.stream, client.bytes));
	}
	if (mbshm_journal_next(image, cursor, &entry, &missed) != -EAGAIN)
		finding("more in the journal than was written");
}

static uint64_t journal_now(void)
{
	struct mbshm_status status;
	int rc = mbshm_status(image, &status);
	if (rc != 0)
		finding("no status: %s", strerror(-rc));
	return status.journal_next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (image == NULL)
		world_open();
	if (size < 3)
		return 0;

	stream_make(data + 3, size - 3, data[0] & HOW_RAW);
	client.sent = client.answer_bytes = 0;
	client.full = client.short_send = false;
	client.chunk = data[1];
	client.take = data[2] * 4u;
	client.stopping = data[0] & HOW_STOPPING;
	client.patience = data[0] & HOW_BUSY && data[0] & HOW_PATIENCE;
	oracle.busy_bytes = 0;
	workspace.stopping = false;
	workspace.execution.now_ms = 1000;
	workspace.execution.lock_wait_us = 0;

	uint64_t version = version_now(), cursor = journal_now();
	for (unsigned sub = DIAGNOSTIC_FIRST_COUNTER; sub <= DIAGNOSTIC_LAST_COUNTER; sub++)
		diagnostics_clear(sub);
	oracle.counters[0] = (uint16_t)-1; /* a request that clears is not counted itself */
	struct connection *c = connection_new(-1, &peer, NULL);
	c->channel.transport = &to_client;
	c->client.rules =
		access_rules(&workspace.execution.policy->access, peer.family, peer.address);
	rival_lock(data[0] & HOW_BUSY);
	bool open = connection_run(c);
	rival_lock(false);

	size_t wanted_bytes, left;
	if (open !=
	    oracle_stream(&oracle, client.stream, client.sent, wanted, &wanted_bytes, &left))
		finding("%s\n  stream %s", open ? "left open" : "closed",
			hex(client.stream, client.sent));
	answers_compare(wanted_bytes, open);
	replies_check(wanted_bytes);
	if (open && (held_input(c) != left || client.sent != client.bytes))
		finding("keeps %zu bytes of input, expected %zu", held_input(c), left);
	connection_close(&workspace, c);
	free(c);

	if (version_now() != version + oracle.requests)
		finding("%llu versions for %u writes",
			(unsigned long long)(version_now() - version), oracle.requests);
	bool wrote = oracle.requests != 0;
	journal_compare(&cursor);
	if (wrote)
		values_compare();
	oracle_reset(&oracle); /* a new connection, too */
	if (wrote)
		image_restore();
	return 0;
}
