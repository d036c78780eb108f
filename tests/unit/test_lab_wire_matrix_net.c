/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_matrix_net.c — every fault on connections × TCP, UDP, ICMP × IPv4, IPv6 × direction, as a
 * scenario words it, over a wire between two kernels: what each end then sees, or the line with which it is refused.
 * Prints the matrix of IPv4, and what differs with IPv6 (docs/faults.md explains it).
 *
 * In each cell a connection that there was before the fault and one that begins in it carry a message each way, twice:
 *   ok         the message arrived;  a number: so many of its 10 bytes did;  -: nothing did, and nobody was told
 *   RST, FIN   how the stream ended (FIN also at an end that has been told RST);  PIPE: it had ended before
 *   REFUSED …  behind a slash: the error that the sender was told (EHOSTUNREACH: HOST, ENETUNREACH: NET, EACCES:
 *              PROHIBITED);  UNREACH1: the code of the ICMP error that a raw socket got
 *   .          there is nothing to send on
 * Privilege: root or user namespaces; exits 77 without. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/lab/wire.h"
#include "conn-internal.h"
#include "fault_fake.h"
#include "wire_netns.h"

#define FIRST_PORT 7000
#define PATIENCE_MS 10000
#define MESSAGE "0123456789"
#define BYTES (sizeof(MESSAGE) - 1)
#define SEEN_MAX 256

enum protocol { TCP, UDP, ICMP, PROTOCOLS };
enum way { BOTH_WAYS, TO_B, TO_A, WAYS };
static const char *const protocol_names[] = { "tcp", "udp", "icmp" };
static const char *const way_names[] = { "both", "to b", "to a" };

struct rig {
	struct wire_netns net;
	struct bo_wire *wire;
	struct fake *fake;
	int family;
	int listener;
	int barrier[2];
	int raw[2]; /* ICMP */
	uint16_t echo_id;
	uint16_t port;
};

/** struct flow - @fd: of TCP and UDP, at end a and end b;  @id: of ICMP */
struct flow {
	int fd[2];
	uint16_t id;
};

/** say() - one word more of what was seen */
static void __attribute__((format(printf, 2, 3))) say(char seen[SEEN_MAX], const char *format, ...)
{
	size_t len = strlen(seen);
	va_list args;

	va_start(args, format);
	vsnprintf(seen + len, SEEN_MAX - len, format, args);
	va_end(args);
}

static const char *error_name(int error)
{
	static const struct {
		int error;
		const char *name;
	} names[] = {
		{ ECONNREFUSED, "REFUSED" }, { ECONNRESET, "RST" },    { EHOSTUNREACH, "HOST" },
		{ ENETUNREACH, "NET" },      { EACCES, "PROHIBITED" }, { EPIPE, "PIPE" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].error == error)
			return names[i].name;
	return strerror(error);
}

/* --- barriers --------------------------------------------------------------------------------- */

static uint64_t blackholed(const struct rig *rig, int from)
{
	struct bo_wire_stats stats;

	bo_wire_stats(rig->wire, from ? BO_DIR_B_TO_A : BO_DIR_A_TO_B, &stats);
	return stats.blackholed;
}

/** cross() - a probe, which no rule may hit, from one end to the other: what was sent before it is there or gone */
static void cross(const struct rig *rig, int from)
{
	struct pollfd p = { .fd = rig->barrier[!from], .events = POLLIN };
	uint64_t before = blackholed(rig, from);
	char c = 0;

	assert_int_equal(send(rig->barrier[from], &c, 1, 0), 1);
	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		if (poll(&p, 1, 10) == 1) {
			assert_int_equal(recv(p.fd, &c, 1, 0), 1);
			return;
		}
		if (blackholed(rig, from) > before)
			return;
	}
	fail_msg("the wire is dead");
}

/** settle() - what was sent has arrived, and so have the answers of the kernels to it, and theirs */
static void settle(const struct rig *rig)
{
	for (int i = 0; i < 4; i++)
		cross(rig, i % 2);
}

/* --- TCP, UDP --------------------------------------------------------------------------------- */

/** await_end() - a receiver that has got only a part is about to hear more */
static void await_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)poll(&p, 1, PATIENCE_MS);
}

/** drain() - say what has arrived at @fd;  @ends: wait for how it ends when not all did */
static void drain(int fd, bool ends, char seen[SEEN_MAX])
{
	char buffer[64];
	size_t bytes = 0;
	ssize_t n;

	do {
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		bytes += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno == EAGAIN && ends && bytes && bytes < BYTES) {
			await_end(fd);
			n = 1;
		}
	} while (n > 0);
	if (bytes == BYTES)
		say(seen, " ok");
	else if (bytes)
		say(seen, " %zu", bytes);
	if (n == 0)
		say(seen, " FIN");
	else if (errno != EAGAIN)
		say(seen, " %s", error_name(errno));
	else if (!bytes)
		say(seen, " -");
}

/** carry() - a message from one end to the other */
static void carry(const struct rig *rig, const struct flow *flow, int from, bool ends,
		  char seen[SEEN_MAX])
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (flow->fd[from] < 0) {
		say(seen, " .");
		return;
	}
	if (send(flow->fd[from], MESSAGE, BYTES, MSG_NOSIGNAL) < 0) {
		say(seen, " %s", error_name(errno));
		return;
	}
	settle(rig);
	if (flow->fd[!from] >= 0)
		drain(flow->fd[!from], ends, seen);
	else
		say(seen, " -");
	/* A stream that has ended says so to whoever uses it next, once both ends know. */
	if (ends)
		settle(rig);
	if (ends || getsockopt(flow->fd[from], SOL_SOCKET, SO_ERROR, &error, &len) < 0 || !error)
		return;
	say(seen, "/%s", error_name(error));
}

/** tcp_open() - @told: there is an answer in any case, if not to the first SYN: a kernel that is still inside connect(2)
 * when an ICMP error comes only notes it, as tcp_v4_err() does while a process owns the socket */
static void tcp_open(const struct rig *rig, struct flow *flow, bool told, char seen[SEEN_MAX])
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, rig->family, rig->port, &addr), size = sizeof(int);
	int error = 0, on = 1;

	flow->fd[0] = wire_netns_socket(&rig->net, 0, rig->family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(flow->fd[0] >= 0);
	setsockopt(flow->fd[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(flow->fd[0], (struct sockaddr *)&addr, len) < 0)
		assert_int_equal(errno, EINPROGRESS);
	settle(rig);
	if (poll(&(struct pollfd){ .fd = flow->fd[0], .events = POLLOUT }, 1,
		 told ? PATIENCE_MS : 0) == 1)
		assert_int_equal(getsockopt(flow->fd[0], SOL_SOCKET, SO_ERROR, &error, &size), 0);
	else
		error = -1;
	say(seen, " %s", error < 0 ? "-" : error ? error_name(error) : "ok");
	flow->fd[1] = accept4(rig->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (flow->fd[1] >= 0)
		setsockopt(flow->fd[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (error)
		bo_close(&flow->fd[0]);
}

static void udp_open(const struct rig *rig, struct flow *flow)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, rig->family, rig->port, &addr);
	int on = 1;

	for (int end = 0; end < 2; end++)
		flow->fd[end] = wire_netns_socket(&rig->net, end, rig->family, SOCK_DGRAM, 0);
	assert_true(flow->fd[0] >= 0 && flow->fd[1] >= 0);
	assert_int_equal(setsockopt(flow->fd[1], SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(flow->fd[1], (struct sockaddr *)&addr, len), 0);
	assert_int_equal(connect(flow->fd[0], (struct sockaddr *)&addr, len), 0);
	len = sizeof(addr);
	assert_int_equal(getsockname(flow->fd[0], (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(flow->fd[1], (struct sockaddr *)&addr, len), 0);
}

/* --- ICMP ------------------------------------------------------------------------------------- */

static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t) ~(sum + (sum >> 16)));
}

/** echo_seen() - say what came to the raw socket of @end about echo @id */
static void echo_seen(const struct rig *rig, int end, uint16_t id, char seen[SEEN_MAX])
{
	bool v6 = rig->family == AF_INET6;
	uint8_t wanted = v6 ? (end ? 128 : 129) : (end ? 8 : 0), unreachable = v6 ? 1 : 3;
	bool any = false;
	uint8_t data[2048];
	ssize_t n;

	while ((n = recv(rig->raw[end], data, sizeof(data), MSG_DONTWAIT)) > 0) {
		const uint8_t *icmp = data + (v6 ? 0 : 20);
		const uint8_t *quoted = icmp + 8 + (v6 ? 40 : 20);

		if (icmp[0] == wanted && memcmp(icmp + 4, &id, 2) == 0) {
			say(seen, " ok");
			any = true;
		} else if (icmp[0] == unreachable && memcmp(quoted + 4, &id, 2) == 0) {
			say(seen, " UNREACH%u", icmp[1]);
			any = true;
		}
	}
	if (!any)
		say(seen, " -");
}

static void echo(const struct rig *rig, const struct flow *flow, char seen[SEEN_MAX])
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, rig->family, 0, &addr);
	uint8_t packet[8 + BYTES] = { rig->family == AF_INET6 ? 128 : 8 };
	uint16_t sum;

	memcpy(packet + 4, &flow->id, 2);
	memcpy(packet + 8, MESSAGE, BYTES);
	sum = checksum(packet, sizeof(packet)); /* with IPv6 the kernel writes its own */
	memcpy(packet + 2, &sum, 2);
	assert_int_equal(sendto(rig->raw[0], packet, sizeof(packet), 0, (struct sockaddr *)&addr,
				len),
			 sizeof(packet));
	settle(rig);
	echo_seen(rig, 1, flow->id, seen);
	echo_seen(rig, 0, flow->id, seen);
}

/* --- flows ------------------------------------------------------------------------------------ */

static struct flow flow_open(struct rig *rig, enum protocol protocol, bool told,
			     char seen[SEEN_MAX])
{
	struct flow flow = { .fd = { -1, -1 }, .id = htons(++rig->echo_id) };

	if (protocol == TCP)
		tcp_open(rig, &flow, told, seen);
	else if (protocol == UDP)
		udp_open(rig, &flow);
	return flow;
}

static void flow_use(struct rig *rig, enum protocol protocol, const struct flow *flow, bool ends,
		     char seen[SEEN_MAX])
{
	if (protocol == ICMP) {
		echo(rig, flow, seen);
	} else {
		carry(rig, flow, 0, ends, seen);
		carry(rig, flow, 1, ends, seen);
	}
}

/* --- the rig ---------------------------------------------------------------------------------- */

/** listen_anew() - on another port: what is left of the cell before is no part of the next */
static void listen_anew(struct rig *rig)
{
	struct sockaddr_storage addr;
	socklen_t len = wire_netns_address(1, rig->family, ++rig->port, &addr);

	bo_close(&rig->listener);
	rig->listener = wire_netns_socket(&rig->net, 1, rig->family, SOCK_STREAM | SOCK_NONBLOCK,
					  0);
	assert_int_equal(bind(rig->listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(rig->listener, 100), 0);
}

static void use_family(struct rig *rig, int family)
{
	rig->family = family;
	for (int end = 0; end < 2; end++) {
		bo_close(&rig->raw[end]);
		rig->raw[end] = wire_netns_socket(&rig->net, end, family, SOCK_RAW,
						  family == AF_INET6 ? IPPROTO_ICMPV6
								     : IPPROTO_ICMP);
		assert_true(rig->raw[end] >= 0);
	}
}

/** never_again() - a cell is what becomes of each packet once: on a slow machine, what a rule took would be sent again before
 * the cell's next word.  Since Linux 6.11; before, that is after 200 ms */
static void never_again(const struct rig *rig)
{
	static const char minutes[] = "600000000"; /* in µs */

	for (int end = 0; end < 2; end++) {
		bo_auto_fd int fd = -1;

		assert_true(wire_netns_switch(&rig->net, end));
		fd = open("/proc/sys/net/ipv4/tcp_rto_min_us", O_WRONLY | O_CLOEXEC);
		if (fd >= 0)
			assert_int_equal(write(fd, minutes, strlen(minutes)), strlen(minutes));
		assert_true(wire_netns_switch(&rig->net, -1));
	}
}

static int rig_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sockaddr_storage addr;
	struct bo_err err = { 0 };
	socklen_t len;

	assert_non_null(rig);
	*rig = (struct rig){
		.listener = -1, .raw = { -1, -1 }, .fake = fake_new(), .port = FIRST_PORT
	};
	assert_true(wire_netns_up(&rig->net, true));
	assert_int_equal(bo_wire_new(&rig->wire, bo_steal_fd(&rig->net.tun[0]),
				     bo_steal_fd(&rig->net.tun[1]), 1, 1, &err),
			 0);
	assert_int_equal(bo_wire_rules_set(rig->wire, NULL, 0, &err), 0);
	never_again(rig);
	for (int end = 0; end < 2; end++) {
		rig->barrier[end] = wire_netns_socket(&rig->net, end, AF_INET, SOCK_DGRAM, 0);
		len = wire_netns_address(end, AF_INET, BO_LINKPROBE_PORT, &addr);
		assert_int_equal(bind(rig->barrier[end], (struct sockaddr *)&addr, len), 0);
		len = wire_netns_address(!end, AF_INET, BO_LINKPROBE_PORT, &addr);
		assert_int_equal(connect(rig->barrier[end], (struct sockaddr *)&addr, len), 0);
	}
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	bo_close(&rig->listener);
	for (int end = 0; end < 2; end++) {
		bo_close(&rig->barrier[end]);
		bo_close(&rig->raw[end]);
	}
	bo_wire_free(rig->wire);
	wire_netns_down(&rig->net);
	fake_free(rig->fake);
	free(rig);
	return 0;
}

/* --- the matrix ------------------------------------------------------------------------------- */

#define ARGS_MAX 6

/**
 * struct row - a fault as worded
 * @ends: streams end once what is left of a message has arrived
 * @expect: by protocol and way; NULL: as the one before
 * @expect6: where IPv6 differs
 */
struct row {
	const char *label, *kind;
	struct bo_arg args[3];
	size_t nargs;
	bool ends;
	const char *expect[PROTOCOLS][WAYS];
	const char *expect6[PROTOCOLS][WAYS];
};

#include "conns_matrix.h"

/** is_blackhole() - the one fault that is no rule */
static bool is_blackhole(const struct row *row)
{
	return strcmp(row->kind, "blackhole") == 0;
}

static bool takes_protocol(const struct row *row)
{
	const struct bo_arg_schema *arg = bo_fault_kind_find(row->kind, BO_TARGET_LINK)->args;

	while (arg->key && strcmp(arg->key, "protocol") != 0)
		arg++;
	return arg->key;
}

/** word() - the fault as a scenario has it; false with the line that refuses it */
static bool word(const struct rig *rig, const struct row *row, enum protocol protocol, enum way way,
		 struct bo_conn_rule *ret, char seen[SEEN_MAX])
{
	static const char *const toward[] = { NULL, "db", "orders" };
	const struct bo_fault_spec *spec;
	struct bo_arg args[ARGS_MAX];
	struct bo_err err = { 0 };
	size_t n = row->nargs;

	memcpy(args, row->args, n * sizeof(*args));
	/* What is about TCP anyway has no such argument. */
	if (!is_blackhole(row) && (protocol != TCP || takes_protocol(row)))
		args[n++] = (struct bo_arg)STR("protocol", protocol_names[protocol]);
	/* Not what the cell before has left under way. */
	if (!is_blackhole(row) && protocol != ICMP)
		args[n++] = (struct bo_arg)NUM("port", rig->port);
	if (way)
		args[n++] = (struct bo_arg)STR("toward", toward[way]);
	rig->fake->plan->faults.len = 0;
	spec = fake_fault(rig->fake, row->kind, BO_TARGET_LINK, LINK_BACK, args, n);
	if (bo_fault_check(rig->fake->plan, spec, &err) < 0) {
		say(seen, "%s", err.msg);
		return false;
	}
	if (!is_blackhole(row))
		bo_fault_conn_rule(rig->fake->plan, spec, ret);
	return true;
}

static void apply(const struct rig *rig, const struct row *row, enum way way,
		  const struct bo_conn_rule *rule)
{
	const struct bo_impair hole = { .blackhole = is_blackhole(row) };
	struct bo_err err = { 0 };

	for (int dir = 0; dir < BO_DIR_COUNT; dir++)
		if (way != (dir == BO_DIR_A_TO_B ? TO_A : TO_B) &&
		    bo_wire_impair(rig->wire, (enum bo_dir)dir, &hole, &err) < 0)
			fail_msg("%s", err.msg);
	if (bo_wire_rules_set(rig->wire, rule, is_blackhole(row) ? 0 : 1, &err) < 0)
		fail_msg("%s", err.msg);
}

static void lift(const struct rig *rig)
{
	const struct bo_impair none = { 0 };
	struct bo_err err = { 0 };

	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_A_TO_B, &none, &err), 0);
	assert_int_equal(bo_wire_impair(rig->wire, BO_DIR_B_TO_A, &none, &err), 0);
	assert_int_equal(bo_wire_rules_set(rig->wire, NULL, 0, &err), 0);
}

static void run(struct rig *rig, const struct row *row, enum protocol protocol, enum way way,
		char seen[SEEN_MAX])
{
	struct flow flow[2];
	struct bo_conn_counts counts = { 0 };
	struct bo_conn_rule rule;
	char before[SEEN_MAX] = "";
	struct bo_err err = { 0 };

	*seen = 0;
	listen_anew(rig);
	if (!word(rig, row, protocol, way, &rule, seen))
		return;
	flow[0] = flow_open(rig, protocol, true, before);
	flow_use(rig, protocol, &flow[0], false, before);
	assert_string_equal(before, protocol == TCP ? " ok ok ok" : " ok ok");
	apply(rig, row, way, &rule);
	settle(rig);
	say(seen, "old");
	flow_use(rig, protocol, &flow[0], row->ends, seen);
	flow_use(rig, protocol, &flow[0], row->ends, seen);
	say(seen, " | new");
	flow[1] = flow_open(rig, protocol, strcmp(row->kind, "refuse") == 0, seen);
	flow_use(rig, protocol, &flow[1], row->ends, seen);
	flow_use(rig, protocol, &flow[1], row->ends, seen);
	if (!is_blackhole(row)) {
		assert_int_equal(bo_wire_rules_read(rig->wire, 1, &counts, &err), 0);
		assert_int_equal(counts.escaped + counts.survived + counts.missed, 0);
		assert_int_equal(counts.unsent, 0);
	}
	for (int i = 0; i < 2; i++)
		for (int end = 0; end < 2; end++)
			bo_close(&flow[i].fd[end]);
	lift(rig);
}

static const char *expected(const struct row *row, int family, enum protocol protocol, enum way way)
{
	if (family == AF_INET6 && row->expect6[protocol][way])
		return row->expect6[protocol][way];
	while (way && !row->expect[protocol][way])
		way--;
	return row->expect[protocol][way];
}

static void matrix(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct rig *rig = *state;
	int wrong = 0, cells = 0;

	for (size_t f = 0; f < 2; f++) {
		use_family(rig, families[f]);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			for (int p = 0; p < PROTOCOLS; p++)
				for (int way = 0; way < WAYS; way++, cells++) {
					const char *expect = expected(&rows[i], families[f],
								      (enum protocol)p,
								      (enum way)way);
					char seen[SEEN_MAX];
					bool right;

					run(rig, &rows[i], (enum protocol)p, (enum way)way, seen);
					right = expect && strcmp(seen, expect) == 0;
					if (f == 0 || rows[i].expect6[p][way] || !right)
						printf("IPv%d %-28s %-4s %-4s %s\n", f ? 6 : 4,
						       rows[i].label, protocol_names[p],
						       way_names[way], seen);
					if (right)
						continue;
					printf("     expected %s\n", expect ? expect : "nothing");
					wrong++;
				}
	}
	printf("%d cells\n", cells);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(matrix, rig_up, rig_down),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
