/* Networks: how they are written, which addresses they have, and peers as text. */
#include "base/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

static void finds_networks(void **state)
{
	(void)state;
	static const struct {
		const char *network, *address;
		bool has;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.0.1", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "::1", false },
		{ "0.0.0.0/0", "1.2.3.4", true },
		{ "0.0.0.0/0", "::1", false },
		{ "1.2.3.4", "1.2.3.4", true },
		{ "1.2.3.4", "1.2.3.5", false },
		{ "1.2.3.4/31", "1.2.3.5", true },
		{ "1.2.3.4/31", "1.2.3.6", false },
		{ "192.168.128.0/17", "192.168.128.1", true },
		{ "192.168.128.0/17", "192.168.127.255", false },
		{ "::/0", "::1", true },
		{ "::/0", "1.2.3.4", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "::1", "::1", true },
		{ "::1", "::2", false },
		{ "::ffff:1.2.3.0/120", "1.2.3.4", true },
		{ "1.2.3.0/24", "::ffff:1.2.3.4", true },
		{ "::/0", "::ffff:1.2.3.4", false },
		{ "unix", "1.2.3.4", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct network network;
		uint8_t address[16] = { 0 };
		char why[NETWORK_WHY_SIZE];
		int family = strchr(cases[i].address, ':') ? AF_INET6 : AF_INET;
		assert_int_equal(network_parse(cases[i].network, &network, why), 0);
		assert_int_equal(inet_pton(family, cases[i].address, address), 1);
		family = network_unmap(family, address);
		if (network_has(&network, family, address) != cases[i].has)
			fail_msg("%s in %s: expected %d", cases[i].address, cases[i].network,
				 cases[i].has);
	}
	const struct network nobody = { .family = 0 };
	assert_false(network_has(&nobody, 0, (const uint8_t[16]){ 0 }));
}

static void finds_unix(void **state)
{
	(void)state;
	struct network network;
	char why[NETWORK_WHY_SIZE];
	assert_int_equal(network_parse("unix", &network, why), 0);
	assert_int_equal(network.family, AF_UNIX);
	assert_int_equal(network.bits, 0);
	assert_true(network_has(&network, AF_UNIX, (const uint8_t[16]){ 0 }));
	assert_false(network_has(&network, AF_INET, (const uint8_t[16]){ 0 }));
}

/* As the settings server.access.#.from and server.trace and the option --trace. */
static void refuses_what_is_wrong(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} wrongs[] = {
		{ "", "" },
		{ "/", "" },
		{ "localhost", "" },
		{ "unix/0", "" },
		{ "10.0.0", "" },
		{ "10.0.0.0/", "" },
		{ "10.0.0.0/33", "" },
		{ "10.0.0.0/-1", "" },
		{ "10.0.0.0/8 ", "" },
		{ "10.0.0.0/0008", "" },
		{ "10.0.0.0/4294967304", "" },
		{ "2001:db8::/129", "" },
		{ "[::1]", "" },
		{ "fe80::1%", "" },
		{ "fe80::1%a-name-of-16-bytes", "" },
		{ "fe80::1/10%lo", "" },
		{ "2001:db8::1%lo", "" },
		{ "1.2.3.4%lo", "" },
		{ "0123:4567:89ab:cdef:0123:4567:89ab:cdef:0123:4567:89ab:cdef", "" },
		{ "10.1.0.0/8", "\"10.1.0.0/8\" has bits set beyond its /8, expected "
				"\"10.0.0.0/8\"" },
		{ "255.255.255.255/0", "\"255.255.255.255/0\" has bits set beyond its /0, expected "
				       "\"0.0.0.0/0\"" },
		{ "2001:db8::1/32", "\"2001:db8::1/32\" has bits set beyond its /32, expected "
				    "\"2001:db8::/32\"" },
	};
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
		struct network network;
		char why[NETWORK_WHY_SIZE] = "not set";
		if (network_parse(wrongs[i].text, &network, why) != -EINVAL)
			fail_msg("accepted \"%s\"", wrongs[i].text);
		assert_string_equal(why, wrongs[i].why);
	}
}

/* Interface 1 is lo, in every network namespace. */
static void zones(void **state)
{
	(void)state;
	static const struct {
		const char *network, *address;
		uint32_t interface;
		bool has;
	} cases[] = {
		{ "fe80::/10", "fe80::1", 1, true },
		{ "fe80::/64", "fe80::1", 1, true },
		{ "fe80::1", "fe80::1", 1, true },
		{ "fe80::1", "fe80::2", 1, false },
		{ "fe80::1", "fe80::1", 0, true },
		{ "fe80::1%lo", "fe80::1", 1, true },
		{ "fe80::1%1", "fe80::1", 1, true },
		{ "fe80::1%lo", "fe80::2", 1, false },
		{ "fe80::1%lo", "fe80::1", 0, false },
		{ "fe80::1%lo", "fe80::1", 77777, false },
		{ "fe80::1%77777", "fe80::1", 77777, true },
		{ "fe80::1%eth77", "fe80::1", 1, false },
		{ "fe80::%lo/64", "fe80::2", 1, true },
		{ "2001:db8:0:1::/64", "2001:db8:0:1::1", 1, true },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct network network;
		uint8_t address[16];
		char why[NETWORK_WHY_SIZE];
		assert_int_equal(network_parse(cases[i].network, &network, why), 0);
		assert_int_equal(inet_pton(AF_INET6, cases[i].address, address), 1);
		network_set_zone(address, cases[i].interface);
		if (network_has(&network, AF_INET6, address) != cases[i].has)
			fail_msg("%s%%%u in %s: expected %d", cases[i].address, cases[i].interface,
				 cases[i].network, cases[i].has);
	}
	static const uint8_t longest[16] = { 0xfe, 0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	char text[NETWORK_TEXT_SIZE];
	assert_string_equal(network_peer_text(AF_INET6, longest, 65535, text),
			    "[febf:ffff::ffff:ffff:ffff:ffff%4294967295]:65535");
	uint8_t address[16] = { 0xfe, 0x80, [15] = 7 };
	network_set_zone(address, 1);
	assert_string_equal(network_peer_text(AF_INET6, address, 502, text), "[fe80::7%lo]:502");
	assert_string_equal(network_host_text(AF_INET6, address, text), "fe80::7%lo");
	network_set_zone(address, 0);
	assert_string_equal(network_host_text(AF_INET6, address, text), "fe80::7");
}

static void unmaps(void **state)
{
	(void)state;
	uint8_t address[16];
	inet_pton(AF_INET6, "::ffff:192.0.2.7", address);
	assert_int_equal(network_unmap(AF_INET6, address), AF_INET);
	assert_memory_equal(address, ((const uint8_t[16]){ 192, 0, 2, 7 }), 16);
	inet_pton(AF_INET6, "::fffe:192.0.2.7", address);
	assert_int_equal(network_unmap(AF_INET6, address), AF_INET6);
	assert_int_equal(network_unmap(AF_INET, address), AF_INET);
	assert_int_equal(network_unmap(AF_UNIX, address), AF_UNIX);
}

static void writes_peers(void **state)
{
	(void)state;
	char text[NETWORK_TEXT_SIZE];
	uint8_t v4[16] = { 192, 0, 2, 7 }, v6[16] = { 0 };
	assert_string_equal(network_peer_text(AF_INET, v4, 49152, text), "192.0.2.7:49152");
	assert_string_equal(network_peer_text(AF_UNIX, v4, 0, text), "unix");
	inet_pton(AF_INET6, "2001:db8::7", v6);
	assert_string_equal(network_peer_text(AF_INET6, v6, 502, text), "[2001:db8::7]:502");
	memset(v6, 0xff, sizeof v6); /* the longest */
	assert_string_equal(network_peer_text(AF_INET6, v6, 65535, text),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_networks),
		cmocka_unit_test(finds_unix),
		cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(zones),
		cmocka_unit_test(unmaps),
		cmocka_unit_test(writes_peers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
