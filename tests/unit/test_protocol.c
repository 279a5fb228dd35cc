/* The protocol byte for byte: framing, every function, every exception and the order in which exceptions win (V1.1b3, section 6),
 * on a real image.  PDUs are written as hex; blanks are for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mbserverd/execute.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LOCK_WAIT_US = 1000000 };

static struct {
	struct mbshm *image;
	struct plant plant;
	struct plant_identity texts;
	struct unit unit, detached;
	struct policy policy;
	struct execution with;
	struct client client;
	char name[64];
} world;

/* ---- hex ----------------------------------------------------------------------------------------------------------------- */

static size_t from_hex(const char *hex, uint8_t *bytes)
{
	size_t digits = 0;
	for (; *hex != '\0'; hex++) {
		if (*hex == ' ')
			continue;
		assert_true(isxdigit((unsigned char)*hex));
		unsigned value = isdigit((unsigned char)*hex) ? (unsigned)(*hex - '0') : (unsigned)(toupper(*hex) - 'A' + 10);
		bytes[digits / 2] = (uint8_t)(digits % 2 == 0 ? value << 4 : bytes[digits / 2] | value);
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

/* ---- ask the server's code ----------------------------------------------------------------------------------------------- */

/* The answer to a PDU, without its header, which is checked here. */
static size_t ask_bytes(uint8_t unit, const uint8_t *pdu, size_t bytes, uint8_t *answer)
{
	uint8_t out[ADU_MAX];
	uint8_t *adu = malloc(MBAP_BYTES + bytes);	/* exactly: the sanitizer sees a look past its end */
	const uint8_t header[MBAP_BYTES] = { 0xBE, 0xEF, 0, 0, (uint8_t)((bytes + 1) >> 8), (uint8_t)(bytes + 1), unit };
	memcpy(adu, header, sizeof header);
	memcpy(adu + MBAP_BYTES, pdu, bytes);
	int out_bytes = execute(&world.with, &world.client, adu, MBAP_BYTES + bytes, out);
	free(adu);

	assert_in_range(out_bytes, MBAP_BYTES + 2, ADU_MAX);
	const uint8_t expected[MBAP_BYTES] = { 0xBE, 0xEF, 0, 0, 0, (uint8_t)(out_bytes - 6), unit };
	assert_memory_equal(out, expected, MBAP_BYTES);
	memcpy(answer, out + MBAP_BYTES, (size_t)out_bytes - MBAP_BYTES);
	return (size_t)out_bytes - MBAP_BYTES;
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

/* ---- world --------------------------------------------------------------------------------------------------------------- */

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
	static struct counters counters;
	world.with = (struct execution){ &world.policy, mbshm_txn_new(EXECUTE_TXN_WORDS), &counters, LOCK_WAIT_US, 0 };
	world.unit = (struct unit){ .image = world.image, .plant = &world.plant };
	world.detached = (struct unit){ .plant = &world.plant };
	for (unsigned i = 0; i < 256; i++)
		world.policy.units[i] = &world.unit;
	for (unsigned code = 0; code < 256; code++)
		if (functions[code].decode != NULL)
			function_set_add(&world.policy.functions, (uint8_t)code);
	world.policy.unknown_unit = MODBUS_EXCEPTION_GATEWAY_TARGET;
	world.policy.units[77] = NULL;
	world.policy.units[78] = &world.detached;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mbshm_txn_free(world.with.txn);
	mbshm_close(world.image);
	shm_unlink(world.name);
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	world.texts = (struct plant_identity){ .vendor_name = "Acme", .product_code = "AC-1", .major_minor_revision = "1.2" };
	identity_init(&world.unit.identity, &world.texts);
	world.detached.identity = world.unit.identity;

	static const uint16_t zero[200];
	static const uint8_t none[250];
	mbshm_txn_begin(world.with.txn, world.image);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_COILS, 0, 100, none), 0);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_COILS, 1000, 2000, none), 0);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_DISCRETE_INPUTS, 0, 100, none), 0);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_HOLDING_REGISTERS, 1000, 200, zero), 0);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_HOLDING_REGISTERS, 65436, 100, zero), 0);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_INPUT_REGISTERS, 0, 100, zero), 0);
	return mbshm_txn_commit(world.with.txn, LOCK_WAIT_US, NULL);
}

/* What no client can write. */
static void put_inputs(void)
{
	const uint8_t bits[2] = { 0xCD, 0x02 };
	const uint16_t values[3] = { 0x022B, 0x0000, 0x0064 };
	mbshm_txn_begin(world.with.txn, world.image);
	assert_int_equal(mbshm_txn_write_bits(world.with.txn, MBSHM_DISCRETE_INPUTS, 19, 10, bits), 0);
	assert_int_equal(mbshm_txn_write_registers(world.with.txn, MBSHM_INPUT_REGISTERS, 8, 3, values), 0);
	assert_int_equal(mbshm_txn_commit(world.with.txn, LOCK_WAIT_US, NULL), 0);
}

/* ---- framing ------------------------------------------------------------------------------------------------------------- */

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

/* ---- functions ----------------------------------------------------------------------------------------------------------- */

static void reads(void **state)
{
	(void)state;
	put_inputs();
	expect("02 0013 000A", "02 02 CD02");
	expect("02 0013 0001", "02 01 01");
	expect("02 0014 0004", "02 01 06");	/* padding bits are 0 though the table's are not */
	expect("04 0008 0001", "04 02 022B");
	expect("04 0008 0003", "04 06 022B 0000 0064");
	expect("01 0000 0064", "01 0D 00000000 00000000 00000000 00");
	expect("03 03E8 0002", "03 04 0000 0000");

	uint8_t answer[PDU_MAX];
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 3, 0x03, 0xE8, 0, 125 }, 5, answer), 252);
	assert_int_equal(answer[1], 250);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 1, 0x03, 0xE8, 0x07, 0xD0 }, 5, answer), 252);
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
	expect("0F 0000 0003 01 FF", "0F 0000 0003");	/* the padding is not written */
	expect("01 0000 0008", "01 01 07");
	expect("10 03E8 0002 04 000A 0102", "10 03E8 0002");
	expect("03 03E8 0003", "03 06 000A 0102 FF00");
	expect("10 FFFE 0002 04 1111 2222", "10 FFFE 0002");
	expect("03 FFFE 0002", "03 04 1111 2222");
	expect_body("10 03E8 007B F6", 246, 0xA5, "10 03E8 007B");
	expect("03 0461 0003", "03 06 A5A5 A5A5 0000");	/* 1121..1123: the last two of 123 and one more */
	expect_body("0F 03E8 07B0 F6", 246, 0xFF, "0F 03E8 07B0");
	expect("01 0B97 0002", "01 01 01");	/* 2967 is the last of 1968 */
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
	static const uint8_t known[] = { 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43 };
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
		assert_string_equal(to_hex(answer, bytes), unit == 77 ? "830B" : unit == 78 ? "8304" : "03020000");
	}
	assert_int_equal(ask_bytes(77, (const uint8_t[]){ 0x63 }, 1, answer), 2);
	assert_int_equal(answer[1], 0x0B);
	/* Without an image the device still says who it is, and still knows what is malformed. */
	assert_int_equal(ask_bytes(78, identify, sizeof identify, answer), 7 + 2 + 4);
	assert_int_equal(ask_bytes(78, read, 4, answer), 2);
	assert_int_equal(answer[1], 0x03);
}

/* ---- identification ------------------------------------------------------------------------------------------------------ */

static void identity_basic(void **state)
{
	(void)state;
	const char *all = "2B 0E 01 81 00 00 03  00 04 41636D65  01 04 41432D31  02 03 312E32";
	expect("2B 0E 01 00", all);
	expect("2B 0E 01 02", "2B 0E 01 81 00 00 01  02 03 312E32");
	expect("2B 0E 01 03", all);	/* an unknown object starts the stream anew */
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
	strcpy(world.texts.product_code, "");
	strcpy(world.texts.model_name, "M");
	strcpy(world.texts.user_application_name, "U2");
	identity_init(&world.unit.identity, &world.texts);
	expect("2B 0E 01 00", "2B 0E 01 82 00 00 03  00 04 41636D65  01 00  02 03 312E32");
	expect("2B 0E 02 00", "2B 0E 02 82 00 00 05  00 04 41636D65  01 00  02 03 312E32  05 01 4D  06 02 5532");
	expect("2B 0E 03 00", "2B 0E 03 82 00 00 05  00 04 41636D65  01 00  02 03 312E32  05 01 4D  06 02 5532");
	expect("2B 0E 02 05", "2B 0E 02 82 00 00 02  05 01 4D  06 02 5532");
	expect("2B 0E 01 05", "2B 0E 01 82 00 00 03  00 04 41636D65  01 00  02 03 312E32");	/* not among the basic ones */
	expect("2B 0E 02 03", "2B 0E 02 82 00 00 05  00 04 41636D65  01 00  02 03 312E32  05 01 4D  06 02 5532");
	expect("2B 0E 04 06", "2B 0E 04 82 00 00 01  06 02 5532");
	expect("2B 0E 04 03", "AB 02");
	expect("2B 0E 04 01", "2B 0E 04 82 00 00 01  01 00");
}

/* Follow a stream to its end as a client does; the objects it brought, in order, and into how many answers. */
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
	memset(world.texts.vendor_name, 'v', PLANT_OBJECT_MAX);		/* alone it fills a PDU */
	memset(world.texts.model_name, 'm', 100);
	memset(world.texts.user_application_name, 'u', 142);		/* with model_name exactly a PDU: 7 + 102 + 144 */
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
	world.texts.user_application_name[142] = 'u';			/* one byte more does not fit */
	identity_init(&world.unit.identity, &world.texts);
	assert_int_equal(ask_bytes(1, (const uint8_t[]){ 0x2B, 0x0E, 2, 5 }, 4, answer), 7 + 102);
	assert_int_equal(answer[4], 0xFF);
	assert_int_equal(answer[5], 6);
}

/* ---- byte order ---------------------------------------------------------------------------------------------------------- */

static void registers(void **state)
{
	(void)state;
	for (unsigned count = 0; count <= 125; count++) {
		uint16_t values[125], back[125];
		uint8_t *wire = malloc(2 * count + 1);	/* off by one byte: unaligned, and its end is the sanitizer's */
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
		cmocka_unit_test_setup(identity_basic, fresh),
		cmocka_unit_test_setup(identity_regular, fresh),
		cmocka_unit_test_setup(identity_long, fresh),
		cmocka_unit_test(registers),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
