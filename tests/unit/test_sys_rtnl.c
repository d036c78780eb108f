/* SPDX-License-Identifier: Apache-2.0 */
/* unit/test_sys_rtnl.c — a batch does all that it says, and names the request that fails.
 * Owns: a network namespace per test, gone with the child that made it.  Threads: none.
 * Privilege: root or user namespaces, else 77. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/sys/netns.h"
#include "brownout/sys/rtnl.h"

static struct nl_sock *sock;
static int netns = -1;

static int enter(void **state)
{
	struct bo_err err = { 0 };

	(void)state;
	if (bo_netns_new(&netns, &err) < 0 || bo_rtnl_open(&sock, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	return 0;
}

static int leave(void **state)
{
	(void)state;
	bo_rtnl_close(&sock);
	close(netns);
	return 0;
}

static struct bo_rtnl_addr v4(const char *text, int prefix)
{
	struct bo_rtnl_addr a = { .family = AF_INET, .prefix = prefix };

	inet_pton(AF_INET, text, a.bytes);
	return a;
}

static bool bindable(const char *text)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), rc;

	inet_pton(AF_INET, text, &at.sin_addr);
	rc = bind(fd, (struct sockaddr *)&at, sizeof(at));
	close(fd);
	return rc == 0;
}

static void many_requests_at_once(void **state)
{
	struct bo_rtnl_batch b = { 0 };
	struct bo_err err = { 0 };
	char text[32];

	(void)state;
	bo_rtnl_link_up(&b, 1, 0, 0);
	/* more than fit into one chunk, more than the receive buffer holds answers for */
	for (int i = 0; i < 1000; i++) {
		struct bo_rtnl_addr a;

		snprintf(text, sizeof(text), "10.9.%d.%d", i / 250, i % 250 + 1);
		a = v4(text, 32);
		bo_rtnl_addr_add(&b, 1, &a);
	}
	if (bo_rtnl_batch_send(&b, sock, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(bindable("10.9.0.1") && bindable("10.9.2.77") && bindable("10.9.3.250"));
	assert_false(bindable("10.9.4.1"));
	bo_rtnl_batch_done(&b);
}

static void a_failure_is_named_and_the_rest_is_done(void **state)
{
	struct bo_rtnl_batch b = { 0 };
	struct bo_err err = { 0 };
	struct bo_rtnl_addr a = v4("10.9.9.1", 32), c = v4("10.9.9.2", 32);

	(void)state;
	bo_rtnl_link_up(&b, 1, 0, 0);
	bo_rtnl_addr_add(&b, 1, &a);
	bo_rtnl_addr_add(&b, 77, &a); /* no such device */
	bo_rtnl_link_up(&b, 78, 0, 0);
	bo_rtnl_addr_add(&b, 1, &c);
	assert_int_equal(bo_rtnl_batch_send(&b, sock, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "address to device 77"));
	assert_true(bindable("10.9.9.1") && bindable("10.9.9.2"));
	/* the socket is in step: the next batch hears only its own answers */
	bo_rtnl_link_up(&b, 1, 0, 0);
	assert_int_equal(bo_rtnl_batch_send(&b, sock, &err), 0);
	bo_rtnl_batch_done(&b);
}

static void veth_routes_and_neighbours(void **state)
{
	struct bo_rtnl_veth veth = { .name = "here",
				     .ifindex = 1234,
				     .mac = { 2, 0, 0, 0, 0, 1 },
				     .peer_name = "there",
				     .peer_ifindex = 4321,
				     .peer_mac = { 2, 0, 0, 0, 0, 2 },
				     .peer_netns = -1,
				     .mtu = 1400 };
	struct bo_rtnl_addr src = v4("10.9.8.1", 32), dst = v4("10.9.8.2", 32);
	struct bo_rtnl_batch b = { 0 };
	struct bo_err err = { 0 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) }, from = { 0 };
	socklen_t len = sizeof(from);
	int fd, rc;

	(void)state;
	bo_rtnl_veth_add(&b, &veth);
	rc = bo_rtnl_batch_send(&b, sock, &err);
	if (rc == -EOPNOTSUPP || rc == -ENOENT)
		skip(); /* a kernel without veth */
	if (rc < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(if_nametoindex("here"), 1234);
	assert_int_equal(if_nametoindex("there"), 4321);
	bo_rtnl_link_up(&b, 1, 0, 0);
	bo_rtnl_link_up(&b, 1234, 0, 0);
	bo_rtnl_link_up(&b, 4321, 0, 0);
	bo_rtnl_addr_add(&b, 1, &src);
	bo_rtnl_neigh_add(&b, 1234, &dst, veth.peer_mac);
	bo_rtnl_route_add(&b, 1234, &dst, &src);
	if (bo_rtnl_batch_send(&b, sock, &err) < 0)
		fail_msg("%s", err.msg);
	/* the kernel would send there, from there */
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	inet_pton(AF_INET, "10.9.8.2", &to.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&from, &len), 0);
	assert_memory_equal(&from.sin_addr, src.bytes, 4);
	close(fd);
	bo_rtnl_batch_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(many_requests_at_once, enter, leave),
		cmocka_unit_test_setup_teardown(a_failure_is_named_and_the_rest_is_done, enter,
						leave),
		cmocka_unit_test_setup_teardown(veth_routes_and_neighbours, enter, leave),
	};
	struct bo_err err = { 0 };

	if (geteuid() != 0 && bo_userns_enter(&err) < 0) {
		fprintf(stderr, "cannot run here: %s\n", err.msg);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
