/* The master's half of the protocol: requests are encoded as the server decodes them, replies are
 * taken for the answer only when they are. */
#include "modbus/exception.h"
#include "modbus/function.h"
#include "modbus/guess.h"
#include "modbus/mbap.h"
#include "modbus/reply.h"
#include "modbus/request.h"
#include "modbus/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint8_t values[256];

/* ---- every function's request, and one good reply to it ------------------------------------ */

static const struct exchange {
	uint8_t code;
	struct request request;
	const char *request_hex, *reply_hex;
} exchanges[] = {
	{ 0x01, { .read = { 0x13, 0x13 } }, "01 0013 0013", "01 03 CD6B05" },
	{ 0x02, { .read = { 0xC4, 0x16 } }, "02 00C4 0016", "02 03 ACDB35" },
	{ 0x03, { .read = { 0x6B, 3 } }, "03 006B 0003", "03 06 022B00000064" },
	{ 0x04, { .read = { 8, 1 } }, "04 0008 0001", "04 02 000A" },
	{ 0x05,
	  { .write = { 0xAC, 1 }, .data = (const uint8_t *)"\xff" },
	  "05 00AC FF00",
	  "05 00AC FF00" },
	{ 0x05,
	  { .write = { 0xAC, 1 }, .data = (const uint8_t *)"\0" },
	  "05 00AC 0000",
	  "05 00AC 0000" },
	{ 0x06,
	  { .write = { 1, 1 }, .data = (const uint8_t *)"\0\3" },
	  "06 0001 0003",
	  "06 0001 0003" },
	{ 0x07, { .function = NULL }, "07", "07 6D" },
	{ 0x08,
	  { .diagnostic = 0, .data = (const uint8_t *)"\xA5\x37", .data_bytes = 2 },
	  "08 0000 A537",
	  "08 0000 A537" },
	{ 0x08,
	  { .diagnostic = 11, .data = (const uint8_t *)"\0\0", .data_bytes = 2 },
	  "08 000B 0000",
	  "08 000B 0123" },
	{ 0x0B, { .function = NULL }, "0B", "0B FFFF 0108" },
	{ 0x0C, { .function = NULL }, "0C", "0C 08 0000 0108 0121 2000" },
	{ 0x0F,
	  { .write = { 0x13, 10 }, .data = (const uint8_t *)"\xCD\x01" },
	  "0F 0013 000A 02 CD01",
	  "0F 0013 000A" },
	{ 0x10,
	  { .write = { 1, 2 }, .data = (const uint8_t *)"\0\xA\1\2" },
	  "10 0001 0002 04 000A0102",
	  "10 0001 0002" },
	{ 0x11, { .function = NULL }, "11", "11 03 01FF41" },
	{ 0x14,
	  { .groups = { { 1, 0, 2, NULL }, { 3, 9998, 2, NULL } }, .group_count = 2 },
	  "14 0E 06000100000002 0600032 70E0002",
	  "14 0C 0506 0DFE0020 0506 33CD0040" },
	{ 0x15,
	  { .groups = { { 4, 7, 3, values }, { 5, 0, 1, values } }, .group_count = 2 },
	  "15 16 06000400070003 000102030405 06000500000001 0001",
	  "15 16 06000400070003 000102030405 06000500000001 0001" },
	{ 0x16,
	  { .write = { 4, 1 }, .and_mask = 0xF2, .or_mask = 0x25 },
	  "16 0004 00F2 0025",
	  "16 0004 00F2 0025" },
	{ 0x17,
	  { .read = { 3, 2 }, .write = { 0xE, 1 }, .data = (const uint8_t *)"\0\xFF" },
	  "17 0003 0002 000E 0001 02 00FF",
	  "17 04 00FE0ACD" },
	{ 0x18, { .read = { 0x4DE, 1 } }, "18 04DE", "18 0006 0002 01B81284" },
	{ 0x2B,
	  { .id_code = 1, .id_object = 0 },
	  "2B 0E 01 00",
	  "2B 0E 01 01 FF 02 02 00 0141 01 0242 43" },
	{ 0x2B,
	  { .id_code = 4, .id_object = 0x80 },
	  "2B 0E 04 80",
	  "2B 0E 04 83 00 00 01 80 0141" },
};
enum { EXCHANGES = sizeof exchanges / sizeof *exchanges };

static size_t from_hex(const char *hex, uint8_t *bytes)
{
	size_t digits = 0;
	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		const char digit[2] = { *hex, '\0' };
		uint8_t value = (uint8_t)strtoul(digit, NULL, 16);
		bytes[digits / 2] = digits % 2 ? bytes[digits / 2] | value : (uint8_t)(value << 4);
		digits++;
	}
	assert_int_equal(digits % 2, 0);
	return digits / 2;
}

/* Encode exchange i; its request in *request. */
static void encode(unsigned i, struct request *request)
{
	uint8_t pdu[PDU_MAX], wanted[PDU_MAX];
	*request = exchanges[i].request;
	size_t bytes = request_encode(exchanges[i].code, request, pdu);
	assert_int_equal(bytes, from_hex(exchanges[i].request_hex, wanted));
	assert_memory_equal(pdu, wanted, bytes);
}

static enum reply_verdict check_hex(const struct request *request, const char *hex,
				    struct reply *reply)
{
	static uint8_t pdu[PDU_MAX + 8];
	return reply_check(request, pdu, from_hex(hex, pdu), reply);
}

static void every_function(void **state)
{
	bool seen[256] = { false };
	(void)state;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		struct request request;
		struct reply reply;
		encode(i, &request);
		assert_int_equal(check_hex(&request, exchanges[i].reply_hex, &reply), REPLY_OK);
		seen[exchanges[i].code] = true;
	}
	for (unsigned code = 0; code < 256; code++)
		assert_int_equal(seen[code], functions[code].decode != NULL);
}

static void what_replies_say(void **state)
{
	struct request request;
	struct reply reply;
	uint16_t registers[3];
	struct object object;
	size_t at;
	(void)state;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		encode(i, &request);
		check_hex(&request, exchanges[i].reply_hex, &reply);
		switch (exchanges[i].code) {
		case 0x03:
			assert_int_equal(reply.data_bytes, 6);
			registers_from_wire(registers, reply.data, 3);
			assert_int_equal(registers[0], 0x022B);
			assert_int_equal(registers[2], 0x0064);
			break;
		case 0x0C:
			assert_int_equal(reply.events, 0x0108);
			assert_int_equal(reply.messages, 0x0121);
			assert_int_equal(reply.data_bytes, 2);
			break;
		case 0x18:
			assert_int_equal(reply.count, 2);
			assert_int_equal(reply.data_bytes, 4);
			break;
		case 0x2B:
			if (request.id_code != 1)
				break;
			assert_true(reply.more);
			assert_int_equal(reply.next_object, 2);
			assert_int_equal(reply.count, 2);
			assert_int_equal(reply.data_bytes, 7);
			at = 0;
			assert_true(reply_object(&reply, &at, &object));
			assert_true(reply_object(&reply, &at, &object));
			assert_int_equal(object.id, 1);
			assert_int_equal(object.bytes, 2);
			assert_memory_equal(object.text, "BC", 2);
			assert_false(reply_object(&reply, &at, &object));
			break;
		}
	}
}

/* One byte more or less is never the answer, whatever the function. */
static void lengths(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		uint8_t pdu[PDU_MAX + 1] = { 0 };
		struct request request;
		struct reply reply;
		encode(i, &request);
		size_t bytes = from_hex(exchanges[i].reply_hex, pdu);
		for (size_t n = 0; n <= bytes + 1; n++)
			if (n != bytes)
				assert_in_range(reply_check(&request, pdu, n, &reply),
						REPLY_FUNCTION, REPLY_CONTENT);
	}
}

/* The first bytes of a reply, up to the values, are decided by its request. */
static const uint8_t decided[256] = {
	[0x01] = 2, [0x02] = 2, [0x03] = 2, [0x04] = 2, [0x05] = 3, [0x06] = 3, [0x07] = 1,
	[0x08] = 3, [0x0B] = 1, [0x0C] = 2, [0x0F] = 5, [0x10] = 5, [0x11] = 2, [0x14] = 4,
	[0x15] = 9, [0x16] = 3, [0x17] = 2, [0x18] = 5, [0x2B] = 3,
};

/* With any bit of those another, or with other values, and when these are longer. */
static void changed_bits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		uint8_t pdu[PDU_MAX + 1] = { 0 };
		struct request request;
		struct reply reply;
		encode(i, &request);
		size_t bytes = from_hex(exchanges[i].reply_hex, pdu);
		for (unsigned bit = 0; bit < 8 * decided[exchanges[i].code]; bit++) {
			pdu[bit / 8] ^= (uint8_t)(1 << bit % 8);
			enum reply_verdict verdict = reply_check(&request, pdu, bytes, &reply);
			if (verdict == REPLY_OK || verdict == REPLY_VALUE)
				fail_msg("%s with bit %u another: %s", exchanges[i].reply_hex, bit,
					 reply_words(verdict));
			pdu[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(reply_check(&request, pdu, bytes, &reply), REPLY_OK);
	}
}

static void assert_same_items(const struct items *got, const struct items *wanted)
{
	assert_int_equal(got->count, wanted->count);
	if (wanted->count)
		assert_int_equal(got->addr, wanted->addr);
}

/* A server decodes what a master encodes, and either may check the reply. */
static void both_ends(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		uint8_t pdu[PDU_MAX], again[PDU_MAX];
		struct request request, decoded;
		struct reply reply;
		size_t bytes = from_hex(exchanges[i].request_hex, pdu);
		encode(i, &request);
		assert_int_equal(request_decode(pdu, bytes, &decoded), 0);
		assert_ptr_equal(decoded.function, request.function);
		assert_same_items(&decoded.read, &request.read);
		assert_same_items(&decoded.write, &request.write);
		assert_int_equal(decoded.group_count, request.group_count);
		for (unsigned k = 0; k < request.group_count; k++) {
			const struct file_group *group = &decoded.groups[k];
			assert_int_equal(group->file, request.groups[k].file);
			assert_int_equal(group->record, request.groups[k].record);
			assert_int_equal(group->count, request.groups[k].count);
		}
		assert_int_equal(request_encode(pdu[0], &decoded, again), bytes);
		assert_memory_equal(again, pdu, bytes);
		assert_int_equal(check_hex(&decoded, exchanges[i].reply_hex, &reply), REPLY_OK);
	}
}

static void exceptions(void **state)
{
	(void)state;
	for (unsigned i = 0; i < EXCHANGES; i++) {
		uint8_t pdu[] = { exchanges[i].code | EXCEPTION_FLAG, 0x0C, 0 };
		struct request request;
		struct reply reply;
		encode(i, &request);
		assert_int_equal(reply_check(&request, pdu, 2, &reply), REPLY_EXCEPTION);
		assert_int_equal(reply.exception, 0x0C);
		assert_int_equal(reply_check(&request, pdu, 3, &reply), REPLY_LENGTH);
		assert_int_equal(reply_check(&request, pdu, 1, &reply), REPLY_LENGTH);
		assert_int_equal(reply_check(&request, pdu, 0, &reply), REPLY_LENGTH);
		pdu[0] = EXCEPTION_FLAG; /* of function 0 */
		assert_int_equal(reply_check(&request, pdu, 2, &reply), REPLY_FUNCTION);
		assert_int_equal(reply.exception, 0x0C); /* what some devices answer */
		assert_int_equal(reply_check(&request, pdu, 3, &reply), REPLY_FUNCTION);
		assert_int_equal(reply.exception, 0);
	}
	assert_string_equal(exception_name(0x0B), "Gateway Target Device Failed to Respond");
	assert_null(exception_name(0x09));
	assert_null(exception_name(0));
	assert_null(exception_name(0xFF));
}

static void verdicts(void **state)
{
	static const struct {
		const char *request_hex, *reply_hex;
		enum reply_verdict verdict;
	} cases[] = {
		{ "03 006B 0003", "04 06 022B00000064", REPLY_FUNCTION },
		{ "03 006B 0003", "03 04 022B0000", REPLY_COUNT },         /* too few */
		{ "03 006B 0003", "03 08 022B000000640000", REPLY_COUNT }, /* too many */
		{ "03 006B 0003", "03 05 022B000000", REPLY_COUNT },       /* odd */
		{ "03 006B 0003", "03 08 022B00000064", REPLY_LENGTH }, /* says more than it has */
		{ "06 0001 0003", "06 0002 0003", REPLY_ECHO },
		{ "06 0001 0003", "06 0001 0002", REPLY_VALUE }, /* the device limits it */
		{ "06 0001 0003", "06 0001 000306", REPLY_LENGTH },
		{ "06 0001 0003", "06 0003", REPLY_LENGTH },
		{ "05 00AC FF00", "05 00AC 0000", REPLY_VALUE },
		{ "01 0013 0013", "01 02 CD6B", REPLY_COUNT },
		{ "01 0013 0013", "01 04 CD6B0500", REPLY_COUNT },
		{ "01 0013 0013", "01 04 CD6B05", REPLY_LENGTH },
		{ "02 00C4 0016", "01 03 ACDB35", REPLY_FUNCTION },
		{ "04 0008 0001", "04 01 00", REPLY_COUNT },
		{ "04 0008 0001", "04 00", REPLY_COUNT },
		{ "05 00AC FF00", "05 00AC 0001", REPLY_VALUE }, /* on, as some devices write it */
		{ "05 00AC FF00", "05 00AD FF00", REPLY_ECHO },
		{ "07", "07", REPLY_LENGTH },
		{ "0B", "0B FFFF 0108 00", REPLY_LENGTH },
		{ "0F 0013 000A 02 CD01", "0F 0013 000A 02 CD01", REPLY_LENGTH },
		{ "11", "11 04 01FF41", REPLY_LENGTH },
		{ "17 0003 0002 000E 0001 02 00FF", "17 02 00FE", REPLY_COUNT },
		{ "17 0003 0002 000E 0001 02 00FF", "03 04 00FE0ACD", REPLY_FUNCTION },
		{ "15 16 06000400070003 000102030405 06000500000001 0001",
		  "15 16 06000400070003 000102030405 06000500010001 0001", REPLY_ECHO },
		{ "18 04DE", "18 0007 0002 01B81284", REPLY_LENGTH },
		{ "2B 0E 04 80", "2B 0E 04 83 00 00 01 81 0141", REPLY_ECHO },
		{ "2B 0E 04 80", "2B 0E 04 83 00 00 02 80 0141 81 00", REPLY_COUNT },
		{ "0F 0013 000A 02 CD01", "0F 0013 0009", REPLY_ECHO },
		{ "10 0001 0002 04 000A0102", "10 0002 0002", REPLY_ECHO },
		{ "08 0000 A537", "08 0000 A538", REPLY_ECHO },
		{ "08 000B 0000", "08 000C 0000", REPLY_ECHO },
		{ "16 0004 00F2 0025", "16 0004 00F2 0024", REPLY_VALUE },
		{ "16 0004 00F2 0025", "16 0005 00F2 0025", REPLY_ECHO },
		{ "14 0E 06000100000002 0600032 70E0002", "14 0C 0406 0DFE0020 0506 33CD0040",
		  REPLY_CONTENT },
		{ "14 0E 06000100000002 0600032 70E0002", "14 0C 0507 0DFE0020 0506 33CD0040",
		  REPLY_CONTENT },
		{ "14 0E 06000100000002 0600032 70E0002", "14 06 0506 0DFE0020", REPLY_COUNT },
		{ "0C", "0C 05 0000 0108 01", REPLY_COUNT },
		{ "18 04DE", "18 0006 0001 01B81284", REPLY_COUNT },
		{ "18 04DE", "18 0005 0001 01B812", REPLY_COUNT },
		{ "2B 0E 01 00", "2B 0E 02 01 00 00 00", REPLY_ECHO },
		{ "2B 0E 01 00", "2B 0D 01 01 00 00 00", REPLY_ECHO },
		{ "2B 0E 01 00", "2B 0E 01 01 55 00 00", REPLY_CONTENT },
		{ "2B 0E 01 00", "2B 0E 01 01 00 00 01 00 0241", REPLY_COUNT },
		{ "2B 0E 01 00", "2B 0E 01 01 00 00 00 00", REPLY_COUNT },
	};
	(void)state;
	for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
		struct request request;
		struct reply reply;
		unsigned i = 0;
		while (strcmp(exchanges[i].request_hex, cases[n].request_hex) != 0)
			if (++i == EXCHANGES)
				fail_msg("%s: not in exchanges", cases[n].request_hex);
		encode(i % EXCHANGES, &request);
		enum reply_verdict verdict = check_hex(&request, cases[n].reply_hex, &reply);
		if (verdict != cases[n].verdict)
			fail_msg("%s: the reply %s is %s, expected: %s", cases[n].request_hex,
				 cases[n].reply_hex, reply_words(verdict),
				 reply_words(cases[n].verdict));
	}
}

/* What the specification does not allow is not encoded. */
static void refused_requests(void **state)
{
	uint8_t pdu[PDU_MAX];
	(void)state;
	const struct {
		uint8_t code;
		struct request request;
	} cases[] = {
		{ 0x00, { .read = { 0, 1 } } },
		{ 0x09, { .read = { 0, 1 } } },
		{ 0x83, { .read = { 0, 1 } } },
		{ 0x01, { .read = { 0, 0 } } },
		{ 0x01, { .read = { 0, 2001 } } },
		{ 0x03, { .read = { 0, 126 } } },
		{ 0x03, { .read = { 65535, 2 } } },
		{ 0x0F, { .write = { 0, 1969 }, .data = values } },
		{ 0x10, { .write = { 0, 124 }, .data = values } },
		{ 0x10, { .write = { 0, 65535 }, .data = values } },
		{ 0x17, { .read = { 0, 1 }, .write = { 0, 122 }, .data = values } },
		{ 0x08, { .diagnostic = 4, .data = values, .data_bytes = 2 } },
		{ 0x08, { .diagnostic = 0, .data = values, .data_bytes = 1 } },
		{ 0x14, { .group_count = 40 } },
		{ 0x14,
		  { .groups = { { 1, 0, 120, NULL }, { 1, 0, 120, NULL } }, .group_count = 2 } },
		{ 0x15,
		  { .groups = { { 1, 0, 120, values }, { 1, 0, 120, values } },
		    .group_count = 2 } },
		{ 0x14, { .group_count = 0 } },
		{ 0x2B, { .id_code = 5 } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct request request = cases[i].request;
		if (request_encode(cases[i].code, &request, pdu))
			fail_msg("case %zu, function %u, was encoded", i, cases[i].code);
	}
}

static void headers(void **state)
{
	uint8_t adu[ADU_MAX];
	(void)state;
	assert_int_equal(mbap_put(adu, (struct mbap){ 0xBEEF, 0x11 }, 5), 12);
	const uint8_t wanted[MBAP_BYTES] = { 0xBE, 0xEF, 0, 0, 0, 6, 0x11 };
	assert_memory_equal(adu, wanted, sizeof wanted);
	assert_int_equal(mbap_get(adu).transaction, 0xBEEF);
	assert_int_equal(mbap_get(adu).unit, 0x11);
	assert_int_equal(frame_next(adu, 12).kind, FRAME_ADU);
	assert_int_equal(frame_next(adu, 12).bytes, 12);
}

/* Any number of registers, at any address of the wire, both ways. */
static void registers_on_the_wire(void **state)
{
	uint16_t in[130], out[130];
	uint8_t wire[264];
	(void)state;
	for (unsigned i = 0; i < 130; i++)
		in[i] = (uint16_t)(i * 257 + 0x1234);
	for (unsigned at = 0; at < 4; at++)
		for (unsigned count = 0; count <= 130; count++) {
			memset(wire, 0xA5, sizeof wire);
			memset(out, 0xA5, sizeof out);
			registers_to_wire(wire + at, in, count);
			for (unsigned i = 0; i < count; i++)
				assert_int_equal(wire_get16(wire + at + 2 * i), in[i]);
			assert_int_equal(wire[at + 2 * count], 0xA5);
			registers_from_wire(out, wire + at, count);
			assert_memory_equal(out, in, 2 * count);
			if (count < 130)
				assert_int_equal(out[count], 0xA5A5);
		}
}

/* ---- what is not Modbus TCP ---------------------------------------------------------------- */

static void guesses_what_is_not_modbus_tcp(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *guess;
		size_t count;
	} cases[] = {
#define CASE(bytes, guess) { bytes, guess, sizeof(bytes) - 1 }
		CASE("GET / HTTP/1.1\r\n", "HTTP"),
		CASE("OPTIONS *", "HTTP"),
		CASE("PRI * HTTP/2.0\r\n", "HTTP"),
		CASE("GET", NULL),
		CASE("GETTING", NULL),
		CASE("\x16\3\1\0\xf8", "TLS"),
		CASE("\x16\3\7\0\xf8", NULL),
		CASE(":0103", "Modbus ASCII"),
		CASE(":010", NULL),
		CASE(":GET ", NULL),
		CASE("\1\3\3\xe8\0\1\4\x7a", "Modbus RTU over TCP"),
		CASE("\1\3\3\xe8\0\1\4\x7b", NULL),
		CASE("\1\3\3\xe8\0\1\4", NULL),
		/* Another frame follows. */
		CASE("\1\3\0\0\0\x0a\xc5\xcd\1\3", "Modbus RTU over TCP"),
		/* Values to write; no values at all. */
		CASE("\1\x10\0\1\0\2\4\0\5\0\6\xa2\x60\1\3", "Modbus RTU over TCP"),
		CASE("\x11\7\x4c\x22", "Modbus RTU over TCP"),
		CASE("\0\1\0\0\0\6\1\3", NULL),
		CASE("\xff\xff", NULL),
		CASE("", NULL),
#undef CASE
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *guess = guess_protocol((const uint8_t *)cases[i].bytes, cases[i].count);
		if (!cases[i].guess)
			assert_null(guess);
		else
			assert_string_equal(guess, cases[i].guess);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function),
		cmocka_unit_test(what_replies_say),
		cmocka_unit_test(lengths),
		cmocka_unit_test(changed_bits),
		cmocka_unit_test(both_ends),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(refused_requests),
		cmocka_unit_test(headers),
		cmocka_unit_test(registers_on_the_wire),
		cmocka_unit_test(guesses_what_is_not_modbus_tcp),
	};
	for (unsigned i = 0; i < sizeof values; i++)
		values[i] = (uint8_t)i;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
