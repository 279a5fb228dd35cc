/* Which peers are one host, and how their connections are counted. */
#include "mbserverd/hosts.h"
#include "mbshm.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static struct hosts *hosts;

static int setup(void **state)
{
	(void)state;
	hosts = hosts_new();
	return hosts ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	hosts_free(hosts);
	return 0;
}

/* Found, and counted so that it stays. */
static struct host *host_of(const char *address)
{
	struct mbshm_origin peer = { .family = strchr(address, ':') ? AF_INET6 : AF_INET,
				     .port = 1 };
	assert_int_equal(inet_pton(peer.family, address, peer.address), 1);
	struct host *host = hosts_find(hosts, &peer, -1);
	assert_non_null(host);
	host_count(host, true);
	return host;
}

static void test_same(void **state)
{
	(void)state;
	assert_ptr_equal(host_of("192.0.2.1"), host_of("192.0.2.1"));
	assert_ptr_not_equal(host_of("192.0.2.1"), host_of("192.0.2.2"));
	assert_ptr_equal(host_of("2001:db8:1:2::1"), host_of("2001:db8:1:2:ffff::9"));
	assert_ptr_not_equal(host_of("2001:db8:1:2::1"), host_of("2001:db8:1:3::1"));
	assert_ptr_not_equal(host_of("192.0.2.1"), host_of("c000:201::"));
	assert_int_equal(hosts_most(hosts), 4);
}

static void test_unix(void **state)
{
	(void)state;
	const struct mbshm_origin peer = { .family = AF_UNIX };
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	struct host *host = hosts_find(hosts, &peer, ends[0]);
	host_count(host, true);
	assert_ptr_equal(hosts_find(hosts, &peer, ends[1]), host);
	close(ends[0]);
	close(ends[1]);
}

static void test_counts(void **state)
{
	(void)state;
	struct host *host = host_of("192.0.2.1"), *other = host_of("192.0.2.2");
	host_count(host, true);
	host_count(host, false);
	assert_int_equal(host_connections(host), 3);
	assert_int_equal(host_closable(host), 2);
	assert_int_equal(hosts_most(hosts), 2);
	host_recount(host, false);
	assert_int_equal(host_closable(host), 1);
	host_recount(host, true);
	assert_true(host_release_above(host, 2));
	assert_false(host_release_above(host, 2));
	assert_int_equal(host_connections(host), 2);
	assert_int_equal(host_closable(host), 1);
	host_release(host, false);
	host_release(host, true);
	assert_int_equal(hosts_most(hosts), 1);
	host_release(other, true);
	assert_int_equal(hosts_most(hosts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
