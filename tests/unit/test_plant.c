/* Plant files: what is read, what is refused, and in which words. */
#include "modbus/exception.h"
#include "plant/default.h"
#include "plant/kinds.h"
#include "plant/load.h"
#include "plant/sections.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/dev/shm/mbtest-plant-XXXXXX"; /* thousands of files are written: no disk */

/* Line 1 of most texts; what a test is about comes after it. */
/* clang-format off */
#define IMAGE \
	"image = { name = \"/x\"  coils = [\"0-9\"]  holding_registers = [\"100-199\"] }\n"
/* clang-format on */
#define IN_IMAGE(text) "image = { name = \"/x\"  coils = [\"0-9\"]\n" text " }\n"
#define ACCESS(text)   IMAGE "server = { access = ( {\n" text " } ) }\n"
#define TEXT_32        "0123456789abcdef0123456789abcdef"
#define TEXT_96        TEXT_32 TEXT_32 TEXT_32
#define POINT(text)    IMAGE "points = { p = {\n" text " } }\n"

static int enter_folder(void **state)
{
	(void)state;
	return !mkdtemp(folder) || chdir(folder);
}

static int leave_folder(void **state)
{
	(void)state;
	char command[64];
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return chdir("/") || system(command);
}

static void write_bytes(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void write_text(const char *path, const char *text)
{
	write_bytes(path, text, strlen(text));
}

static struct plant *load(const char *text)
{
	struct plant *plant = NULL;
	char error[PLANT_ERROR_SIZE];
	write_text("plant.conf", text);
	if (plant_load("plant.conf", &plant, error))
		fail_msg("refused: %s\n%s", error, text);
	return plant;
}

/* ---- what is refused ----------------------------------------------------------------------- */

static const struct wrong {
	const char *text;
	const char *message; /* after "plant.conf:" */
} wrongs[] = {
	/* unknown and misplaced */
	{ IMAGE "\nserver = {\n  foo = 1\n}\n",
	  "4: unknown setting 'server.foo'; expected one of listen, workers, max_connections, " },
	{ IMAGE "servers = { }\n",
	  "2: unknown setting 'servers'; expected one of image, server, simulator, points" },
	{ IMAGE "journal = { size = 5 }\n", "2: unknown setting 'journal'" },
	{ IMAGE "server = { identity = {\n vendor = \"x\" } }\n",
	  "3: unknown setting 'server.identity.vendor'; expected one of vendor_name, product_code, "
	  "major_minor_revision, vendor_url, product_name, model_name, user_application_name" },
	{ POINT("address = \"coil 1\" model = \"toss 0.5\"\nunit = \"bar\""),
	  "4: unknown setting 'points.p.unit'; expected one of address, type, model" },
	{ IN_IMAGE("namen = \"/y\""), "2: unknown setting 'image.namen'; expected one of name, "
				      "group, mode, pool, retain, coils, discrete_inputs, "
				      "holding_registers, input_registers" },
	{ IMAGE "server = 5\n", "2: server: not a section, expected server = { ... }" },
	{ IMAGE "server = { identity = \"x\" }\n",
	  "2: server.identity: not a section, expected identity = { ... }" },
	{ IMAGE "points = ( )\n", "2: points: not a section, expected points = { ... }" },
	{ IMAGE "points = { a = 5 }\n", "2: points.a: not a section, expected a = { ... }" },
	{ "image = ( 1 )\n", "1: image: not a section" },

	/* libconfig's own */
	{ IMAGE "server = { workers = 1 }\nserver = { workers = 2 }\n",
	  "3: duplicate setting name, expected each name once in its section" },
	{ IMAGE "server = { workers = 1\n workers = 2 }\n",
	  "3: duplicate setting name, expected each name once in its section" },
	{ IMAGE "server = {\n workers = 1\n", "4: syntax error, expected NAME = VALUE" },
	{ IMAGE "server = { workers = }\n", "2: syntax error" },
	{ IMAGE "server = { listen = [\"127.0.0.1:0\", }\n", "2: syntax error" },
	{ IMAGE "hello\n\n", "4: syntax error" },
	/* habits of other formats */
	{ "\n {\n\"image\": {} }",
	  "2: JSON is not understood, expected NAME = VALUE without braces" },
	{ "\xEF\xBB\xBF" IMAGE, " begins with a byte order mark, expected UTF-8 without it" },
	{ IN_IMAGE("holding_registers = [\"1-5\", # and so on\n ]"),
	  "3: a comma before ], expected a value after each comma" },
	{ ACCESS("units = (1,)"), "3: a comma before ), expected a value after each comma" },
	{ IMAGE "server = {\n read_only = yes }\n",
	  "3: yes without quotes, expected true, false, a number, text in quotes, or a bracket" },
	{ IMAGE "server =\n listen = [\"127.0.0.1:0\"]\n",
	  "3: listen without quotes, expected true, false, a number, text in quotes, or a "
	  "bracket" },
	{ IN_IMAGE("discrete_inputs = [0-15]"),
	  "2: 0-15 without quotes, expected a number, or text in quotes" },
	{ IMAGE "simulator = {\n period = 500ms }\n", "3: 500ms without quotes, expected" },
	{ IMAGE "server = {\n listen = [127.0.0.1:0] }\n",
	  "3: 127.0.0.1 without quotes, expected" },
	{ IMAGE "server = { workers = 1e }\n", "2: 1e without quotes, expected" },
	{ IMAGE "points = {\n 1p = { address = \"coil 1\" } }\n",
	  "3: 1p is no name, expected one that begins with a letter" },
	{ POINT("address = \"coil 1\" model = \"toss 0.5\" }\n 2p = { address = \"coil 2\""),
	  "4: 2p is no name" },
	{ IMAGE "server = {\n functions = [on] }\n", "3: on without quotes, expected true, false" },
	{ IMAGE "server = {\n read_only : truely }\n", "3: truely without quotes" },
	{ IN_IMAGE("discrete_inputs = [\"0-5\", 7]"),
	  "2: mismatched element type in array, expected one type of value between [ and ]" },
	{ IMAGE "server = { workers = 1 /* and so on }\n\n",
	  "2: the comment that starts here never ends, expected */" },
	{ IMAGE "# fine\n/* a\n comment */ server = { workers = 1 } // and\n/*",
	  "5: the comment that starts here never ends" },
	{ IN_IMAGE("group = \"abc"), "2: text without its closing quote" },
	{ IMAGE "server = { identity = { vendor_url = \"\\x00hidden\" } }",
	  "2: \\x00 in text, expected no NUL" },
	{ IMAGE "\x01\x02", "2: not text: it has a byte 0x01" },

	/* the image */
	{ "", "1: image.name is missing, expected \"/NAME\"" },
	{ "server = { workers = 1 }\n", "1: image.name is missing" },
	{ "\nimage = { coils = [\"0-9\"] }\n", "2: image.name is missing" },
	{ "image = {\n name = \"x\" coils = [1] }\n",
	  "2: image.name: \"x\", expected \"/NAME\" without another slash" },
	{ "image = {\n name = \"/\" coils = [1] }\n", "2: image.name: \"/\", expected" },
	{ "image = {\n name = \"/a/b\" coils = [1] }\n", "2: image.name: \"/a/b\", expected" },
	{ "image = {\n name = \"/..\" coils = [1] }\n", "2: image.name: \"/..\", expected" },
	{ "image = {\n name = \"/a b\" coils = [1] }\n", "2: image.name: \"/a b\", expected" },
	{ "image = {\n name = 7 coils = [1] }\n", "2: image.name: 7, expected \"/NAME\"" },
	{ "\nimage = { name = \"/x\" }\n", "2: image declares no address; expected at least one in "
					   "coils, discrete_inputs, holding_registers, "
					   "input_registers" },
	{ "image = { name = \"/x\" coils = [] }\n", "1: image declares no address" },
	{ IN_IMAGE("group = \"no such group\""),
	  "2: image.group: \"no such group\": no such group, expected a group of this system" },
	{ IN_IMAGE("group = 5"), "2: image.group: 5, expected a group's name in quotes" },
	{ IN_IMAGE("mode = \"0666\""), "2: image.mode: \"0666\" lets everybody write" },
	{ IN_IMAGE("mode = \"0662\""), "2: image.mode: \"0662\" lets everybody write" },
	{ IN_IMAGE("mode = \"0460\""), "2: image.mode: \"0460\", expected octal digits" },
	{ IN_IMAGE("mode = \"0770\""), "2: image.mode: \"0770\", expected octal digits" },
	{ IN_IMAGE("mode = \"4660\""), "2: image.mode: \"4660\", expected octal digits" },
	{ IN_IMAGE("mode = \"0689\""), "2: image.mode: \"0689\", expected octal digits" },
	{ IN_IMAGE("mode = \"rw-rw----\""), "2: image.mode: \"rw-rw----\", expected octal digits" },
	{ IN_IMAGE("mode = 0660"),
	  "2: image.mode: 660, expected octal digits of read and write bits in quotes" },
	{ IN_IMAGE("pool = 7"),
	  "2: image.pool: 7, expected a whole number 8..65535 pages of 1 KiB" },
	{ IN_IMAGE("pool = 65536"), "2: image.pool: 65536, expected a whole number 8..65535" },
	{ IN_IMAGE("pool = 65544\nholding_registers = [\"0-65535\"]"), "2: image.pool: 65544" },
	{ IN_IMAGE("holding_registers = [\"0-65535\"]\n pool = 259"),
	  "3: image.pool: 259, expected at least 260: the declared addresses take 129 pages" },
	{ IN_IMAGE("discrete_inputs = [\"5-3\"]"),
	  "2: image.discrete_inputs: \"5-3\", expected a list of \"FIRST-LAST\" (FIRST <= LAST) or "
	  "one address, 0..65535" },
	{ IN_IMAGE("discrete_inputs = [\"0-9\",\n \"65536\"]"),
	  "2: image.discrete_inputs: \"65536\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"0-65536\"]"),
	  "2: image.discrete_inputs: \"0-65536\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"0-4294967296\"]"),
	  "2: image.discrete_inputs: \"0-4294967296\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"-5\"]"), "2: image.discrete_inputs: \"-5\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"5-\"]"), "2: image.discrete_inputs: \"5-\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"1-2-3\"]"),
	  "2: image.discrete_inputs: \"1-2-3\", expected" },
	{ IN_IMAGE("discrete_inputs = [\" 1\"]"), "2: image.discrete_inputs: \" 1\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"0x10\"]"),
	  "2: image.discrete_inputs: \"0x10\", expected" },
	{ IN_IMAGE("discrete_inputs = [\"\"]"), "2: image.discrete_inputs: \"\", expected" },
	{ IN_IMAGE("discrete_inputs = [-1]"), "2: image.discrete_inputs: -1, expected" },
	{ IN_IMAGE("discrete_inputs = [65536]"), "2: image.discrete_inputs: 65536, expected" },
	{ IN_IMAGE("discrete_inputs = [4294967296]"),
	  "2: image.discrete_inputs: 4294967296, expected" },
	{ IN_IMAGE("discrete_inputs = [1.5]"), "2: image.discrete_inputs: 1.5, expected" },
	{ IN_IMAGE("discrete_inputs = ( [1] )"), "2: image.discrete_inputs: a list, expected" },
	{ IN_IMAGE("discrete_inputs = true"), "2: image.discrete_inputs: true, expected" },
	{ IN_IMAGE("discrete_inputs = { first = 1 }"),
	  "2: image.discrete_inputs: a section, expected" },

	/* the server */
	{ IMAGE "server = { listen = [\"127.0.0.1\"] }",
	  "2: server.listen: \"127.0.0.1\", expected a list of \"ADDRESS:PORT\" in digits" },
	{ IMAGE "server = { listen = [\"127.0.0.1:65536\"] }",
	  "2: server.listen: \"127.0.0.1:65536\", expected" },
	{ IMAGE "server = { listen = [\"127.0.0.1:\"] }",
	  "2: server.listen: \"127.0.0.1:\", expected" },
	{ IMAGE "server = { listen = [\"127.0.0.1:5o2\"] }",
	  "2: server.listen: \"127.0.0.1:5o2\", expected" },
	{ IMAGE "server = { listen = [\":502\"] }", "2: server.listen: \":502\", expected" },
	{ IMAGE "server = { listen = [\"256.0.0.1:502\"] }",
	  "2: server.listen: \"256.0.0.1:502\", expected" },
	{ IMAGE "server = { listen = [\"localhost:502\"] }",
	  "2: server.listen: \"localhost:502\", expected" },
	{ IMAGE "server = { listen = [\"::1:502\"] }", "2: server.listen: \"::1:502\", expected" },
	{ IMAGE "server = { listen = [\"127.0.0.1:502\", \"[::1]:502\", \"127.0.0.1:0502\"] }",
	  "2: server.listen: listed twice, expected each address once" },
	{ IMAGE "server = { listen = [\"0.0.0.0:502\", \"[::1]:502\", \"127.0.0.1:502\"] }",
	  "2: server.listen: listed twice, expected each address once (0.0.0.0 and [::] stand " },
	{ IMAGE "server = { listen = [\"0.0.0.0:502\", \"[::1]:502\", \"[0::0]:502\"] }",
	  "2: server.listen: listed twice" },
	{ IMAGE "server = { listen = [\"unix:/x\", \"unix:/x\"] }",
	  "2: server.listen: listed twice, expected each address once" },
	{ IMAGE "server = { listen = [\"[127.0.0.1]:502\"] }",
	  "2: server.listen: \"[127.0.0.1]:502\", expected" },
	{ IMAGE "server = { listen = [\"[::1]\"] }", "2: server.listen: \"[::1]\", expected" },
	{ IMAGE "server = { listen = [5020] }", "2: server.listen: 5020, expected" },
	{ IMAGE "server = { listen = [] }", "2: server.listen: no address, expected at least one" },
	{ IMAGE "server = { workers = 65 }",
	  "2: server.workers: 65, expected a whole number 0..64 threads" },
	{ IMAGE "server = { workers = -1 }", "2: server.workers: -1, expected a whole number" },
	{ IMAGE "server = { workers = 1.0 }", "2: server.workers: 1.0, expected a whole number" },
	{ IMAGE "server = { workers = 1e1 }", "2: server.workers: 10.0, expected a whole number" },
	{ IMAGE "server = { workers = 2.5 }", "2: server.workers: 2.5, expected a whole number" },
	{ IMAGE "server = { workers = \"2\" }",
	  "2: server.workers: \"2\", expected a whole number" },
	{ IMAGE "server = { workers = true }", "2: server.workers: true, expected a whole number" },
	{ IMAGE "server = { workers = [2] }",
	  "2: server.workers: a list, expected a whole number" },
	{ IMAGE "server = { workers = 4294967296 }",
	  "2: server.workers: 4294967296, expected a whole number" },
	{ IMAGE "server = { workers = 2max_connections = 5 }",
	  "2: 2max_connections without quotes, expected a number" },
	{ IMAGE "server = { workers = 0x100000001 }",
	  "2: server.workers: 4294967297, expected a whole number" },
	{ IMAGE "server = { max_connections = 0 }",
	  "2: server.max_connections: 0, expected a whole number 1..65536 connections" },
	{ IMAGE "server = { max_connections = 65537 }",
	  "2: server.max_connections: 65537, expected a whole number 1..65536 connections" },
	{ IMAGE "server = { functions = [3, 9] }",
	  "2: server.functions: 9, expected a list of function codes out of 1, 2, 3, 4, 5, 6, 7, "
	  "8, 11, 12, 15, 16, 17, 20, 21, "
	  "22, 23, 24, 43" },
	{ IMAGE "server = { functions = [\"3\"] }",
	  "2: server.functions: \"3\", expected a list of function codes" },
	{ IMAGE "server = { functions = 259 }",
	  "2: server.functions: 259, expected a list of function codes" },
	{ IMAGE "server = { identity = { vendor_name = \"na\\nme\" } }",
	  "2: server.identity.vendor_name: \"na?me\", expected printable ASCII" },
	{ IMAGE "server = { identity = { vendor_name = \"\xc3\xa4\" } }",
	  "2: server.identity.vendor_name: \"\xc3\xa4\", expected printable ASCII" },
	{ IMAGE "server = { identity = { vendor_name = 5 } }",
	  "2: server.identity.vendor_name: 5, expected printable ASCII in quotes, 0..244 bytes" },

	{ IMAGE "server = { identity = { objects = (\n{ id = 0x7F  value = \"x\" } ) } }",
	  "3: server.identity.objects[0].id: 127, expected a whole number 128..255" },
	{ IMAGE "server = { identity = { objects = (\n{ id = 256  value = \"x\" } ) } }",
	  "3: server.identity.objects[0].id: 256, expected a whole number 128..255" },
	{ IMAGE "server = { identity = { objects = (\n{ id = 0x80 } ) } }",
	  "3: server.identity.objects[0].value is missing, expected printable ASCII in quotes, "
	  "1..244 bytes" },
	{ IMAGE "server = { identity = { objects = (\n{ id = 0x80  value = \"\" } ) } }",
	  "3: server.identity.objects[0].value: \"\", expected printable ASCII" },
	{ IMAGE "server = { identity = { objects = (\n{ id = 0x80  value = \"a\" },\n"
		"{ id = 0x80  value = \"b\" } ) } }",
	  "4: server.identity.objects[1].id: 128 is taken by server.identity.objects[0] (line 3), "
	  "expected another one" },

	/* functions and units */
	{ IMAGE "server = { units = 3 }",
	  "2: server.units: not a list of sections, expected units = ( { ... }, ... )" },
	{ IMAGE "server = { units = (\n{ id = 3  image = \"x\" } ) }",
	  "3: unknown setting 'server.units[0].image'; expected one of id, plant" },
	{ IMAGE "server = { units = (\n{ plant = \"x\" } ) }",
	  "3: server.units[0].id is missing, expected a whole number 0..255" },
	{ IMAGE "server = { units = (\n{ id = 256 } ) }",
	  "3: server.units[0].id: 256, expected a whole number 0..255" },
	{ IMAGE "server = { units = (\n{ id = 3 },\n{ id = 3 } ) }",
	  "4: server.units[1].id: 3 is taken by server.units[0] (line 3), expected another one" },
	{ IMAGE "server = { units = (\n{ id = 3  plant = \"\" } ) }",
	  "3: server.units[0].plant: \"\", expected printable ASCII in quotes, 1..1023 bytes" },
	{ IMAGE "server = { units = (\n{ id = 3 },\n{ id = 4\nplant = \"nope.conf\" } ) }",
	  "5: server.units[1].plant: nope.conf: No such file or directory" },
	{ IMAGE "server = { units = (\n{ id = 4  plant = \"bad.conf\" } ) }",
	  "3: server.units[0].plant: bad.conf:2: unknown setting 'server.wokers'" },
	{ IMAGE "server = { own_units = [1, 256] }",
	  "2: server.own_units: 256, expected a list of unit ids 0..255" },
	{ IMAGE "server = { own_units = [] }",
	  "2: server.own_units: an empty list, expected at least one unit id, as there is no "
	  "server.units" },
	{ "image = { name = \"/x\" coils = [\n\"0-9 | 11-19\"] }",
	  "1: image.coils: \"0-9 | 11-19\", expected ranges that touch with \" | \" between them, "
	  "such "
	  "as \"0-49 | 50-99\"" },
	{ "image = { name = \"/x\" coils = [\n\"0-9 | 9-19\"] }",
	  "1: image.coils: \"0-9 | 9-19\"" },
	{ "image = { name = \"/x\" coils = [\n\"0-9 | \"] }", "1: image.coils: \"0-9 | \"" },
	{ "image = { name = \"/x\" coils = [\n\"0-9|10-19\"] }", "1: image.coils: \"0-9|10-19\"" },
	{ "server = { units = (\n{ id = 3 } ) }",
	  "2: server.units[0].plant is missing, expected a plant file, as this plant declares no "
	  "address" },
	{ "image = { coils = 1 }\nserver = { units = ( { id = 3  plant = \"x\" } ) }",
	  "1: image.name is missing, expected \"/NAME\"" },
	{ IMAGE "server = { unknown_unit = 11 }",
	  "2: server.unknown_unit: 11, expected \"0x0B\", \"0x0A\" or \"silence\"" },
	{ IMAGE "server = { unknown_unit = \"0x0C\" }",
	  "2: server.unknown_unit: \"0x0C\", expected \"0x0B\", \"0x0A\"" },

	/* stale */
	{ IMAGE "server = { stale = { range = \"coil 0\" } }",
	  "2: server.stale: not a list of sections, expected stale = (" },
	{ IMAGE "server = { stale = (\n{ source = \"a\" } ) }",
	  "3: server.stale[0].range is missing, expected \"TABLE FIRST-LAST\" (FIRST <= LAST) "
	  "or \"TABLE ADDRESS\"" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 0\" } ) }",
	  "3: server.stale[0].source is missing, expected printable ASCII" },
	{ IMAGE "server = { stale = (\n{ range = \"coils 0\"  source = \"a\" } ) }",
	  "3: server.stale[0].range: \"coils 0\", expected" },
	{ IMAGE "server = { stale = (\n{ range = \"co 0\"  source = \"a\" } ) }",
	  "3: server.stale[0].range: \"co 0\", expected" },
	{ IMAGE "server = { stale = (\n{ range = \"coil\"  source = \"a\" } ) }",
	  "3: server.stale[0].range: \"coil\", expected" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 3-2\"  source = \"a\" } ) }",
	  "3: server.stale[0].range: \"coil 3-2\"" },
	{ IMAGE "server = { stale = (\n{ range = 3  source = \"a\" } ) }",
	  "3: server.stale[0].range: 3, expected" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 3-10\"  source = \"a\" } ) }",
	  "3: server.stale[0].range: \"coil 3-10\" is not declared, expected addresses in the "
	  "image's ranges" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 0-3\"  source = \"a\" },\n{ range = \"coil "
		"3\"  source = \"b\" } ) }",
	  "4: server.stale[1].range: overlaps server.stale[0] (line 3), expected ranges apart" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 3\"  source = \"\" } ) }",
	  "3: server.stale[0].source: \"\", expected printable ASCII in quotes, 1..47 bytes" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 3\"  source = \"a\"  after = \"1ms\" } ) }",
	  "3: server.stale[0].after: \"1ms\", expected a duration" },
	{ IMAGE "server = { stale = (\n{ range = \"coil 3\"  source = \"a\"  answer = \"05\" } ) }",
	  "3: server.stale[0].answer: \"05\", expected \"value\", \"04\", \"06\" or \"0x0B\"" },

	/* files, FIFOs, and what the device tells */
	{ IMAGE "server = { files = (\n{ number = 0  registers = \"100-109\" } ) }",
	  "3: server.files[0].number: 0, expected a whole number 1..65535" },
	{ IMAGE "server = { files = (\n{ number = 1 } ) }",
	  "3: server.files[0].registers is missing, expected \"FIRST-LAST\" (FIRST <= LAST) of the "
	  "holding "
	  "registers, 1..10000 registers" },
	{ IMAGE "server = { files = (\n{ number = 1  registers = \"150-200\" } ) }",
	  "3: server.files[0].registers: \"holding 150-200\" is not declared" },
	{ IMAGE "server = { files = (\n{ number = 1  registers = \"0-10000\" } ) }",
	  "3: server.files[0].registers: \"0-10000\", expected \"FIRST-LAST\" (FIRST <= LAST) of "
	  "the holding "
	  "registers, 1..10000 registers" },
	{ IMAGE "server = { files = (\n{ number = 1  registers = \"holding 100-109\" } ) }",
	  "3: server.files[0].registers: \"holding 100-109\", expected" },
	{ IMAGE "server = { files = (\n{ number = 1  registers = \"100\" },\n{ number = 1  "
		"registers = \"101\" } ) }",
	  "4: server.files[1].number: 1 is taken by server.files[0] (line 3), expected another "
	  "one" },
	{ IMAGE "server = { fifos = (\n{ registers = \"100\" } ) }",
	  "3: server.fifos[0].registers: \"100\", expected \"FIRST-LAST\" (FIRST <= LAST) of the "
	  "holding "
	  "registers, 2..32 registers" },
	{ IMAGE "server = { fifos = (\n{ registers = \"100-132\" } ) }",
	  "3: server.fifos[0].registers: \"100-132\", expected" },
	{ IMAGE "server = { fifos = (\n{ registers = \"90-101\" } ) }",
	  "3: server.fifos[0].registers: \"holding 90-101\" is not declared" },
	{ IMAGE
	  "server = { fifos = (\n{ registers = \"100-110\" },\n{ registers = \"110-120\" } ) }",
	  "4: server.fifos[1].registers: overlaps server.fifos[0] (line 3), expected ranges "
	  "apart" },
	{ IMAGE "server = { exception_status = [\"coil 1\", \"holding 100\"] }",
	  "2: server.exception_status: \"holding 100\", expected a list of \"coil ADDRESS\" or "
	  "\"none\"" },
	{ IMAGE "server = { exception_status = 5 }",
	  "2: server.exception_status: 5, expected a list of" },
	{ IMAGE "server = { exception_status = [\"none\", \"coil 10\"] }",
	  "2: server.exception_status: \"coil 10\" is not declared, expected an address in the "
	  "image's ranges" },
	{ IMAGE "server = { exception_status = (\"none\", \"none\", \"none\", \"none\", \"none\", "
		"\"none\", \"none\", \"none\", \"none\") }",
	  "2: server.exception_status: too many coils, expected at most 8" },
	{ IMAGE "server = { server_id = { id = 256 } }",
	  "2: server.server_id.id: 256, expected a list of bytes 0..255" },
	{ IMAGE "server = { server_id = { id = ( 1, true ) } }",
	  "2: server.server_id.id: true, expected a list of bytes" },
	{ IMAGE "server = { server_id = {\n id = "
		"\"12345678901234567890123456789012345678901234567890123456789012345\" } }",
	  "3: server.server_id.id: too long, expected at most 64 bytes" },
	{ IMAGE "server = { server_id = { text = 5 } }",
	  "2: server.server_id.text: 5, expected printable ASCII in quotes, 0..180" },
	{ IMAGE "server = { server_id = { source = 5 } }",
	  "2: server.server_id.source: 5, expected printable ASCII in quotes, 0..47" },
	{ IMAGE "server = { server_id = { after = \"25h\" } }",
	  "2: server.server_id.after: \"25h\", expected a duration" },

	/* listeners, limits and access */
	{ IMAGE "server = { listen = [\"unix:modbus.sock\"] }",
	  "2: server.listen: \"unix:modbus.sock\", expected a list of \"ADDRESS:PORT\" in digits, "
	  "\"[ADDRESS]:PORT\" for IPv6, "
	  "or \"unix:/PATH\"" },
	{ IMAGE "server = { listen = [\"unix:\"] }", "2: server.listen: \"unix:\", expected" },
	{ IMAGE "server = { listen = [\"unix:/run/\"] }",
	  "2: server.listen: \"unix:/run/\", expected" },
	{ IMAGE "server = { listen = [\"unix:/a b\"] }",
	  "2: server.listen: \"unix:/a b\", expected" },
	{ IMAGE "server = { listen = [\"unix:/" TEXT_96 "\"] }", "2: server.listen: \"unix:/" },
	{ IMAGE "server = { socket_mode = \"0666\" }",
	  "2: server.socket_mode: \"0666\" lets everybody write" },
	{ IMAGE "server = { socket_group = \"no such group\" }",
	  "2: server.socket_group: \"no such group\": no such group" },
	{ IMAGE "server = { max_per_address = 65537 }",
	  "2: server.max_per_address: 65537, expected a whole number 0..65536" },
	{ IMAGE "server = { idle_timeout = 5 }", "2: server.idle_timeout: 5, expected a duration" },
	{ IMAGE "server = { idle_timeout = \"169h\" }",
	  "2: server.idle_timeout: \"169h\", expected a duration" },
	{ IMAGE "server = { frame_timeout = \"0s\" }",
	  "2: server.frame_timeout: \"0s\", expected a duration" },
	{ IMAGE "server = { frame_timeout = \"9ms\" }",
	  "2: server.frame_timeout: \"9ms\", expected a duration" },
	{ IMAGE "server = { read_only = \"yes\" }",
	  "2: server.read_only: \"yes\", expected true or false" },
	{ IMAGE "server = { read_only = 1 }", "2: server.read_only: 1, expected true or false" },
	{ IMAGE "server = { default_access = \"write\" }",
	  "2: server.default_access: \"write\", expected \"all\", \"read\" or \"none\"" },
	{ IMAGE "server = { log = \"all\" }",
	  "2: server.log: \"all\", expected \"errors\", \"connections\" or \"requests\"" },
	{ IMAGE "server = { trace = \"localhost\" }",
	  "2: server.trace: \"localhost\", expected an address in digits, with or without "
	  "\"/BITS\", or \"unix\"" },
	{ IMAGE "server = { trace = \"\" }", "2: server.trace: \"\", expected an address" },
	{ IMAGE "server = { access = { from = \"unix\" } }",
	  "2: server.access: not a list of sections, expected access = ( { ... }, ... )" },
	{ IMAGE "server = { access = [\"unix\"] }", "2: server.access: not a list of sections" },
	{ IMAGE "server = { access = ( \"unix\" ) }",
	  "2: server.access[0]: not a section, expected { ... }" },
	{ IMAGE "server = { access = ( { },\n { form = \"unix\" } ) }",
	  "3: unknown setting 'server.access[1].form'; expected one of from, units, allow, "
	  "functions, write, refuse, keep" },
	{ ACCESS("from = \"10.0.0.0/33\""),
	  "3: server.access[0].from: \"10.0.0.0/33\", expected an address" },
	{ ACCESS("from = \"10.0.0.0/\""), "3: server.access[0].from: \"10.0.0.0/\", expected" },
	{ ACCESS("from = \"10.0.0.0/8 \""), "3: server.access[0].from: \"10.0.0.0/8 \", expected" },
	{ ACCESS("from = \"10.0.0\""), "3: server.access[0].from: \"10.0.0\", expected" },
	{ ACCESS("from = \"10.0.0.0/-1\""), "3: server.access[0].from: \"10.0.0.0/-1\", expected" },
	{ ACCESS("from = \"2001:db8::/129\""),
	  "3: server.access[0].from: \"2001:db8::/129\", expected" },
	{ ACCESS("from = \"unix/0\""), "3: server.access[0].from: \"unix/0\", expected" },
	{ ACCESS("from = \"10.1.0.0/8\""), "3: server.access[0].from: \"10.1.0.0/8\" has bits set "
					   "beyond its /8, expected \"10.0.0.0/8\"" },
	{ ACCESS("from = \"2001:db8::1/32\""),
	  "3: server.access[0].from: \"2001:db8::1/32\" has bits set beyond its /32, expected "
	  "\"2001:db8::/32\"" },
	{ ACCESS("units = [256]"),
	  "3: server.access[0].units: 256, expected a list of unit ids 0..255" },
	{ ACCESS("units = [-1]"), "3: server.access[0].units: -1, expected" },
	{ ACCESS("units = [\"1\"]"), "3: server.access[0].units: \"1\", expected" },
	{ ACCESS("units = []"), "3: server.access[0].units: an empty list, expected at least one, "
				"or no such setting for every unit" },
	{ ACCESS("allow = true"),
	  "3: server.access[0].allow: true, expected \"all\", \"read\" or \"none\"" },
	{ ACCESS("functions = [9]"),
	  "3: server.access[0].functions: 9, expected a list of function codes out of 1, 2," },
	{ ACCESS("functions = []"), "3: server.access[0].functions: an empty list, expected at "
				    "least one, or allow = \"none\"" },
	{ ACCESS("write = [\"input 0-9\"]"), "3: server.access[0].write: \"input 0-9\", expected a "
					     "list of \"TABLE FIRST-LAST\" (FIRST <= LAST) or "
					     "\"TABLE ADDRESS\", TABLE coil or "
					     "holding" },
	{ ACCESS("write = [\"holding 9-0\"]"),
	  "3: server.access[0].write: \"holding 9-0\", expected" },
	{ ACCESS("write = [\"holding 0-65536\"]"),
	  "3: server.access[0].write: \"holding 0-65536\", expected" },
	{ ACCESS("write = [\"holding\"]"), "3: server.access[0].write: \"holding\", expected" },
	{ ACCESS("write = [\"holding 1 2\"]"),
	  "3: server.access[0].write: \"holding 1 2\", expected" },
	{ ACCESS("write = [100]"), "3: server.access[0].write: 100, expected" },
	{ ACCESS("write = []"),
	  "3: server.access[0].write: an empty list, expected at least one, or allow = \"read\"" },
	{ ACCESS("refuse = 2"), "3: server.access[0].refuse: 2, expected \"01\" or \"02\"" },
	{ ACCESS("refuse = \"03\""),
	  "3: server.access[0].refuse: \"03\", expected \"01\" or \"02\"" },
	{ ACCESS("keep = 1"), "3: server.access[0].keep: 1, expected true or false" },

	/* the simulator */
	{ IMAGE "simulator = { source = \"\" }",
	  "2: simulator.source: \"\", expected printable ASCII in quotes, 1..47 bytes" },
	{ IMAGE "simulator = { period = 1 }",
	  "2: simulator.period: 1, expected a duration with its unit (\"250ms\", \"1.5s\", \"2m\", "
	  "\"1h\"), 1ms..1h" },
	{ IMAGE "simulator = { period = \"1\" }",
	  "2: simulator.period: \"1\", expected a duration" },
	{ IMAGE "simulator = { period = \"s\" }",
	  "2: simulator.period: \"s\", expected a duration" },
	{ IMAGE "simulator = { period = \"\" }", "2: simulator.period: \"\", expected a duration" },
	{ IMAGE "simulator = { period = \"1 s\" }",
	  "2: simulator.period: \"1 s\", expected a duration" },
	{ IMAGE "simulator = { period = \"1sec\" }",
	  "2: simulator.period: \"1sec\", expected a duration" },
	{ IMAGE "simulator = { period = \"-1s\" }",
	  "2: simulator.period: \"-1s\", expected a duration" },
	{ IMAGE "simulator = { period = \"1.s\" }",
	  "2: simulator.period: \"1.s\", expected a duration" },
	{ IMAGE "simulator = { period = \".5s\" }",
	  "2: simulator.period: \".5s\", expected a duration" },
	{ IMAGE "simulator = { period = \"1.5ms\" }",
	  "2: simulator.period: \"1.5ms\", expected a duration" },
	{ IMAGE "simulator = { period = \"1.0005s\" }",
	  "2: simulator.period: \"1.0005s\", expected a duration" },
	{ IMAGE "simulator = { period = \"0s\" }",
	  "2: simulator.period: \"0s\", expected a duration" },
	{ IMAGE "simulator = { period = \"60.1m\" }",
	  "2: simulator.period: \"60.1m\", expected a duration" },
	{ IMAGE "simulator = { period = \"99999999999999999999h\" }",
	  "2: simulator.period: \"99999999999999999999h\", expected a duration" },
	{ IMAGE "simulator = { start_delay = \"3601s\" }",
	  "2: simulator.start_delay: \"3601s\", expected a duration with its unit (\"250ms\", "
	  "\"1.5s\", \"2m\", \"1h\"), 0ms..1h" },
	{ IMAGE "simulator = { seed = -1 }",
	  "2: simulator.seed: -1, expected a whole number 0..9223372036854775807" },
	{ IMAGE "simulator = { seed = 9223372036854775808 }",
	  "2: the number 9223372036854775808 is too large, expected at most 9223372036854775807" },
	{ IMAGE "simulator = { seed = 0xFFFFFFFFFFFFFFFF }",
	  "2: the number 0xFFFFFFFFFFFFFFFF is too large" },
	{ IMAGE "simulator = { seed = 99999999999999999999L }",
	  "2: the number 99999999999999999999L is too large" },

	/* points */
	{ POINT("model = \"toss 0.5\""), "2: points.p.address is missing, expected \"TABLE "
					 "ADDRESS\", TABLE coil, discrete, holding or input" },
	{ POINT("address = \"coil 1\""), "2: points.p.model is missing, expected a model" },
	{ POINT("address = \"coils 1\" model = \"toss 0.5\""),
	  "3: points.p.address: \"coils 1\", expected \"TABLE ADDRESS\"" },
	{ POINT("address = \"coil\" model = \"toss 0.5\""),
	  "3: points.p.address: \"coil\", expected" },
	{ POINT("address = \"coil1\" model = \"toss 0.5\""),
	  "3: points.p.address: \"coil1\", expected" },
	{ POINT("address = \"coil 1 2\" model = \"toss 0.5\""),
	  "3: points.p.address: \"coil 1 2\", expected" },
	{ POINT("address = \"holding 65536\" model = \"toss 0.5\""),
	  "3: points.p.address: \"holding 65536\", expected" },
	{ POINT("address = \"holding 40001.5\" model = \"toss 0.5\""),
	  "3: points.p.address: \"holding 40001.5\", expected" },
	{ POINT("address = 5 model = \"toss 0.5\""), "3: points.p.address: 5, expected" },
	{ POINT("address = \"coil 10\" model = \"toss 0.5\""),
	  "3: points.p.address: \"coil 10\" is not declared, expected an address in the image's "
	  "ranges" },
	{ POINT("address = \"holding 99\" model = \"toss 0.5\""),
	  "3: points.p.address: \"holding 99\" is not declared" },
	{ POINT("address = \"input 100\" model = \"toss 0.5\""),
	  "3: points.p.address: \"input 100\" is not declared" },
	{ POINT("address = \"coil 1\" model = \"toss 0.5\"\ntype = \"u16\""),
	  "4: points.p.type: \"u16\" does not fit address \"coil 1\", expected \"bool\"" },
	{ POINT("address = \"holding 100\" model = \"toss 0.5\"\ntype = \"bool\""),
	  "4: points.p.type: \"bool\" does not fit address \"holding 100\", expected \"u16\"" },
	{ POINT("address = \"coil 1\" model = \"toss 0.5\"\ntype = \"i32\""),
	  "4: points.p.type: \"i32\", expected \"bool\" or \"u16\"" },
	{ POINT("address = \"coil 1\"\nmodel = \"tos 0.5\""),
	  "4: points.p.model: no model is called \"tos\", expected one of" },
	{ POINT("address = \"coil 1\"\nmodel = \"toss 1.5\""),
	  "4: points.p.model: model toss: P is \"1.5\"" },
	{ POINT("address = \"coil 1\"\nmodel = \"uniform 0 2\""),
	  "4: points.p.model: model uniform: HIGH is \"2\"" },
	{ POINT("address = \"holding 100\"\nmodel = \"uniform 0 65536\""),
	  "4: points.p.model: model uniform: HIGH is \"65536\"" },
	{ POINT("address = \"coil 1\"\nmodel = \"\""),
	  "4: points.p.model: no model is called \"\"" },
	{ POINT("address = \"coil 1\"\nmodel = 5"),
	  "4: points.p.model: 5, expected a model and its parameters in quotes" },
	{ IMAGE "points = {\n a = { address = \"coil 1\" model = \"toss 0.5\" }\n"
		" b = { address = \"coil 2\" model = \"toss 0.5\" }\n c = { address = \"coil 1\" "
		"model = \"toss 0.5\" } }\n",
	  "5: points.c.address: \"coil 1\" is taken by points.a (line 3), expected an address of "
	  "its own" },

	/* includes */
	{ IMAGE "@include \"nope.conf\"\n", "2: \"nope.conf\": No such file or directory" },
	{ IMAGE "\n@include \".\"\n", "3: \".\": is a folder, expected a regular file" },
	{ IMAGE "@include \"/dev/zero\"\n",
	  "2: \"/dev/zero\": is a pipe or device, expected a regular file" },
	{ IMAGE "@include nope.conf\n", "2: expected @include \"FILE\"" },
	{ IMAGE "@include \"\"\n", "2: expected @include \"FILE\"" },
	{ IMAGE "@import \"x\"\n", "2: expected @include \"FILE\"" },
	{ IMAGE "@include \"plant.conf\"\n",
	  "2: too many includes, expected at most 64, nested at most 10" },
};

static void refuses_what_is_wrong(void **state)
{
	(void)state;
	write_text("bad.conf", IMAGE "server = { wokers = 1 }\n");
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
		char error[PLANT_ERROR_SIZE] = "", expected[512];
		struct plant *plant = NULL;
		write_text("plant.conf", wrongs[i].text);
		int rc = plant_load("plant.conf", &plant, error);
		snprintf(expected, sizeof expected, "plant.conf:%s", wrongs[i].message);
		if (rc >= 0 || strncmp(error, expected, strlen(expected)) != 0)
			fail_msg("%s\ngave     %d %s\nexpected %s...", wrongs[i].text, rc, error,
				 expected);
	}
}

static void refuses_too_much(void **state)
{
	(void)state;
	char error[PLANT_ERROR_SIZE], text[16384];
	struct plant *plant;
	int used = snprintf(text, sizeof text, "image = { name = \"/x\" coils = [ 0");
	for (int i = 1; i <= MBSHM_SPANS_MAX; i++)
		used += snprintf(text + used, sizeof text - (size_t)used, ", %d", 2 * i);
	snprintf(text + used, sizeof text - (size_t)used, "] }");
	write_text("plant.conf", text);
	assert_int_equal(plant_load("plant.conf", &plant, error), -EINVAL);
	assert_string_equal(error, "plant.conf:1: image.coils: too many spans, expected at most "
				   "256 in all four lists together");

	used = snprintf(text, sizeof text, IMAGE "server = { listen = ( \"127.0.0.1:0\"");
	for (int i = 0; i < PLANT_LISTEN_MAX; i++)
		used += snprintf(text + used, sizeof text - (size_t)used, ", \"127.0.0.1:%d\"", i);
	snprintf(text + used, sizeof text - (size_t)used, ") }");
	write_text("plant.conf", text);
	assert_int_equal(plant_load("plant.conf", &plant, error), -EINVAL);
	assert_string_equal(error,
			    "plant.conf:2: server.listen: too many addresses, expected at most 16");

	snprintf(text, sizeof text, IMAGE "server = { identity = { vendor_name = \"%0245d\" } }",
		 0);
	write_text("plant.conf", text);
	assert_int_equal(plant_load("plant.conf", &plant, error), -EINVAL);
	assert_non_null(strstr(error, "plant.conf:2: server.identity.vendor_name: \"0000"));
	assert_non_null(strstr(error, "\"..., expected printable ASCII in quotes, 0..244 bytes"));

	snprintf(text, sizeof text,
		 IMAGE "points = { p%063d = { address = \"coil 1\" model = \"toss 1\" } }", 0);
	write_text("plant.conf", text);
	assert_int_equal(plant_load("plant.conf", &plant, error), -EINVAL);
	assert_non_null(strstr(error, "a name of 64 characters, expected at most 63"));

	snprintf(text, sizeof text, "image = { name = \"/%0255d\" coils = [1] }", 0);
	write_text("plant.conf", text);
	assert_int_equal(plant_load("plant.conf", &plant, error), -EINVAL);
	assert_non_null(strstr(error, "plant.conf:1: image.name: \"/000"));
}

static void refuses_too_many_rules(void **state)
{
	(void)state;
	char error[PLANT_ERROR_SIZE], text[1024] = IMAGE "server = { access = ( { }";
	struct plant *plant;
	for (int i = 0; i < PLANT_ACCESS_MAX; i++)
		strcat(text, ", { }");
	strcat(text, " ) }");
	write_text("plant.conf", text);
	assert_int_equal(plant_load("plant.conf", &plant, error), -EINVAL);
	assert_string_equal(error, "plant.conf:2: server.access: 64 rules, expected at most 63");
}

static void expect_unreadable(const char *path, int rc, const char *message)
{
	struct plant *plant;
	char error[PLANT_ERROR_SIZE];
	assert_int_equal(plant_load(path, &plant, error), rc);
	assert_string_equal(error, message);
}

static void refuses_what_is_no_file(void **state)
{
	(void)state;
	expect_unreadable("nope", -ENOENT, "nope: No such file or directory");
	expect_unreadable("", -ENOENT, ": No such file or directory");
	expect_unreadable("/", -EINVAL, "/: is a folder, expected a regular file");
	expect_unreadable("/dev/zero", -EINVAL,
			  "/dev/zero: is a pipe or device, expected a regular file");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	expect_unreadable("fifo", -EINVAL, "fifo: is a pipe or device, expected a regular file");
	write_bytes("binary", "image\0 = {", 10);
	expect_unreadable("binary", -EINVAL, "binary: is not text: it has a NUL byte");
	write_text("large", "#");
	assert_int_equal(truncate("large", 100 << 20), 0);
	expect_unreadable("large", -EINVAL,
			  "large: is too large, expected at most 1 MiB with all includes");
	write_text("secret", "#");
	assert_int_equal(chmod("secret", 0), 0);
	if (geteuid() != 0)
		expect_unreadable("secret", -EACCES, "secret: Permission denied");
	write_text("plant.conf", "@include \"fifo\"");
	expect_unreadable("plant.conf", -EINVAL,
			  "plant.conf:1: \"fifo\": is a pipe or device, expected a regular file");
}

/* The text fills its buffer: looking for more behind the "@" would leave it. */
static void refuses_a_cut_include(void **state)
{
	(void)state;
	char *text = malloc(TEXT_BYTES_MAX);
	assert_non_null(text);
	memset(text, ' ', TEXT_BYTES_MAX);
	text[TEXT_BYTES_MAX - 1] = '@';
	write_bytes("plant.conf", text, TEXT_BYTES_MAX);
	free(text);
	expect_unreadable("plant.conf", -EINVAL, "plant.conf:1: expected @include \"FILE\"");
}

static char *default_as_it_is(void)
{
	char *text = default_text(&(struct plant_wish){ 0 });
	assert_non_null(text);
	return text;
}

/* ---- what is read -------------------------------------------------------------------------- */

static void reads_the_default(void **state)
{
	(void)state;
	struct plant *plant;
	char error[PLANT_ERROR_SIZE];
	if (plant_load(NULL, &plant, error))
		fail_msg("%s", error);
	assert_string_equal(plant->file, "built-in default");
	/* The user's own: another's, or the installed plant's, is not in the way. */
	char name[64];
	snprintf(name, sizeof name, "/mbimage-%u-default", (unsigned)geteuid());
	assert_string_equal(plant->image.name, name);
	assert_int_equal(plant->image.layout.span_count, 5);
	assert_int_equal(plant->image.mode, 0660);
	assert_int_equal(plant->image.group, (gid_t)-1);
	assert_int_equal(plant->image.pool_pages, 0);
	assert_int_equal(plant->server.listen_count, 1);
	assert_string_equal(plant->server.listen[0].text, "127.0.0.1:5020");
	assert_string_equal(plant->server.listen[0].host, "127.0.0.1");
	assert_string_equal(plant->server.listen[0].port, "5020");
	assert_string_equal(plant->server.identity.objects[5], "Industrial IoT CLP Server");
	assert_int_equal(plant->simulator.period_ms, 1000);
	assert_int_equal(plant->simulator.start_delay_ms, 2000);
	assert_int_equal(plant->point_count, 2);
	assert_string_equal(plant->points[0].name, "process_value");
	assert_int_equal(plant->points[0].table, MBSHM_HOLDING_REGISTERS);
	assert_int_equal(plant->points[0].addr, 1000);
	assert_int_equal(plant->points[0].type, MBSHM_U16);
	assert_true(plant->points[0].model.params[0] == 380 &&
		    plant->points[0].model.params[1] == 420);
	assert_string_equal(plant->points[1].name, "relay");
	assert_int_equal(plant->points[1].table, MBSHM_COILS);
	assert_int_equal(plant->points[1].type, MBSHM_BOOL);
	plant_free(plant);
}

static void reads_the_default_as_wished(void **state)
{
	(void)state;
	struct plant *plant, *again;
	char error[PLANT_ERROR_SIZE], name[64];
	assert_int_equal(plant_load_default(&(struct plant_wish){ .port = 1502 }, &plant, error),
			 0);
	snprintf(name, sizeof name, "/mbimage-%u-default", (unsigned)geteuid());
	assert_string_equal(plant->image.name, name);
	assert_string_equal(plant->server.listen[0].text, "127.0.0.1:1502");
	assert_int_equal(plant->point_count, 2);
	plant_free(plant);

	const struct plant_wish wish = { .port = 65535, .items = 65536 };
	assert_int_equal(plant_load_default(&wish, &plant, error), 0);
	assert_int_equal(plant_reload(plant, &again, error), 0);
	snprintf(name, sizeof name, "/mbimage-%u-65535-65536", (unsigned)geteuid());
	assert_string_equal(again->image.name, name);
	assert_string_equal(again->server.listen[0].text, "127.0.0.1:65535");
	for (unsigned table = 0; table < MBSHM_TABLES; table++)
		assert_true(mbshm_layout_has(&again->image.layout, table, 0, MBSHM_ITEMS));
	assert_int_equal(again->point_count, 0);
	plant_free(again);
	plant_free(plant);
}

static void fills_in_defaults(void **state)
{
	(void)state;
	struct plant *plant = load("image = { name = \"/x\" input_registers = 7 }");
	assert_string_equal(plant->file, "plant.conf");
	assert_int_equal(plant->image.mode, 0660);
	assert_int_equal(plant->image.group, (gid_t)-1);
	assert_int_equal(plant->image.pool_pages, 0);
	assert_int_equal(plant->server.listen_count, 1);
	assert_string_equal(plant->server.listen[0].text, "127.0.0.1:5020");
	assert_int_equal(plant->server.workers, 0);
	assert_int_equal(plant->server.log, PLANT_LOG_ERRORS);
	assert_int_equal(plant->server.max_connections, 1024);
	assert_string_equal(plant->server.identity.objects[0], "mbimage");
	assert_string_equal(plant->server.identity.objects[2], MBIMAGE_VERSION);
	assert_string_equal(plant->server.identity.objects[6], "");
	assert_int_equal(plant->simulator.period_ms, 1000);
	assert_int_equal(plant->simulator.start_delay_ms, 2000);
	assert_int_equal(plant->simulator.seed, 0);
	assert_int_equal(plant->point_count, 0);
	plant_free(plant);
}

static void reads_everything(void **state)
{
	(void)state;
	struct group *group = getgrgid(getegid());
	char text[4096];
	snprintf(text, sizeof text,
		 "image = { name = \"/%0246d\" mode = \"640\" pool = 0x100%s%s%s\n"
		 "coils = ( 0, \"1-3\", \"65535\" ) holding_registers = \"0-9\" }\r\n"
		 "server = { listen = [ \"[::1]:0\", \"0.0.0.0:502\", \"[fe80::1%%eth0]:65535\" ];"
		 "workers = 64, max_connections = 65536\n"
		 "identity : { vendor_name = \"a \\\"b\\\\\" \"c\" product_code = \"%0244d\" } }\n"
		 "simulator = { period = \"1h\" start_delay = \"0ms\" seed = 0x7FFFFFFFFFFFFFFF }\n"
		 "points = { a-1 = { address = \"coil  65535\" model = \"constant 1\" }\n"
		 "* = { model = \"constant 65535\" address = \"holding 0\" } }\n",
		 0, group ? " group = \"" : "", group ? group->gr_name : "", group ? "\"" : "", 0);
	struct plant *plant = load(text);
	assert_int_equal(strlen(plant->image.name), MBSHM_NAME_NEW);
	assert_int_equal(plant->image.mode, 0640);
	assert_int_equal(plant->image.pool_pages, 256);
	assert_int_equal(plant->image.group, group ? getegid() : (gid_t)-1);
	assert_int_equal(plant->server.listen_count, 3);
	assert_string_equal(plant->server.listen[0].host, "::1");
	assert_string_equal(plant->server.listen[0].port, "0");
	assert_string_equal(plant->server.listen[1].host, "0.0.0.0");
	assert_string_equal(plant->server.listen[2].host, "fe80::1%eth0");
	assert_string_equal(plant->server.listen[2].text, "[fe80::1%eth0]:65535");
	assert_int_equal(plant->server.workers, 64);
	assert_int_equal(plant->server.max_connections, 65536);
	assert_string_equal(plant->server.identity.objects[0], "a \"b\\c");
	assert_int_equal(strlen(plant->server.identity.objects[1]), OBJECT_MAX);
	assert_int_equal(plant->simulator.period_ms, 3600000);
	assert_int_equal(plant->simulator.start_delay_ms, 0);
	assert_true(plant->simulator.seed == INT64_MAX);
	assert_int_equal(plant->point_count, 2);
	assert_string_equal(plant->points[0].name, "a-1");
	assert_int_equal(plant->points[0].addr, 65535);
	assert_int_equal(plant->points[0].line, 6);
	assert_string_equal(plant->points[1].name, "*");
	assert_int_equal(plant->points[1].type, MBSHM_U16);
	assert_int_equal(plant->points[1].line, 7);
	plant_free(plant);
}

/* Plants in other plants: relative to the first, once for all units of one file, without their own
 * units; "" is this one. */
static void reads_units(void **state)
{
	(void)state;
	mkdir("units", 0700);
	write_text("units/pump.conf", "image = { name = \"/pump\" coils = 1 }\n"
				      "server = { identity = { product_code = \"P\" } units = ( { "
				      "id = 1  plant = \"nope\" } ) }\n");
	write_text("units/main.conf", IMAGE "server = { unknown_unit = \"silence\"  units = ( { id "
					    "= 3  plant = \"pump.conf\" },\n"
					    "{ id = 0  plant = \"pump.conf\" }, { id = 255 }, { id "
					    "= 7  plant = \"main.conf\" } ) }\n");
	struct plant *plant;
	char error[PLANT_ERROR_SIZE];
	if (plant_load("units/main.conf", &plant, error))
		fail_msg("%s", error);
	const struct plant_server *server = &plant->server;
	assert_int_equal(server->unknown_unit, ANSWER_SILENCE);
	assert_int_equal(server->unit_count, 4);
	assert_int_equal(server->units[0].id, 3);
	assert_string_equal(server->units[0].plant->file, "units/pump.conf");
	assert_string_equal(server->units[0].plant->image.name, "/pump");
	assert_string_equal(server->units[0].plant->server.identity.objects[1], "P");
	assert_null(server->units[0].plant->server.units[0].plant);
	assert_ptr_equal(server->units[1].plant, server->units[0].plant);
	assert_null(server->units[2].plant);
	assert_int_equal(server->units[3].plant->server.unit_count,
			 4); /* itself: no end of it otherwise */
	plant_free(plant);
}

static void reads_devices(void **state)
{
	(void)state;
	struct plant *plant = load(IMAGE);
	const struct plant_server *server = &plant->server;
	assert_int_equal(server->file_count + server->fifo_count + server->stale_count +
				 server->unit_count + server->status.count,
			 0);
	assert_int_equal(server->unknown_unit, 0x0B);
	assert_int_equal(server->server_id.id.count, 1);
	assert_int_equal(server->server_id.id.bytes[0], 1);
	assert_int_equal(server->server_id.after_ms, 5000);
	assert_string_equal(server->server_id.source, "");
	assert_string_equal(plant->simulator.source, "simulatord");
	for (unsigned code = 0; code < 256; code++)
		assert_int_equal(
			function_set_has(&server->functions, (uint8_t)code),
			code != 0 && code < 256 &&
				memchr("\1\2\3\4\5\6\7\10\13\14\17\20\21\24\25\26\27\30\53",
				       (int)code, 19));
	plant_free(plant);

	plant = load(IMAGE "server = { functions = [3, 43]  unknown_unit = \"0x0A\"\n"
			   "files = ( { number = 65535  registers = \"100-199\" }, { number = 2  "
			   "registers = \"150\" } )\n"
			   "fifos = ( { registers = \"100-131\" }, { registers = \"132-133\" } )\n"
			   "stale = ( { range = \"holding 100-109\"  source = \"a b\" },\n"
			   "          { range = \"coil 3\"  source = \"c\"  after = \"1.5s\"  "
			   "answer = \"value\" } )\n"
			   "exception_status = [\"none\", \"coil 9\"]\n"
			   "server_id = { id = ( \"ab\", 255 )  text = \"t\"  source = \"s\"  "
			   "after = \"2s\" } }\n"
			   "simulator = { source = \"boiler 1\" }");
	server = &plant->server;
	assert_true(function_set_has(&server->functions, 43) &&
		    !function_set_has(&server->functions, 4));
	assert_int_equal(server->unknown_unit, 0x0A);
	assert_int_equal(server->file_count, 2);
	assert_int_equal(server->files[0].number, 65535);
	assert_int_equal(server->files[0].registers.table, MBSHM_HOLDING_REGISTERS);
	assert_int_equal(server->files[0].registers.first, 100);
	assert_int_equal(server->files[0].registers.count, 100);
	assert_int_equal(server->files[1].registers.count, 1);
	assert_int_equal(server->fifo_count, 2);
	assert_int_equal(server->fifos[0].registers.count, 32);
	assert_int_equal(server->stale_count, 2);
	assert_int_equal(server->stale[0].span.table, MBSHM_HOLDING_REGISTERS);
	assert_int_equal(server->stale[0].span.count, 10);
	assert_string_equal(server->stale[0].source, "a b");
	assert_int_equal(server->stale[0].after_ms, 5000);
	assert_int_equal(server->stale[0].answer, 4);
	assert_int_equal(server->stale[1].span.first, 3);
	assert_int_equal(server->stale[1].after_ms, 1500);
	assert_int_equal(server->stale[1].answer, 0);
	assert_int_equal(server->status.count, 2);
	assert_int_equal(server->status.coils[0], -1);
	assert_int_equal(server->status.coils[1], 9);
	assert_int_equal(server->server_id.id.count, 3);
	assert_memory_equal(server->server_id.id.bytes, "ab\xff", 3);
	assert_string_equal(server->server_id.source, "s");
	assert_string_equal(plant->simulator.source, "boiler 1");
	plant_free(plant);
}

static void reads_access(void **state)
{
	(void)state;
	struct plant *plant =
		load(IMAGE "server = { listen = (\"unix:/run/x.sock\")  read_only = true  "
			   "default_access = \"none\"\n"
			   "idle_timeout = \"0s\"  frame_timeout = \"2s\"  max_per_address = 7  "
			   "log = \"requests\"  trace = \"10.0.0.0/8\"  socket_mode = \"0600\"\n"
			   "access = ( { }, { from = \"::ffff:10.0.0.0/104\"  units = (0, 255)  "
			   "allow = \"read\"  refuse = \"01\"  keep = true },\n"
			   "{ from = \"unix\"  functions = [3, 43]  write = (\"coil 5\", \"holding "
			   "1-3\", \"holding 4\")  allow = \"none\" } ) }");
	const struct plant_server *server = &plant->server;
	assert_string_equal(server->listen[0].host, "/run/x.sock");
	assert_string_equal(server->listen[0].port, "");
	assert_true(server->read_only);
	assert_int_equal(server->default_access, PLANT_ALLOW_NONE);
	assert_int_equal(server->idle_timeout_ms, 0);
	assert_int_equal(server->frame_timeout_ms, 2000);
	assert_int_equal(server->max_per_address, 7);
	assert_int_equal(server->socket_mode, 0600);
	assert_int_equal(server->log, PLANT_LOG_REQUESTS);
	assert_int_equal(server->trace.family, AF_INET);
	assert_int_equal(server->access_count, 3);
	const struct plant_access *rule = server->access;
	assert_int_equal(rule[0].from.family, 0);
	assert_int_equal(rule[0].allow, PLANT_ALLOW_ALL);
	assert_int_equal(rule[0].refusal, 2);
	assert_int_equal(rule[0].units[0] | rule[0].functions.words[0] | rule[0].writes.span_count |
				 rule[0].keep,
			 0);
	assert_int_equal(rule[1].from.family, AF_INET); /* mapped */
	assert_int_equal(rule[1].from.bits, 8);
	assert_int_equal(rule[1].from.address[0], 10);
	assert_true(rule[1].units[0] == 1 && rule[1].units[3] == UINT64_C(1) << 63);
	assert_int_equal(rule[1].allow, PLANT_ALLOW_READ);
	assert_int_equal(rule[1].refusal, 1);
	assert_true(rule[1].keep);
	assert_int_equal(rule[2].from.family, AF_UNIX);
	assert_true(function_set_has(&rule[2].functions, 43) &&
		    !function_set_has(&rule[2].functions, 4));
	assert_int_equal(rule[2].writes.span_count, 2); /* merged */
	plant_free(plant);
}

/* The file of saved values lies beside the plant, unless it is named from the root. */
static void places_retain(void **state)
{
	(void)state;
	char path[sizeof folder + 32], expected[sizeof folder + 32], error[PLANT_ERROR_SIZE];
	struct plant *plant = load(IMAGE);
	assert_null(plant->image.retain);
	plant_free(plant);
	plant = load(IN_IMAGE("retain = \"x.values\""));
	assert_string_equal(plant->image.retain, "x.values");
	plant_free(plant);
	snprintf(path, sizeof path, "%s/plant.conf", folder);
	snprintf(expected, sizeof expected, "%s/x.values", folder);
	assert_int_equal(plant_load(path, &plant, error), 0);
	assert_string_equal(plant->image.retain, expected);
	plant_free(plant);
	plant = load(IN_IMAGE("retain = \"/var/x.values\""));
	assert_string_equal(plant->image.retain, "/var/x.values");
	plant_free(plant);
}

static void reads_durations(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{ "1ms", 1 },        { "250ms", 250 },       { "1.5s", 1500 },
		{ "0.001s", 1 },     { "0.250000s", 250 },   { "2m", 120000 },
		{ "0.5h", 1800000 }, { "59.999m", 3599940 }, { "3600s", 3600000 },
	};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char text[256];
		snprintf(text, sizeof text, IMAGE "simulator = { period = \"%s\" }", good[i].text);
		struct plant *plant = load(text);
		assert_int_equal(plant->simulator.period_ms, good[i].ms);
		plant_free(plant);
	}
}

static void merges_spans(void **state)
{
	(void)state;
	struct plant *plant =
		load("image = { name = \"/x\" coils = [\"10-19\", \"0-9\", \"15-25\", \"27\"]\n"
		     "discrete_inputs = [\"28-30\"] }");
	const struct mbshm_layout *layout = &plant->image.layout;
	assert_int_equal(layout->span_count, 3);
	assert_int_equal(layout->spans[0].first, 0);
	assert_int_equal(layout->spans[0].count, 26);
	assert_int_equal(layout->spans[1].first, 27);
	assert_int_equal(layout->spans[1].count, 1);
	assert_int_equal(layout->spans[2].table, MBSHM_DISCRETE_INPUTS);
	plant_free(plant);
}

/* Comments, and what only looks like one, must not move a line or eat a setting. */
static void reads_comments(void **state)
{
	(void)state;
	struct plant *plant = load("// first\n/* second\n * third */ image = { /**/ name = \"/#x\" "
				   "/* a */ coils = [\"0-9\"] # b\n}\n"
				   "server = { identity = { vendor_url = \"http://x/*y\" } } /* a "
				   "*/ simulator = { seed = 5 } /* b */\n"
				   "points = { p1 = { address = \"coil 1\" // \"\n model = \"toss "
				   "1\" } } # no newline at the end");
	assert_string_equal(plant->image.name, "/#x");
	assert_string_equal(plant->server.identity.objects[3], "http://x/*y");
	assert_int_equal(plant->simulator.seed, 5);
	assert_int_equal(plant->points[0].line, 6);
	plant_free(plant);
}

static void reads_includes(void **state)
{
	(void)state;
	assert_int_equal(mkdir("sub", 0700), 0);
	char absolute[128], error[PLANT_ERROR_SIZE];
	snprintf(absolute, sizeof absolute, "simulator = { seed = 7 }\n@include \"%s/sub/c.conf\"",
		 folder);
	write_text("sub/a.conf", "# nothing\n@include \"b.conf\"\n" IMAGE);
	write_text("sub/b.conf", absolute);
	write_text("sub/c.conf", "server = { workers = 3 }\n");
	struct plant *plant;
	if (plant_load("sub/a.conf", &plant, error))
		fail_msg("%s", error);
	assert_int_equal(plant->simulator.seed, 7);
	assert_int_equal(plant->server.workers, 3);
	plant_free(plant);

	write_text("sub/c.conf", "\n\nserver = { worker = 3 }\n");
	assert_int_equal(plant_load("sub/a.conf", &plant, error), -EINVAL);
	char expected[256];
	snprintf(expected, sizeof expected, "%s/sub/c.conf:3: unknown setting 'server.worker'",
		 folder);
	assert_memory_equal(error, expected, strlen(expected));

	write_text("sub/b.conf", "server = {\n workers = ");
	assert_int_equal(plant_load("sub/a.conf", &plant, error), -EINVAL);
	assert_non_null(strstr(error, "syntax error"));
	write_text("sub/b.conf", "simulator = { seed = 5 }\nsimulator = { seed = 5 }\n");
	assert_int_equal(plant_load("sub/a.conf", &plant, error), -EINVAL);
	assert_string_equal(error, "sub/b.conf:2: duplicate setting name, expected each name once "
				   "in its section");
}

/* ---- the table, and addresses -------------------------------------------------------------- */

static void rows_are_complete(void **state)
{
	(void)state;
	const struct setting_row *row;
	size_t count = 0;
	for (; (row = setting_row(sections, count)); count++) {
		char expected[256];
		setting_expected(row, expected, sizeof expected);
		assert_true(strlen(expected) > 0 && strlen(row->help) > 0);
		assert_true(row->min <= row->max);
		assert_false(row->preset && row->otherwise);
		assert_true(row->size > 0);
		for (size_t i = 0; i < count; i++)
			assert_string_not_equal(setting_row(sections, i)->path, row->path);
	}
	assert_true(count > 20);
}

/* Numbers of every width, with 0xAA around each. */
static struct widths {
	uint8_t before, one, between, unused;
	uint16_t two, after_two;
	uint32_t four, after_four;
	uint64_t eight, after_eight;
} widths;

static void numbers_keep_their_width(void **state)
{
	(void)state;
#define NUMBER(path, limit, member)                                            \
	{                                                                      \
		path, &kind_number, .max = limit, FIELD(struct widths, member) \
	}
	static const struct setting_row rows[] = {
		NUMBER("w.one", UINT8_MAX, one),
		NUMBER("w.two", UINT16_MAX, two),
		NUMBER("w.four", UINT32_MAX, four),
		NUMBER("w.eight", INT64_MAX, eight),
	};
	const struct setting_section section = { ROWS(rows), NULL };
	struct plant_text text;
	char error[PLANT_ERROR_SIZE];
	memset(&widths, 0xaa, sizeof widths);
	assert_int_equal(text_open(&text, "widths", "w = { one = 1  two = 2  four = 4  eight = 8 }",
				   error),
			 0);
	assert_int_equal(settings_read(&text, &section, &widths), 0);
	text_close(&text);
	assert_int_equal(widths.one, 1);
	assert_int_equal(widths.two, 2);
	assert_int_equal(widths.four, 4);
	assert_int_equal(widths.eight, 8);
	assert_int_equal(widths.before & widths.between & widths.unused, 0xaa);
	assert_int_equal(widths.after_two, 0xaaaa);
	assert_int_equal(widths.after_four, 0xaaaaaaaa);
	assert_true(widths.after_eight == 0xaaaaaaaaaaaaaaaa);
}

/* ---- hostile input ------------------------------------------------------------------------- */

/* Whatever the bytes: read, or refused in one line that names the file.  The sanitizers watch. */
static void expect_answer(const char *bytes, size_t size)
{
	char error[PLANT_ERROR_SIZE] = "";
	struct plant *plant = NULL;
	write_bytes("hostile.conf", bytes, size);
	int rc = plant_load("hostile.conf", &plant, error);
	if (rc == 0) {
		assert_non_null(plant);
		plant_free(plant);
	} else {
		assert_memory_equal(error, "hostile.conf:", 13);
		for (const char *c = error; *c; c++)
			assert_true((unsigned char)*c >= ' ');
	}
}

static void survives_truncation(void **state)
{
	(void)state;
	char *text = default_as_it_is();
	for (size_t size = 0; size <= strlen(text); size++)
		expect_answer(text, size);
	free(text);
}

static void survives_mutation(void **state)
{
	(void)state;
	static const char spice[] = "\"\\{}[]()=;,#/*@\n\t-.0xLe9\x80\xff";
	char *whole = default_as_it_is();
	size_t size = strlen(whole);
	char *text = malloc(size + 1);
	assert_non_null(text);
	unsigned seed = 20240611;
	print_message("# seed %u\n", seed);
	for (int round = 0; round < 4000; round++) {
		memcpy(text, whole, size + 1);
		for (int change = rand_r(&seed) % 4; change >= 0; change--) {
			size_t at = (size_t)rand_r(&seed) % size,
			       from = (size_t)rand_r(&seed) % size;
			if (rand_r(&seed) % 2)
				text[at] = spice[(size_t)rand_r(&seed) % (sizeof spice - 1)];
			else
				memmove(text + at, text + from,
					(size - (at > from ? at : from)) % 64);
		}
		expect_answer(text, size);
	}
	free(whole);
	free(text);
}

static void survives_repetition(void **state)
{
	(void)state;
	static const char *const units[] = {
		"a={", "a=(", "(", "{", "[",  "@include \"hostile.conf\"\n", "\"", "a=1;\n",
		"/*",  "\\",  "1", "a", "\n",
	};
	char *text = malloc(TEXT_BYTES_MAX + 64);
	assert_non_null(text);
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		size_t size = 0;
		while (size < TEXT_BYTES_MAX - 64)
			size += (size_t)sprintf(text + size, "%s", units[i]);
		expect_answer(text, size);
	}
	free(text);
}

/* libconfig 1.5 loses a text that stands where none may: some bytes per refused file.
 * LeakSanitizer, where it is linked, asks here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(refuses_too_much),
		cmocka_unit_test(refuses_too_many_rules),
		cmocka_unit_test(refuses_what_is_no_file),
		cmocka_unit_test(refuses_a_cut_include),
		cmocka_unit_test(reads_the_default),
		cmocka_unit_test(reads_the_default_as_wished),
		cmocka_unit_test(fills_in_defaults),
		cmocka_unit_test(reads_everything),
		cmocka_unit_test(reads_units),
		cmocka_unit_test(reads_devices),
		cmocka_unit_test(reads_access),
		cmocka_unit_test(places_retain),
		cmocka_unit_test(reads_durations),
		cmocka_unit_test(merges_spans),
		cmocka_unit_test(reads_comments),
		cmocka_unit_test(reads_includes),
		cmocka_unit_test(rows_are_complete),
		cmocka_unit_test(numbers_keep_their_width),
		cmocka_unit_test(survives_truncation),
		cmocka_unit_test(survives_mutation),
		cmocka_unit_test(survives_repetition),
	};
	return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
