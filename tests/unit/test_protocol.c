/* The protocol byte for byte: framing, every function, every exception and the order in which
 * exceptions win (V1.1b3, section 6), on a real image.  PDUs are written as hex; blanks are for
 * people. */
#include "mbserverd/counters.h"
#include "mbserverd/execute.h"
#include "mbserverd/policy.h"
#include "modbus/exception.h"
#include "modbus/function.h"
#include "modbus/mbap.h"
#include "modbus/wire.h"
#include "plant/load.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

enum { LOCK_WAIT_US = 1000000 };

static struct {
	struct mbshm *image;
	struct plant plant;
	struct plant_identity texts;
	struct device unit, detached;
	struct plant switches; /* which functions are on */
	struct execution with;
	struct client client;
	char name[64], folder[32];
	struct policy policy; /* last: its array of devices stays empty */
} world = { .folder = "/tmp/mbtest-XXXXXX" };

/* ---- hex ----------------------------------------------------------------------------------- */

static size_t from_hex(const char *hex, uint8_t *bytes)
{
	size_t digits = 0;
	for (; *hex != '\0'; hex++) {
		if (*hex == ' ')
			continue;
		assert_true(isxdigit((unsigned char)*hex));
		unsigned value = isdigit((unsigned char)*hex)
					 ? (unsigned)(*hex - '0')
					 : (unsigned)(toupper(*hex) - 'A' + 10);
		bytes[digits / 2] =
			(uint8_t)(digits % 2 == 0 ? value << 4 : bytes[digits / 2] | value);
		digits++;
	}
	assert_true(digits % 2 == 0);
	return digits / 2;
}

static const char *to_hex(const uint8_t *bytes, size_t count)
{
	static char text[2 * ADU_MAX + 1];
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		sprintf(text + 2 * i, "%02X", bytes[i]);
	return text;
}

/* ---- ask the server's code ----------------------------------------------------------------- */

/* A master encodes the request like this, and takes the answer for one to it. */
static void master_agrees(const uint8_t *pdu, size_t bytes, const uint8_t *answer,
			  size_t answer_bytes)
{
	uint8_t encoded[PDU_MAX];
	struct request request;
	struct reply reply;
	if (request_decode(pdu, bytes, &request))
		return;
	assert_int_equal(request_encode(pdu[0], &request, encoded), bytes);
	assert_memory_equal(encoded, pdu, bytes);
	enum reply_verdict verdict = reply_check(&request, answer, answer_bytes, &reply);
	if (verdict != (answer[0] & EXCEPTION_FLAG ? REPLY_EXCEPTION : REPLY_OK))
		fail_msg("%s: a master finds it %s", to_hex(answer, answer_bytes),
			 reply_words(verdict));
}

/* The answer to a PDU. */
static size_t ask_bytes(uint8_t unit, const uint8_t *pdu, size_t bytes, uint8_t *answer)
{
	uint8_t *exact = malloc(bytes); /* the sanitizer sees a look past its end */
	memcpy(exact, pdu, bytes);
	int answer_bytes = execute(&world.with, &world.client, unit, exact, bytes, answer);
	assert_in_range(answer_bytes, 2, PDU_MAX);
	master_agrees(exact, bytes, answer, (size_t)answer_bytes);
	free(exact);
	return (size_t)answer_bytes;
}

static void expect(const char *request, const char *answer)
{
	uint8_t pdu[PDU_MAX + 8], wanted[PDU_MAX], got[PDU_MAX];
	size_t got_bytes = ask_bytes(0x11, pdu, from_hex(request, pdu), got);
	size_t wanted_bytes = from_hex(answer, wanted);
	if (got_bytes != wanted_bytes || memcmp(got, wanted, got_bytes) != 0)
		fail_msg("%s: answered %s, expected %s", request, to_hex(got, got_bytes), answer);
}

/* request with a body of count bytes of value behind it. */
static void expect_body(const char *request, size_t count, uint8_t value, const char *answer)
{
	char hex[4 * ADU_MAX];
	size_t used = (size_t)sprintf(hex, "%s ", request);
	for (size_t i = 0; i < count; i++)
		used += (size_t)sprintf(hex + used, "%02X", value);
	expect(hex, answer);
}

/* ---- world --------------------------------------------------------------------------------- */

static int set_up(void **state)
{
	(void)state;
	struct mbshm_config config = { .mode = 0600, .group = (gid_t)-1 };
	snprintf(world.name, sizeof world.name, "/mbtest-%d-protocol", (int)getpid());
	strcpy(config.name, world.name);
	mbshm_layout_add(&config.layout, MBSHM_COILS, 0, 100);
	mbshm_layout_add(&config.layout, MBSHM_COILS, 1000, 2000);
	mbshm_layout_add(&config.layout, MBSHM_DISCRETE_INPUTS, 0, 100);
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 1000, 200);
	mbshm_layout_add(&config.layout, MBSHM_HOLDING_REGISTERS, 65436, 100);
	mbshm_layout_add(&config.layout, MBSHM_INPUT_REGISTERS, 0, 100);
	char why[MBSHM_WHY_SIZE] = "";
	if (mbshm_open(&config, MBSHM_CREATE, &world.image, why) != 0)
		fail_msg("%s", why);
	world.unit = (struct device){ .image = world.image, .plant = &world.plant };
	world.detached = (struct device){ .plant = &world.plant };
	if (setenv("RUNTIME_DIRECTORY", mkdtemp(world.folder), 1) != 0) /* where the counters go */
		return -1;
	counters_open(world.name, 1);
	world.with = (struct execution){ &world.policy, mbshm_txn_new(EXECUTE_TXN_WORDS),
					 counters_block(0), LOCK_WAIT_US, 0 };
	for (unsigned i = 0; i < 256; i++)
		world.policy.units[i] = &world.unit;
	for (unsigned code = 0; code < 256; code++)
		if (functions[code].decode != NULL)
			function_set_add(&world.switches.server.functions, (uint8_t)code);
	access_init(&world.policy.access, &world.switches);
	world.policy.unknown_unit = MODBUS_EXCEPTION_GATEWAY_TARGET;
	world.policy.units[77] = NULL;
	world.policy.units[78] = &world.detached;
	return 0;
}

/* Registers from addr on, as hex. */
static void put_registers(uint16_t addr, const char *hex)
{
	uint8_t bytes[2 * 200];
	uint16_t values[200];
	unsigned count = (unsigned)from_hex(hex, bytes) / 2;
	registers_from_wire(values, bytes, count);
	mbshm_txn_begin(world.with.txn, world.image);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_HOLDING_REGISTERS, addr,
						   (uint16_t)count, values),
			 0);
	assert_int_equal(mbshm_txn_commit(world.with.txn, LOCK_WAIT_US, NULL), 0);
}

static uint64_t version(void)
{
	uint64_t now;
	assert_int_equal(mbshm_read(world.image, NULL, 0, &now), 0);
	return now;
}

static int tear_down(void **state)
{
	(void)state;
	mbshm_txn_free(world.with.txn);
	mbshm_close(world.image);
	shm_unlink(world.name);
	counters_close();
	return rmdir(world.folder);
}

static int fresh(void **state)
{
	(void)state;
	world.texts = (struct plant_identity){ .objects = { "Acme", "AC-1", "1.2" } };
	identity_init(&world.unit.identity, &world.texts);
	world.detached.identity = world.unit.identity;
	memset(&world.plant.server, 0, sizeof world.plant.server);
	memset(&world.client, 0, sizeof world.client);
	world.policy.unknown_unit = MODBUS_EXCEPTION_GATEWAY_TARGET;

	static const uint16_t zero[200];
	static const uint8_t none[250];
	mbshm_txn_begin(world.with.txn, world.image);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_COILS, 0, 100, none), 0);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_COILS, 1000, 2000, none), 0);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_DISCRETE_INPUTS, 0, 100, none),
			 0);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_HOLDING_REGISTERS, 1000,
						   200, zero),
			 0);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_HOLDING_REGISTERS, 65436,
						   100, zero),
			 0);
	assert_int_equal(
		mbshm_txn_write_registers(world.with.txn, MBSHM_INPUT_REGISTERS, 0, 100, zero), 0);
	return mbshm_txn_commit(world.with.txn, LOCK_WAIT_US, NULL);
}

/* What no client can write. */
static void put_inputs(void)
{
	const uint8_t bits[2] = { 0xCD, 0x02 };
	const uint16_t values[3] = { 0x022B, 0x0000, 0x0064 };
	mbshm_txn_begin(world.with.txn, world.image);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_DISCRETE_INPUTS, 19, 10, bits),
			 0);
	assert_int_equal(
		mbshm_txn_write_registers(world.with.txn, MBSHM_INPUT_REGISTERS, 8, 3, values), 0);
	assert_int_equal(mbshm_txn_commit(world.with.txn, LOCK_WAIT_US, NULL), 0);
}

/* ---- framing ------------------------------------------------------------------------------- */

static void framing(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		enum frame_kind kind;
		size_t frame_bytes;
	} cases[] = {
		{ "", FRAME_PARTIAL, 0 },
		{ "00", FRAME_PARTIAL, 0 },
		{ "0001 0000 00", FRAME_PARTIAL, 0 },
		{ "0001 0000 0006", FRAME_PARTIAL, 0 },
		{ "0001 0000 0006 11 03 0000 00", FRAME_PARTIAL, 0 },
		{ "0001 0000 0006 11 03 0000 0001", FRAME_ADU, 12 },
		{ "0001 0000 0006 11 03 0000 0001 0002 0000", FRAME_ADU, 12 },
		{ "0001 0000 0002 11 03", FRAME_ADU, 8 },
		{ "0001 0001 0002 11 03", FRAME_FOREIGN, 8 },
		{ "0001 FFFF 0006 11 03 0000 0001", FRAME_FOREIGN, 12 },
		{ "0001 0001 0006 11 03", FRAME_PARTIAL, 0 },
		{ "0001 0000 0001 11", FRAME_BROKEN, 0 },
		{ "0001 0000 0000", FRAME_BROKEN, 0 },
		{ "0001 0000 00FF", FRAME_BROKEN, 0 },
		{ "0001 0000 FFFF", FRAME_BROKEN, 0 },
		{ "0001 0001 0001", FRAME_BROKEN, 0 },
		{ "0001 0000 00FE", FRAME_PARTIAL, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t bytes[64];
		size_t count = from_hex(cases[i].bytes, bytes);
		struct frame frame = frame_next(bytes, count);
		if (frame.kind != cases[i].kind || frame.bytes != cases[i].frame_bytes)
			fail_msg("%s: kind %d, %zu bytes", cases[i].bytes, frame.kind, frame.bytes);
	}

	uint8_t longest[ADU_MAX + 1] = { 0, 1, 0, 0, 0, 254 };
	assert_int_equal(frame_next(longest, ADU_MAX - 1).kind, FRAME_PARTIAL);
	assert_int_equal(frame_next(longest, ADU_MAX).kind, FRAME_ADU);
	assert_int_equal(frame_next(longest, ADU_MAX + 1).bytes, ADU_MAX);
}

/* ---- functions ----------------------------------------------------------------------------- */

static void reads(void **state)
{
	(void)state;
	put_inputs();
	expect("02 0013 000A", "02 02 CD02");
	expect("02 0013 0001", "02 01 01");
	expect("02 0014 0004", "02 01 06"); /* padding bits are 0 though the table's are not */
	expect("04 0008 0001", "04 02 022B");
	expect("04 0008 0003", "04 06 022B 0000 0064");
	expect("01 0000 0064", "01 0D 00000000 00000000 00000000 00");
	expect("03 03E8 0002", "03 04 0000 0000");

	uint8_t answer[PDU_MAX];
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 3, 0x03, 0xE8, 0, 125 }, 5, answer), 252);
	assert_int_equal(answer[1], 250);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 1, 0x03, 0xE8, 0x07, 0xD0 }, 5, answer),
			 252);
	assert_int_equal(answer[1], 250);
}

static void reads_refused(void **state)
{
	(void)state;
	/* 03: quantity, even when the address is wrong too */
	expect("01 0000 0000", "81 03");
	expect("01 2000 0000", "81 03");
	expect("01 0000 07D1", "81 03");
	expect("01 0000 FFFF", "81 03");
	expect("02 0000 07D1", "82 03");
	expect("03 03E8 0000", "83 03");
	expect("03 03E8 007E", "83 03");
	expect("03 0000 007E", "83 03");
	expect("04 0000 007E", "84 03");
	/* 03: length */
	expect("01 0000 00", "81 03");
	expect("01", "81 03");
	expect("03", "83 03");
	expect("03 03E8 0001 00", "83 03");
	/* 02: not declared, in part, across a gap, past the end */
	expect("01 0063 0002", "81 02");
	expect("01 03E7 0001", "81 02");
	expect("01 0BB8 0001", "81 02");
	expect("02 0064 0001", "82 02");
	expect("03 03E7 0001", "83 02");
	expect("03 04AF 0002", "83 02");
	expect("03 FFFF 0002", "83 02");
	expect("03 FFFF 0001", "03 02 0000");
	expect("04 FFFF 0001", "84 02");
	expect("04 0064 0001", "84 02");
}

static void writes(void **state)
{
	(void)state;
	expect("05 0003 FF00", "05 0003 FF00");
	expect("01 0000 0008", "01 01 08");
	expect("05 0003 0000", "05 0003 0000");
	expect("01 0000 0008", "01 01 00");
	expect("06 03E9 1234", "06 03E9 1234");
	expect("06 03EA FF00", "06 03EA FF00");
	expect("03 03E8 0003", "03 06 0000 1234 FF00");
	expect("0F 0013 000A 02 CD01", "0F 0013 000A");
	expect("01 0013 000A", "01 02 CD01");
	expect("0F 0000 0003 01 FF", "0F 0000 0003"); /* the padding is not written */
	expect("01 0000 0008", "01 01 07");
	expect("10 03E8 0002 04 000A 0102", "10 03E8 0002");
	expect("03 03E8 0003", "03 06 000A 0102 FF00");
	expect("10 FFFE 0002 04 1111 2222", "10 FFFE 0002");
	expect("03 FFFE 0002", "03 04 1111 2222");
	expect_body("10 03E8 007B F6", 246, 0xA5, "10 03E8 007B");
	expect("03 0461 0003",
	       "03 06 A5A5 A5A5 0000"); /* 1121..1123: the last two of 123 and one more */
	expect_body("0F 03E8 07B0 F6", 246, 0xFF, "0F 03E8 07B0");
	expect("01 0B97 0002", "01 01 01"); /* 2967 is the last of 1968 */
}

static void writes_refused(void **state)
{
	(void)state;
	/* 5: 03 value before 02 address */
	expect("05 0003 0001", "85 03");
	expect("05 0003 FF01", "85 03");
	expect("05 0003 FFFF", "85 03");
	expect("05 0003 00FF", "85 03");
	expect("05 2000 0001", "85 03");
	expect("05 2000 FF00", "85 02");
	expect("05 0003 FF", "85 03");
	expect("05 0003 FF00 00", "85 03");
	/* 6: any value, so length only */
	expect("06 03E8 12", "86 03");
	expect("06 0000 12", "86 03");
	expect("06 03E8 1234 00", "86 03");
	expect("06 0000 1234", "86 02");
	expect("06", "86 03");
	/* 15: quantity, byte count, length before address */
	expect("0F 0000 0000 00", "8F 03");
	expect("0F 2000 0000 00", "8F 03");
	expect_body("0F 03E8 07B1 F7", 247, 0, "8F 03");
	expect("0F 0000 0008 02 0000", "8F 03");
	expect("0F 0000 0009 01 00", "8F 03");
	expect("0F 2000 0009 01 00", "8F 03");
	expect("0F 0000 0008 01", "8F 03");
	expect("0F 0000 0008 01 00 00", "8F 03");
	expect("0F 0000 0008", "8F 03");
	expect("0F 0060 0008 01 00", "8F 02");
	expect("0F FFFF 0002 01 00", "8F 02");
	/* 16: the same */
	expect("10 03E8 0000 00", "90 03");
	expect("10 0000 0000 00", "90 03");
	expect_body("10 03E8 007C F8", 246, 0, "90 03");
	expect("10 03E8 0001 01 00", "90 03");
	expect("10 03E8 0001 04 0000 0000", "90 03");
	expect("10 0000 0001 04 0000 0000", "90 03");
	expect("10 03E8 0002 04 0000 00", "90 03");
	expect("10 03E8 0001 02 0000 00", "90 03");
	expect("10 03E8 0001", "90 03");
	expect("10 04AF 0002 04 1111 2222", "90 02");
	expect("10 FFFF 0002 04 1111 2222", "90 02");
	/* nothing of all that was written */
	expect("01 0000 0064", "01 0D 00000000 00000000 00000000 00");
	expect("03 03E8 0002", "03 04 0000 0000");
	expect("03 04AF 0001", "03 02 0000");
	expect("03 FFFF 0001", "03 02 0000");
}

static void unknown_functions(void **state)
{
	(void)state;
	static const uint8_t known[] = { 1,  2,  3,  4,  5,  6,  7,  8,  11, 12,
					 15, 16, 17, 20, 21, 22, 23, 24, 43 };
	for (unsigned code = 0; code < 256; code++) {
		if (memchr(known, (int)code, sizeof known) != NULL)
			continue;
		uint8_t answer[PDU_MAX];
		const uint8_t pdu[5] = { (uint8_t)code };
		for (size_t bytes = 1; bytes <= sizeof pdu; bytes += 4) {
			assert_int_equal(ask_bytes(1, pdu, bytes, answer), 2);
			assert_int_equal(answer[0], code | 0x80);
			assert_int_equal(answer[1], 1);
		}
	}
}

static void units(void **state)
{
	(void)state;
	uint8_t answer[PDU_MAX];
	const uint8_t read[] = { 3, 0x03, 0xE8, 0, 1 }, identify[] = { 0x2B, 0x0E, 4, 0 };
	for (unsigned unit = 0; unit < 256; unit++) {
		size_t bytes = ask_bytes((uint8_t)unit, read, sizeof read, answer);
		assert_string_equal(to_hex(answer, bytes), unit == 77   ? "830B"
							   : unit == 78 ? "8304"
									: "03020000");
	}
	assert_int_equal(ask_bytes(77, (const uint8_t[]){ 0x63 }, 1, answer), 2);
	assert_int_equal(answer[1], 0x0B);
	/* Without an image the device still says who it is, and still knows what is malformed. */
	assert_int_equal(ask_bytes(78, identify, sizeof identify, answer), 7 + 2 + 4);
	assert_int_equal(ask_bytes(78, read, 4, answer), 2);
	assert_int_equal(answer[1], 0x03);
}

/* ---- 22, 23: one transaction each ---------------------------------------------------------- */

static void mask(void **state)
{
	(void)state;
	put_registers(1004, "0012");
	uint64_t before = version();
	expect("16 03EC 00F2 0025", "16 03EC 00F2 0025"); /* the specification's example: (12 AND
							     F2) OR (25 AND 0D) = 17 */
	assert_int_equal(version(), before + 1);
	expect("03 03EC 0001", "03 02 0017");
	expect("16 03EC FFFF FFFF", "16 03EC FFFF FFFF");
	expect("03 03EC 0001", "03 02 0017");
	expect("16 03EC 0000 A55A", "16 03EC 0000 A55A");
	expect("03 03EB 0003", "03 06 0000 A55A 0000");
	expect("16 FFFF 0000 0001", "16 FFFF 0000 0001");
	/* 02 address, 03 length */
	expect("16 03E7 0000 FFFF", "96 02");
	expect("16 04B0 0000 FFFF", "96 02");
	expect("16 03EC 0000 FF", "96 03");
	expect("16 03EC 0000 FFFF 00", "96 03");
	expect("16 0000 0000", "96 03");
	expect("16", "96 03");
	expect("03 03EC 0001", "03 02 A55A");
}

static void read_write(void **state)
{
	(void)state;
	put_registers(1000, "0001 0002 0003 0004 0005");
	uint64_t before = version();
	/* the write comes first: what is read is what has been written */
	expect("17 03E8 0004 03E9 0002 04 1111 2222", "17 08 0001 1111 2222 0004");
	assert_int_equal(version(), before + 1);
	expect("17 03E8 0001 FFFF 0001 02 3333", "17 02 0001");
	expect("03 FFFF 0001", "03 02 3333");

	uint8_t answer[PDU_MAX],
		all[10 + 242] = { 0x17, 0x03, 0xE8, 0, 125, 0x03, 0xE8, 0, 121, 242 };
	memset(all + 10, 0x5A, 242);
	assert_int_equal(ask_bytes(1, all, sizeof all, answer), 252); /* the most of both */
	assert_int_equal(answer[1], 250);
	for (unsigned i = 0; i < 125; i++)
		assert_int_equal(wire_get16(answer + 2 + 2 * i), i < 121 ? 0x5A5A : 0);
}

static void read_write_refused(void **state)
{
	(void)state;
	uint64_t before = version();
	/* 03: all three, before any address */
	expect("17 0000 0000 0000 0001 02 1111", "97 03");
	expect("17 0000 007E 0000 0001 02 1111", "97 03");
	expect("17 0000 0001 0000 0000 00", "97 03");
	expect_body("17 0000 0001 0000 007A F4", 243, 0, "97 03");
	expect("17 0000 0001 0000 0001 01 11", "97 03");
	expect("17 0000 0001 0000 0001 04 1111 2222", "97 03");
	expect("17 03E8 0001 03E8 0001 02 11", "97 03");
	expect("17 03E8 0001 03E8 0001 02 1111 00", "97 03");
	expect("17 03E8 0001 03E8 0001", "97 03");
	expect("17", "97 03");
	/* 02: either range, and then nothing is written */
	expect("17 03E7 0001 03E8 0001 02 1111", "97 02");
	expect("17 04AF 0002 03E8 0001 02 1111", "97 02");
	expect("17 FFFF 0002 03E8 0001 02 1111", "97 02");
	expect("17 03E8 0001 03E7 0001 02 1111", "97 02");
	expect("17 03E8 0001 04AF 0002 04 1111 2222", "97 02");
	expect("17 03E8 0001 FFFF 0002 04 1111 2222", "97 02");
	assert_int_equal(version(), before);
}

/* ---- 20, 21, 24: files and FIFOs ----------------------------------------------------------- */

static struct plant_file files[] = {
	{ 4, { MBSHM_HOLDING_REGISTERS, 1000, 100 } },
	{ 3, { MBSHM_HOLDING_REGISTERS, 65436, 100 } },
	{ 65535, { MBSHM_HOLDING_REGISTERS, 1005, 1 } }, /* another name for a part of file 4 */
};

static void use_files(void)
{
	world.plant.server.files = files;
	world.plant.server.file_count = sizeof files / sizeof *files;
}

static void read_files(void **state)
{
	(void)state;
	use_files();
	put_registers(1001, "0DFE 0020");
	put_registers(65445, "33CD 0040");
	/* the specification's example */
	expect("14 0E  06 0004 0001 0002  06 0003 0009 0002",
	       "14 0C  05 06 0DFE 0020  05 06 33CD 0040");
	expect("14 07  06 0004 0063 0001", "14 04  03 06 0000");
	expect("14 07  06 0003 0063 0001", "14 04  03 06 0000");

	uint8_t answer[PDU_MAX], many[2 + 245] = { 0x14, 245 };
	for (unsigned i = 0; i < 35; i++) /* as many groups as there may be */
		memcpy(many + 2 + 7 * i, (const uint8_t[]){ 6, 0, 4, 0, (uint8_t)i, 0, 1 }, 7);
	assert_int_equal(ask_bytes(1, many, sizeof many, answer), 2 + 35 * 4);
	assert_int_equal(wire_get16(answer + 2 + 4 + 2), 0x0DFE);
	/* 0xF5 bytes of answer fit, one register more does not */
	expect("14 0E  06 0004 0000 0064  06 0003 0000 0015", "94 03");
	assert_int_equal(ask_bytes(1,
				   (const uint8_t[]){ 0x14, 14, 6, 0, 4, 0, 0, 0, 100, 6, 0, 3, 0,
						      0, 0, 20 },
				   16, answer),
			 246);
	assert_int_equal(answer[1], 244);
}

static void read_files_refused(void **state)
{
	(void)state;
	use_files();
	/* 03: byte count, lengths; before 02 */
	expect("14", "94 03");
	expect("14 00", "94 03");
	expect("14 06  06 0004 0001 00", "94 03");
	expect("14 08  06 0004 0001 0002 00", "94 03");
	expect("14 07  06 0004 0001 00", "94 03");
	expect("14 07  06 0004 0001 0002 00", "94 03");
	expect("14 07  06 0004 0001 0000", "94 03");
	expect("14 07  07 0000 2710 0000", "94 03");
	expect("14 07  06 0004 0000 007B", "94 03");
	expect_body("14 FC", 252 - 1, 6, "94 03");
	/* 02: type, file, record, the end of the file; also of the last group */
	expect("14 07  05 0004 0001 0002", "94 02");
	expect("14 07  06 0000 0001 0002", "94 02");
	expect("14 07  06 0005 0001 0002", "94 02");
	expect("14 07  06 0004 2710 0001", "94 02");
	expect("14 07  06 0004 0064 0001", "94 02");
	expect("14 07  06 0004 0063 0002", "94 02");
	expect("14 07  06 FFFF 0001 0001", "94 02");
	expect("14 0E  06 0004 0001 0002  06 0003 0064 0001", "94 02");
}

static void write_files(void **state)
{
	(void)state;
	use_files();
	uint64_t before = version();
	/* the specification's example, and two groups at once */
	expect("15 0D  06 0004 0007 0003 06AF 04BE 100D",
	       "15 0D  06 0004 0007 0003 06AF 04BE 100D");
	expect("03 03EE 0005", "03 0A 0000 06AF 04BE 100D 0000");
	expect("15 14  06 0004 0000 0002 AAAA BBBB  06 0003 0063 0001 CCCC",
	       "15 14  06 0004 0000 0002 AAAA BBBB  06 0003 0063 0001 CCCC");
	assert_int_equal(version(), before + 2); /* one transaction each */
	expect("03 03E8 0002", "03 04 AAAA BBBB");
	expect("03 FFFF 0001", "03 02 CCCC");
	expect("15 12  06 0004 0005 0001 0001  06 FFFF 0000 0001 0002",
	       "15 12  06 0004 0005 0001 0001  06 FFFF 0000 0001 0002");
	expect("03 03ED 0001", "03 02 0002"); /* of two groups for one register the later wins */
	expect_body("15 FB  06 0004 0000 007A", 244, 0x77,
		    "95 02"); /* the longest, past the file's end */

	uint8_t answer[PDU_MAX], many[2 + 27 * 9] = { 0x15, 27 * 9 };
	for (unsigned i = 0; i < 27; i++)
		memcpy(many + 2 + 9 * i,
		       (const uint8_t[]){ 6, 0, 4, 0, (uint8_t)(3 * i), 0, 1, 0x12, (uint8_t)i },
		       9);
	assert_int_equal(ask_bytes(1, many, sizeof many, answer), sizeof many);
	assert_memory_equal(answer, many, sizeof many);
	expect("03 0436 0001", "03 02 121A");
}

static void write_files_refused(void **state)
{
	(void)state;
	use_files();
	uint64_t before = version();
	expect("15", "95 03");
	expect("15 00", "95 03");
	expect("15 08  06 0004 0001 0001 00", "95 03");
	expect("15 07  06 0004 0001 0000", "95 03");
	expect("15 09  06 0004 0001 0001 00", "95 03");
	expect("15 09  06 0004 0001 0001 0000 00", "95 03");
	expect("15 09  06 0004 0001 0002 0000", "95 03");
	expect("15 09  06 0004 0001 0000 0000", "95 03");
	expect("15 0A  06 0004 0001 0001 0000 06", "95 03");
	expect("15 09  06 0004 0001 FFFF 0000", "95 03");
	expect("15 09  07 0000 2710 0002 0000", "95 03");
	expect("15 09  07 0004 0001 0001 0000", "95 02");
	expect("15 09  06 0000 0001 0001 0000", "95 02");
	expect("15 09  06 0002 0001 0001 0000", "95 02");
	expect("15 09  06 0004 2710 0001 0000", "95 02");
	expect("15 09  06 0004 0064 0001 0000", "95 02");
	/* the last group is bad: the first is not written */
	expect("15 12  06 0004 0001 0001 1111  06 0003 0064 0001 2222", "95 02");
	assert_int_equal(version(), before);
}

static void fifo(void **state)
{
	(void)state;
	static struct plant_fifo fifos[] = {
		{ { MBSHM_HOLDING_REGISTERS, 1010, 32 } },
		{ { MBSHM_HOLDING_REGISTERS, 1100, 3 } },
	};
	world.plant.server.fifos = fifos;
	world.plant.server.fifo_count = 2;
	expect("18 03F2", "18 0002 0000");
	put_registers(1010, "0002 01B8 1284 9999");
	expect("18 03F2", "18 0006 0002 01B8 1284");
	expect("18 03F2", "18 0006 0002 01B8 1284"); /* reading does not clear it */
	put_registers(1010, "001F");
	uint8_t answer[PDU_MAX];
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x18, 0x03, 0xF2 }, 3, answer), 5 + 62);
	/* 02 before the 03 of a count that cannot be; a wrong length comes before */
	put_registers(1010, "0020");
	expect("18 03F2", "98 03");
	put_registers(1100, "0003");
	expect("18 044C", "98 03");
	put_registers(1100, "0002");
	expect("18 044C", "18 0006 0002 0000 0000");
	expect("18 03F3", "98 02");
	expect("18 0000", "98 02");
	expect("18 03", "98 03");
	expect("18 03F2 00", "98 03");
	expect("18", "98 03");
}

/* ---- 7, 8, 11, 12, 17: the device ---------------------------------------------------------- */

static void exception_status(void **state)
{
	(void)state;
	expect("07", "07 00");
	world.plant.server.status = (struct plant_status){ 7, { 1000, 1001, -1, 5, -1, -1, 2999 } };
	expect("07", "07 00");
	expect("05 03E8 FF00", "05 03E8 FF00");
	expect("07", "07 01");
	expect("05 0005 FF00", "05 0005 FF00");
	expect("05 0BB7 FF00", "05 0BB7 FF00");
	expect("07", "07 49");
	expect("07 00", "87 03");
}

static void diagnostics(void **state)
{
	(void)state;
	expect("08 0000 A537", "08 0000 A537");
	expect("08 0000 0001 0203 0405", "08 0000 0001 0203 0405");
	expect("08 0002 0000", "08 0002 0000");
	world.plant.server.server_id =
		(struct plant_server_id){ .source = "nobody", .after_ms = 1000 };
	expect("08 0002 0000", "08 0002 0002");
	/* 01: a sub-function that there is not, or that is refused, whatever its data; 03: length,
	 * data */
	for (unsigned sub = 0; sub < 300; sub++) {
		uint8_t answer[PDU_MAX], pdu[5] = { 8, (uint8_t)(sub >> 8), (uint8_t)sub, 0, 1 };
		bool known = sub == 0 || sub == 2 || (sub >= 10 && sub <= 18) || sub == 20;
		assert_int_equal(ask_bytes(1, pdu, sizeof pdu, answer), sub == 0 ? 5 : 2);
		if (sub != 0)
			assert_int_equal(answer[1], known ? 3 : 1);
		ask_bytes(1, pdu, 3, answer);
		assert_int_equal(answer[1], known ? 3 : 1);
	}
	expect("08", "88 03");
	expect("08 00", "88 03");
	expect("08 0000 11", "88 03");
	expect("08 000B 0000 0000", "88 03");
	/* the counters */
	expect("08 000A 0000", "08 000A 0000"); /* cleared before this request itself is counted */
	expect("08 000B 0000", "08 000B 0001");
	expect("03 0000 0001", "83 02");
	expect("08 000B 0000", "08 000B 0003");
	expect("08 000D 0000", "08 000D 0001");
	expect("08 000E 0000", "08 000E 0005");
	expect("08 000F 0000", "08 000F 0000");
	expect("08 0010 0000", "08 0010 0000");
	counters_add(&world.with.counters->foreign, 3);
	counters_add(&world.with.counters->broken, 1);
	counters_add(&world.with.counters->stalled, 2);
	expect("08 000B 0000", "08 000B 000C");
	expect("08 000C 0000", "08 000C 0004");
	expect("08 0012 0000", "08 0012 0002");
	expect("08 0014 0000", "08 0014 0000");
	expect("08 0012 0000", "08 0012 0000");
	expect("08 000C 0000", "08 000C 0004");
	uint8_t pdu[] = { 6, 0x03, 0xE8, 0, 1 }, out[PDU_MAX];
	assert_int_equal(execute_refuse(&world.with, &world.client, pdu, 6, out), 2);
	assert_int_equal(out[0], 0x86);
	assert_int_equal(out[1], 6);
	expect("08 0011 0000", "08 0011 0001");
	expect("08 000A 0000", "08 000A 0000");
	expect("08 0011 0000", "08 0011 0000");
}

static void events(void **state)
{
	(void)state;
	uint8_t answer[PDU_MAX];
	expect("08 000A 0000", "08 000A 0000");
	world.client = (struct client){ .line = { 0 } };
	expect("0B", "0B 0000 0000");
	expect("0B", "0B 0000 0000"); /* itself does not count */
	expect("03 03E8 0001", "03 02 0000");
	expect("03 0000 0001", "83 02"); /* nor does an exception */
	expect("06 03E8 0000", "06 03E8 0000");
	expect("0B", "0B 0000 0002");
	expect("0B 00", "8B 03");
	/* The newest first: the receipt of this request, which is "stored before the remote device
	 * processes the message" (6.10); 11 refused, 11, 6, 3 refused, 3, 11, 11, the beginning.
	 * Messages: those and this one. */
	expect("0C", "0C 16 0000 0002 0008 80 41 80 40 80 40 80 41 80 40 80 40 80 40 80 00");
	expect("0C 00", "8C 03");
	diagnostics_foreign(&world.client.line);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x0C }, 1, answer),
			 8 + 1 + 15 + 2 + 2 + 1);
	assert_int_equal(answer[8], 0x80);
	assert_int_equal(answer[9], 0x82);
	for (unsigned i = 0; i < 100; i++)
		expect("63", "E3 01");
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x0C }, 1, answer), 8 + 64);
	assert_int_equal(answer[1], 70);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(answer[8 + i], i % 2 ? 0x41 : 0x80);
	expect("08 000A 0000", "08 000A 0000");
	expect("0B", "0B 0000 0001"); /* the clearing itself */
	ask_bytes(78, (const uint8_t[]){ 3, 0x03, 0xE8, 0, 1 }, 5, answer);
	ask_bytes(1, (const uint8_t[]){ 0x0C }, 1, answer);
	assert_int_equal(answer[9], 0x42); /* 04 is an abort */
}

static void server_id(void **state)
{
	(void)state;
	expect("11", "11 01 FF");
	expect("11 00", "91 03");
	struct plant_server_id *id = &world.plant.server.server_id;
	*id = (struct plant_server_id){ .id = { 2, { 7, 255 } }, .text = "ab", .after_ms = 5000 };
	expect("11", "11 05 07FF FF 6162");
	strcpy(id->source, "pump");
	expect("11", "11 05 07FF 00 6162"); /* has never been there */
	assert_int_equal(mbshm_source_claim(world.image, "pump", LOCK_WAIT_US), 0);
	mbshm_source_touch(world.image);
	struct mbshm_source source;
	assert_int_equal(mbshm_source_get(world.image, 0, &source), 0);
	world.with.now_ms = source.mono_ns / 1000000;
	expect("11", "11 05 07FF FF 6162");
	world.with.now_ms += 4999;
	expect("11", "11 05 07FF FF 6162");
	world.with.now_ms += 1;
	expect("11", "11 05 07FF 00 6162");
	id->id.count = PLANT_ID_MAX;
	memset(id->text, 'x', PLANT_ID_TEXT_MAX);
	uint8_t answer[PDU_MAX];
	assert_int_equal(ask_bytes(78, (const uint8_t[]){ 0x11 }, 1, answer),
			 2 + PLANT_ID_MAX + 1 + PLANT_ID_TEXT_MAX);
	assert_int_equal(answer[2 + PLANT_ID_MAX], 0);
}

/* ---- stale producers ----------------------------------------------------------------------- */

static void stale(void **state)
{
	(void)state;
	static struct plant_stale rules[] = {
		{ { MBSHM_HOLDING_REGISTERS, 1010, 10 }, "well", 1000, 4 },
		{ { MBSHM_HOLDING_REGISTERS, 1030, 1 }, "well", 2000, 6 },
		{ { MBSHM_INPUT_REGISTERS, 0, 5 }, "well", 1000, 0 },
		{ { MBSHM_COILS, 50, 2 }, "well", 1000, 0x0B },
	};
	world.plant.server.stale = rules;
	world.plant.server.stale_count = 4;
	world.plant.server.files = files;
	world.plant.server.file_count = 1;
	assert_int_equal(mbshm_source_claim(world.image, "well", LOCK_WAIT_US), 0);
	mbshm_source_touch(world.image);
	struct mbshm_source source = { 0 };
	for (unsigned i = 0; strcmp(source.name, "well") != 0; i++)
		mbshm_source_get(world.image, i, &source);
	world.with.now_ms = source.mono_ns / 1000000 + 999;
	expect("03 03F2 0001", "03 02 0000");
	expect("01 0032 0001", "01 01 00");
	uint64_t before = version();
	world.with.now_ms += 1;
	expect("03 03F2 0001", "83 04");
	expect("03 03E8 000A", "03 14 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000");
	expect("03 03E8 000B", "83 04");
	expect("03 03FB 0001", "83 04");
	expect("03 03FC 0001", "03 02 0000");
	expect("03 04AF 0002", "83 02"); /* what is not declared is so before */
	expect("04 0000 0001", "04 02 0000");
	expect("03 0406 0001", "03 02 0000");
	expect("01 0030 0003", "81 0B");
	expect("05 0033 FF00", "85 0B");
	expect("06 03F2 0001", "86 04");
	expect("10 03F1 0002 04 0000 0000", "90 04");
	expect("16 03F2 0000 0000", "96 04");
	expect("17 03F2 0001 03E8 0001 02 0001", "97 04");
	expect("17 03E8 0001 03F2 0001 02 0001", "97 04");
	expect("14 07  06 0004 000A 0001", "94 04");
	expect("15 09  06 0004 000A 0001 0000", "95 04");
	assert_int_equal(version(), before); /* nothing was written */
	world.with.now_ms += 1000;
	expect("03 0406 0001", "83 06");
	mbshm_source_touch(world.image);
	mbshm_source_get(world.image, 1, &source);
	world.with.now_ms = source.mono_ns / 1000000;
	expect("03 03F2 0001", "03 02 0000");
}

/* ---- switches and units -------------------------------------------------------------------- */

static void switched_off(void **state)
{
	(void)state;
	struct function_set all = world.switches.server.functions, some = { { 1 << 3 } };
	world.switches.server.functions = some;
	access_init(&world.policy.access, &world.switches);
	expect("03 03E8 0001", "03 02 0000");
	for (unsigned code = 0; code < 256; code++) {
		const uint8_t pdu[5] = { (uint8_t)code, 0x03, 0xE8, 0, 1 };
		uint8_t answer[PDU_MAX];
		if (code == 3)
			continue;
		assert_int_equal(ask_bytes(1, pdu, sizeof pdu, answer), 2);
		assert_int_equal(answer[1], 1);
	}
	world.switches.server.functions = all;
	access_init(&world.policy.access, &world.switches);

	/* What a plant without the setting says is what there is. */
	struct plant *plant;
	char error[PLANT_ERROR_SIZE];
	assert_int_equal(plant_load(NULL, &plant, error), 0);
	assert_memory_equal(&plant->server.functions, &all, sizeof all);
	plant_free(plant);
}

static void unknown_units(void **state)
{
	(void)state;
	uint8_t answer[PDU_MAX];
	const uint8_t pdu[] = { 3, 0x03, 0xE8, 0, 1 };
	world.policy.unknown_unit = MODBUS_EXCEPTION_GATEWAY_PATH;
	assert_int_equal(ask_bytes(77, pdu, sizeof pdu, answer), 2);
	assert_int_equal(answer[1], 0x0A);
	world.policy.unknown_unit = ANSWER_SILENCE;
	assert_int_equal(execute(&world.with, &world.client, 77, pdu, sizeof pdu, answer), 0);
	expect("08 000F 0000", "08 000F 0001");
}

/* ---- identification ------------------------------------------------------------------------ */

static void identity_basic(void **state)
{
	(void)state;
	const char *all = "2B 0E 01 81 00 00 03  00 04 41636D65  01 04 41432D31  02 03 312E32";
	expect("2B 0E 01 00", all);
	expect("2B 0E 01 02", "2B 0E 01 81 00 00 01  02 03 312E32");
	expect("2B 0E 01 03", all); /* an unknown object starts the stream anew */
	expect("2B 0E 01 FF", all);
	/* above the level: at the level */
	expect("2B 0E 02 00", "2B 0E 02 81 00 00 03  00 04 41636D65  01 04 41432D31  02 03 312E32");
	expect("2B 0E 03 01", "2B 0E 03 81 00 00 02  01 04 41432D31  02 03 312E32");
	expect("2B 0E 04 01", "2B 0E 04 81 00 00 01  01 04 41432D31");
	expect("2B 0E 04 03", "AB 02");
	expect("2B 0E 04 80", "AB 02");
	/* 03: code, length */
	expect("2B 0E 00 00", "AB 03");
	expect("2B 0E 05 00", "AB 03");
	expect("2B 0E 05 77", "AB 03");
	expect("2B 0E 01", "AB 03");
	expect("2B 0E 01 00 00", "AB 03");
	expect("2B 0E", "AB 03");
	expect("2B", "AB 03");
	/* 01: another MEI type */
	expect("2B 0D 01 00", "AB 01");
	expect("2B 0F", "AB 01");
}

static void identity_regular(void **state)
{
	(void)state;
	strcpy(world.texts.objects[1], "");
	strcpy(world.texts.objects[5], "M");
	strcpy(world.texts.objects[6], "U2");
	identity_init(&world.unit.identity, &world.texts);
	expect("2B 0E 01 00", "2B 0E 01 82 00 00 03  00 04 41636D65  01 00  02 03 312E32");
	expect("2B 0E 02 00",
	       "2B 0E 02 82 00 00 05  00 04 41636D65  01 00  02 03 312E32  05 01 4D  06 02 5532");
	expect("2B 0E 03 00",
	       "2B 0E 03 82 00 00 05  00 04 41636D65  01 00  02 03 312E32  05 01 4D  06 02 5532");
	expect("2B 0E 02 05", "2B 0E 02 82 00 00 02  05 01 4D  06 02 5532");
	expect("2B 0E 01 05",
	       "2B 0E 01 82 00 00 03  00 04 41636D65  01 00  02 03 312E32"); /* not among the basic
										ones */
	expect("2B 0E 02 03",
	       "2B 0E 02 82 00 00 05  00 04 41636D65  01 00  02 03 312E32  05 01 4D  06 02 5532");
	expect("2B 0E 04 06", "2B 0E 04 82 00 00 01  06 02 5532");
	expect("2B 0E 04 03", "AB 02");
	expect("2B 0E 04 01", "2B 0E 04 82 00 00 01  01 00");
}

static void identity_extended(void **state)
{
	(void)state;
	struct plant_object private[] = { { 0xFF, "z" }, { 0x80, "ab" } };
	world.texts.private = private;
	world.texts.private_count = 2;
	identity_init(&world.unit.identity, &world.texts);
	const char *basic = "2B 0E 02 83 00 00 03  00 04 41636D65  01 04 41432D31  02 03 312E32";
	expect("2B 0E 02 00", basic);
	expect("2B 0E 02 80", basic); /* not among the regular ones */
	expect("2B 0E 03 00", "2B 0E 03 83 00 00 05  00 04 41636D65  01 04 41432D31  02 03 312E32  "
			      "80 02 6162  FF 01 7A");
	expect("2B 0E 03 80", "2B 0E 03 83 00 00 02  80 02 6162  FF 01 7A");
	expect("2B 0E 04 FF", "2B 0E 04 83 00 00 01  FF 01 7A");
	expect("2B 0E 04 81", "AB 02");
	memset(private[0].value, 'z', OBJECT_MAX);
	memset(private[1].value, 'a', OBJECT_MAX);
	uint8_t answer[PDU_MAX];
	identity_init(&world.unit.identity, &world.texts);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x2B, 0x0E, 3, 0x80 }, 4, answer),
			 PDU_MAX);
	assert_int_equal(answer[4], 0xFF);
	assert_int_equal(answer[5], 0xFF); /* the next object */
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x2B, 0x0E, 3, 0xFF }, 4, answer),
			 PDU_MAX);
	assert_int_equal(answer[4], 0x00);
}

/* Follow a stream to its end as a client does; the objects it brought, in order, and into how many
 * answers. */
static unsigned follow(uint8_t code, char *ids, unsigned *answers)
{
	unsigned count = 0;
	uint8_t next = 0, answer[PDU_MAX];
	for (*answers = 1;; (*answers)++) {
		const uint8_t pdu[] = { 0x2B, 0x0E, code, next };
		size_t bytes = ask_bytes(1, pdu, sizeof pdu, answer), at = 7;
		for (unsigned i = 0; i < answer[6]; i++, count++) {
			ids[count] = (char)('0' + answer[at]);
			at += 2U + answer[at + 1];
		}
		assert_int_equal(at, bytes);
		ids[count] = '\0';
		if (answer[4] == 0x00) {
			assert_int_equal(answer[5], 0);
			return count;
		}
		assert_int_equal(answer[4], 0xFF);
		next = answer[5];
	}
}

static void identity_long(void **state)
{
	(void)state;
	char ids[16];
	unsigned answers;
	memset(world.texts.objects[0], 'v', OBJECT_MAX); /* alone it fills a PDU */
	memset(world.texts.objects[5], 'm', 100);
	memset(world.texts.objects[6], 'u', 142); /* with model_name exactly a PDU: 7 + 102 + 144 */
	identity_init(&world.unit.identity, &world.texts);
	assert_int_equal(follow(1, ids, &answers), 3);
	assert_string_equal(ids, "012");
	assert_int_equal(answers, 2);
	assert_int_equal(follow(3, ids, &answers), 5);
	assert_string_equal(ids, "01256");
	assert_int_equal(answers, 3);

	uint8_t answer[PDU_MAX];
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x2B, 0x0E, 2, 5 }, 4, answer), PDU_MAX);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x2B, 0x0E, 4, 0 }, 4, answer), PDU_MAX);
	world.texts.objects[6][142] = 'u'; /* one byte more does not fit */
	identity_init(&world.unit.identity, &world.texts);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x2B, 0x0E, 2, 5 }, 4, answer), 7 + 102);
	assert_int_equal(answer[4], 0xFF);
	assert_int_equal(answer[5], 6);
}

/* ---- byte order ---------------------------------------------------------------------------- */

static void registers(void **state)
{
	(void)state;
	for (unsigned count = 0; count <= 125; count++) {
		uint16_t values[125], back[125];
		uint8_t *wire =
			malloc(2 * count +
			       1); /* off by one byte: unaligned, and its end is the sanitizer's */
		for (unsigned i = 0; i < count; i++)
			values[i] = (uint16_t)(i * 257 + 0x0102);
		registers_to_wire(wire + 1, values, count);
		for (unsigned i = 0; i < count; i++)
			assert_int_equal(wire_get16(wire + 1 + 2 * i), values[i]);
		registers_from_wire(back, wire + 1, count);
		assert_memory_equal(back, values, 2 * count);
		free(wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framing),
		cmocka_unit_test_setup(reads, fresh),
		cmocka_unit_test_setup(reads_refused, fresh),
		cmocka_unit_test_setup(writes, fresh),
		cmocka_unit_test_setup(writes_refused, fresh),
		cmocka_unit_test_setup(unknown_functions, fresh),
		cmocka_unit_test_setup(units, fresh),
		cmocka_unit_test_setup(mask, fresh),
		cmocka_unit_test_setup(read_write, fresh),
		cmocka_unit_test_setup(read_write_refused, fresh),
		cmocka_unit_test_setup(read_files, fresh),
		cmocka_unit_test_setup(read_files_refused, fresh),
		cmocka_unit_test_setup(write_files, fresh),
		cmocka_unit_test_setup(write_files_refused, fresh),
		cmocka_unit_test_setup(fifo, fresh),
		cmocka_unit_test_setup(exception_status, fresh),
		cmocka_unit_test_setup(diagnostics, fresh),
		cmocka_unit_test_setup(events, fresh),
		cmocka_unit_test_setup(server_id, fresh),
		cmocka_unit_test_setup(stale, fresh),
		cmocka_unit_test_setup(switched_off, fresh),
		cmocka_unit_test_setup(unknown_units, fresh),
		cmocka_unit_test_setup(identity_basic, fresh),
		cmocka_unit_test_setup(identity_regular, fresh),
		cmocka_unit_test_setup(identity_extended, fresh),
		cmocka_unit_test_setup(identity_long, fresh),
		cmocka_unit_test(registers),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
