/* SPDX-License-Identifier: Apache-2.0 */
/* test_harness_keeper_client.c — the conductor's side where things go wrong: a keeper that says nothing while it builds a
 * lab, services that cannot be taken over, and descriptors nobody had.
 * Owns: a socket pair instead of a keeper.  Threads: the test's.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/model/plan.h"
#include "harness/attachctl.h"
#include "harness/keeper_client.h"

static struct bo_err err;

/** struct stage - a plan of the client, a running service and its peer, and a keeper that hears and does not speak */
struct stage {
	struct bo_node_spec nodes[3];
	struct bo_attach_spec attach;
	struct bo_plan plan;
	struct bo_keeper keeper;
	int other; /* the keeper's end */
};

static void set(struct stage *s)
{
	const struct timeval soon = { .tv_usec = 50000 };
	int pair[2];

	memset(s, 0, sizeof(*s));
	memset(&err, 0, sizeof(err));
	s->nodes[0] = (struct bo_node_spec){ .name = "client" };
	s->nodes[1] = (struct bo_node_spec){ .name = "orders",
					     .kind = BO_NODE_ATTACHED,
					     .attach = &s->attach };
	s->nodes[2] = (struct bo_node_spec){ .name = "db", .kind = BO_NODE_PEER, .peer_of = 1 };
	s->plan.nodes.items = s->nodes;
	s->plan.nodes.len = 3;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	s->keeper = (struct bo_keeper){ .sock = pair[0], .pidfd = -1, .epoll = -1, .queued = -1 };
	pthread_mutex_init(&s->keeper.lock, NULL);
	assert_int_equal(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	s->other = pair[1];
	if (fcntl(0, F_GETFD) < 0)
		assert_int_equal(open("/dev/null", O_RDONLY), 0);
}

static void strike(struct stage *s)
{
	bo_close(&s->keeper.sock);
	bo_close(&s->other);
	bo_vec_done(&s->keeper.attached);
	bo_vec_done(&s->keeper.events);
	pthread_mutex_destroy(&s->keeper.lock);
}

static void test_a_keeper_that_is_silent_while_it_builds(void **state)
{
	struct bo_lab_view view;
	struct stage s;

	(void)state;
	set(&s);
	assert_int_equal(bo_keeper_lab_up(&s.keeper, &s.plan, &view, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "the keeper has not answered"));
	assert_true(s.keeper.silent);
	strike(&s);
}

static void test_a_view_has_no_descriptor_that_nobody_gave_it(void **state)
{
	struct bo_lab_view view;

	(void)state;
	assert_int_equal(bo_lab_view_new(&view, 2, 2, &err), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(view.nodes[i].cgroup.usage, -1);
		assert_int_equal(view.nodes[i].management_tun_client, -1);
		assert_int_equal(view.nodes[i].management_tun_node, -1);
		assert_int_equal(view.nodes[i].dns_udp, -1);
		assert_int_equal(view.nodes[i].dns_tcp, -1);
		assert_int_equal(view.links[i].tun_a, -1);
		assert_int_equal(view.links[i].tun_b, -1);
		assert_int_equal(view.links[i].stamps_a, -1);
		assert_int_equal(view.links[i].stamps_b, -1);
		assert_int_equal(view.links[i].probe_a.fd, -1);
		assert_int_equal(view.links[i].probe_b.fd, -1);
	}
	bo_lab_view_done(&view);
	bo_lab_view_done(&view);
}

/** attach() - what bo_keeper_attach_all() would have left, of the process @pid */
static void attach(struct stage *s, pid_t pid)
{
	struct bo_attached attached = { .node = 1, .sock = dup(s->other), .pid = pid };

	assert_true(attached.sock >= 0);
	assert_true(bo_vec_push(&s->keeper.attached, attached));
}

static void test_services_leave_standard_input_alone(void **state)
{
	struct bo_machine machine = { 0 };
	struct bo_attachctl *ctl;
	struct bo_lab_view view;
	struct stage s;

	(void)state;
	set(&s);
	attach(&s, getpid());
	assert_int_equal(bo_attachctl_new(&ctl, &s.keeper, &s.plan, &machine, &view, &err), 0);
	assert_int_equal(view.nodes[1].dns_udp, -1);
	bo_attachctl_free(ctl);
	bo_lab_view_done(&view);
	assert_true(fcntl(0, F_GETFD) >= 0);
	strike(&s);
}

static void test_a_service_that_is_gone_takes_nothing_along(void **state)
{
	struct bo_machine machine = { 0 };
	struct bo_attachctl *ctl = NULL;
	struct bo_lab_view view;
	struct stage s;

	(void)state;
	set(&s);
	attach(&s, INT_MAX); /* above any pid_max */
	assert_true(bo_attachctl_new(&ctl, &s.keeper, &s.plan, &machine, &view, &err) < 0);
	assert_null(ctl);
	assert_non_null(strstr(err.msg, "orders"));
	assert_true(fcntl(0, F_GETFD) >= 0);
	strike(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_keeper_that_is_silent_while_it_builds),
		cmocka_unit_test(test_a_view_has_no_descriptor_that_nobody_gave_it),
		cmocka_unit_test(test_services_leave_standard_input_alone),
		cmocka_unit_test(test_a_service_that_is_gone_takes_nothing_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
