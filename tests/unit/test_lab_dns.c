/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_dns.c — the name server: what it says, when, and to whom it says nothing.
 * The C library's resolver makes the questions and reads the answers (resolver(3)). */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <poll.h>
#include <resolv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/clock.h"
#include "brownout/lab/dns.h"
#include "dns_message.h"

#define MS BO_NSEC_PER_MSEC
#define NODE 3
#define SOON_MS 5000

struct rig {
	struct bo_dns *dns;
	struct sockaddr_in at; /* UDP and TCP alike */
	int udp;
};

/** rig_sockets() - UDP and TCP on one port of 127.0.0.1 */
static void rig_sockets(struct rig *rig, int fd[2])
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	socklen_t len = sizeof(rig->at);

	for (int tries = 0;; tries++) {
		assert_true(tries < 100);
		rig->at = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		for (int i = 0; i < 2; i++)
			fd[i] = socket(AF_INET, types[i] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(fd[0], (struct sockaddr *)&rig->at, len), 0);
		assert_int_equal(getsockname(fd[0], (struct sockaddr *)&rig->at, &len), 0);
		if (bind(fd[1], (struct sockaddr *)&rig->at, len) == 0)
			break;
		close(fd[0]);
		close(fd[1]);
	}
	assert_int_equal(listen(fd[0], 128), 0);
}

static int rig_up(void **state)
{
	static const struct bo_dns_host hosts[] = { { "client", "10.77.0.1", "fd77::1" },
						    { "db", "10.77.0.2", "fd77::2" },
						    { "old", "10.77.0.3", "" } };
	struct rig *rig = calloc(1, sizeof(*rig));
	struct bo_err err = { 0 };
	int fd[2];

	assert_non_null(rig);
	rig_sockets(rig, fd);
	assert_int_equal(bo_dns_new(&rig->dns, hosts, 3, &err), 0);
	assert_int_equal(bo_dns_add(rig->dns, NODE, fd[1], fd[0], &err), 0);
	rig->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(rig->udp, (struct sockaddr *)&rig->at, sizeof(rig->at)), 0);
	*state = rig;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	bo_dns_free(rig->dns);
	close(rig->udp);
	free(rig);
	return 0;
}

static size_t question(const char *name, int type, uint16_t id, uint8_t *out)
{
	int n = res_mkquery(ns_o_query, name, ns_c_in, type, NULL, 0, NULL, out, 512);

	assert_true(n > 0);
	out[0] = (uint8_t)(id >> 8);
	out[1] = (uint8_t)id;
	return (size_t)n;
}

static size_t receive(const struct rig *rig, uint8_t *out, int timeout_ms)
{
	struct pollfd p = { .fd = rig->udp, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, timeout_ms) != 1)
		return 0;
	n = recv(rig->udp, out, 4096, 0);
	assert_true(n > 0);
	return (size_t)n;
}

/** said() - "3", the code; or "0 10.77.0.2 fd77::2" with the addresses */
static const char *said(const uint8_t *data, size_t len)
{
	static char text[256];
	ns_msg msg;
	ns_rr rr;
	size_t at;

	assert_int_equal(ns_initparse(data, (int)len, &msg), 0);
	assert_true(ns_msg_getflag(msg, ns_f_qr));
	at = (size_t)snprintf(text, sizeof(text), "%d", ns_msg_getflag(msg, ns_f_rcode));
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		assert_int_equal(ns_parserr(&msg, ns_s_an, i, &rr), 0);
		assert_int_equal(ns_rr_ttl(rr), BO_DNS_TTL_S);
		text[at++] = ' ';
		assert_non_null(inet_ntop(ns_rr_type(rr) == ns_t_a ? AF_INET : AF_INET6,
					  ns_rr_rdata(rr), text + at,
					  (socklen_t)(sizeof(text) - at)));
		at += strlen(text + at);
	}
	return text;
}

static void expect(const struct rig *rig, const char *name, int type, const char *answer)
{
	static uint16_t id = 500;
	uint8_t ask[512], got[4096];
	size_t n = question(name, type, ++id, ask), len;

	assert_int_equal(send(rig->udp, ask, n, 0), n);
	len = receive(rig, got, SOON_MS);
	assert_string_equal(said(got, len), answer);
	assert_int_equal(got[0] << 8 | got[1], id);
	/* the question comes back as it was, and recursion as it was wished for */
	assert_memory_equal(got + 12, ask + 12, n - 12);
	assert_int_equal(got[2] & 1, ask[2] & 1);
}

static void fault(const struct rig *rig, struct bo_dns_fault f)
{
	struct bo_err err = { 0 };

	assert_int_equal(bo_dns_fault(rig->dns, NODE, &f, &err), 0);
}

static struct bo_dns_stats stats(const struct rig *rig)
{
	struct bo_dns_stats st;
	struct bo_err err = { 0 };

	assert_int_equal(bo_dns_stats(rig->dns, NODE, &st, &err), 0);
	return st;
}

static void truth(const struct rig *rig)
{
	expect(rig, "db", ns_t_a, "0 10.77.0.2");
	expect(rig, "DB", ns_t_aaaa, "0 fd77::2");
	expect(rig, "db", ns_t_any, "0 10.77.0.2 fd77::2");
	expect(rig, "old", ns_t_aaaa, "0");
	expect(rig, "db", ns_t_mx, "0");
	expect(rig, "dbx", ns_t_a, "3");
	expect(rig, "db.example.com", ns_t_a, "3");
	expect(rig, "", ns_t_a, "3");
}

static void the_truth(void **state)
{
	const struct rig *rig = *state;

	truth(rig);
	assert_int_equal(stats(rig).asked, 0);
	assert_int_equal(stats(rig).others, 8);
}

static void it_fails_as_it_is_told(void **state)
{
	static const char *const codes[] = {
		[BO_DNS_NXDOMAIN] = "3", [BO_DNS_SERVFAIL] = "2", [BO_DNS_REFUSED] = "5"
	};
	const struct rig *rig = *state;
	struct bo_err err = { 0 };

	for (int f = BO_DNS_NXDOMAIN; f <= BO_DNS_REFUSED; f++) {
		fault(rig, (struct bo_dns_fault){ .fail = (enum bo_dns_fail)f });
		expect(rig, "db", ns_t_a, codes[f]);
		expect(rig, "nobody", ns_t_a, codes[f]);
		assert_int_equal(stats(rig).asked, 2);
		assert_int_equal(stats(rig).hit, 2);
		fault(rig, (struct bo_dns_fault){ .fail = (enum bo_dns_fail)f, .name = "Db" });
		expect(rig, "db", ns_t_aaaa, codes[f]);
		expect(rig, "old", ns_t_a, "0 10.77.0.3");
		assert_int_equal(stats(rig).asked, 1);
		assert_int_equal(stats(rig).hit, 1);
		assert_int_equal(stats(rig).others, 1);
	}
	assert_int_equal(bo_dns_fault(rig->dns, NODE, NULL, &err), 0);
	truth(rig);
	assert_int_equal(stats(rig).asked, 0);
	assert_int_equal(bo_dns_fault(rig->dns, NODE + 1, NULL, &err), -ENOENT);
}

static void it_lies(void **state)
{
	const struct rig *rig = *state;
	struct bo_dns_fault f = { .lie = true, .name = "db" };

	assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &f.lie4), 1);
	fault(rig, f);
	expect(rig, "db", ns_t_a, "0 192.0.2.7");
	expect(rig, "db", ns_t_aaaa, "0"); /* and nobody gets through over the other family */
	expect(rig, "old", ns_t_a, "0 10.77.0.3");
	f.lie4.s_addr = 0;
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &f.lie6), 1);
	fault(rig, f);
	expect(rig, "db", ns_t_any, "0 2001:db8::7");
	expect(rig, "db", ns_t_a, "0");
	fault(rig, (struct bo_dns_fault){ .lie = true, .name = "db", .lie_of = "client" });
	expect(rig, "db", ns_t_any, "0 10.77.0.1 fd77::1");
	fault(rig, (struct bo_dns_fault){ .lie = true, .lie_of = "old" });
	expect(rig, "nobody", ns_t_a, "0 10.77.0.3");
	expect(rig, "nobody", ns_t_aaaa, "0");
}

static void it_keeps_silent(void **state)
{
	const struct rig *rig = *state;
	uint8_t ask[512], got[4096];
	size_t n = question("db", ns_t_a, 77, ask);

	fault(rig, (struct bo_dns_fault){ .fail = BO_DNS_TIMEOUT, .name = "db" });
	assert_int_equal(send(rig->udp, ask, n, 0), n);
	/* what comes first is the answer to the second question */
	expect(rig, "old", ns_t_a, "0 10.77.0.3");
	assert_int_equal(receive(rig, got, 50), 0);
	assert_int_equal(stats(rig).hit, 1);
	assert_int_equal(stats(rig).delay_max_ns, 0);
}

static void it_dawdles(void **state)
{
	const struct rig *rig = *state;
	uint8_t ask[512], got[4096];
	size_t n = question("db", ns_t_a, 77, ask);
	int64_t start = bo_now_ns();

	fault(rig, (struct bo_dns_fault){ .delay_ns = 1000 * MS, .name = "db" });
	assert_int_equal(send(rig->udp, ask, n, 0), n);
	/* others do not wait behind it */
	expect(rig, "old", ns_t_a, "0 10.77.0.3");
	assert_int_equal(stats(rig).delay_max_ns, 0);
	n = receive(rig, got, SOON_MS);
	assert_string_equal(said(got, n), "0 10.77.0.2");
	assert_true(bo_now_ns() - start >= 1000 * MS);
	/* the counter is written behind the answer */
	for (int64_t end = bo_now_ns() + SOON_MS * MS; !stats(rig).delay_max_ns;)
		assert_true(bo_now_ns() < end);
	assert_true(stats(rig).delay_min_ns >= 1000 * MS &&
		    stats(rig).delay_min_ns == stats(rig).delay_max_ns);
	/* whether it was late is for this machine to say */
	assert_int_equal(stats(rig).answered, 1);
	assert_int_equal(stats(rig).late, stats(rig).delay_max_ns > bo_dns_late_ns(1000 * MS));
	fault(rig, (struct bo_dns_fault){ .delay_ns = 50 * MS, .fail = BO_DNS_NXDOMAIN });
	start = bo_now_ns();
	expect(rig, "db", ns_t_a, "3");
	assert_true(bo_now_ns() - start >= 50 * MS);
}

static void who_is_due_first_goes_first(void **state)
{
	const struct rig *rig = *state;
	uint8_t ask[512], got[4096];
	size_t n = question("db", ns_t_a, 1, ask);

	for (int i = 3; i > 0; i--) {
		fault(rig, (struct bo_dns_fault){ .delay_ns = i * 500 * MS });
		ask[1] = (uint8_t)i;
		assert_int_equal(send(rig->udp, ask, n, 0), n);
		while (!stats(rig).asked)
			usleep(1000);
	}
	for (int i = 1; i <= 3; i++) {
		assert_true(receive(rig, got, SOON_MS) > 12);
		assert_int_equal(got[1], i);
	}
}

static void answers_of_an_old_fault_are_not_the_new_ones(void **state)
{
	const struct rig *rig = *state;
	uint8_t ask[512], got[4096];
	size_t n = question("db", ns_t_a, 77, ask);

	fault(rig, (struct bo_dns_fault){ .delay_ns = 1000 * MS });
	assert_int_equal(send(rig->udp, ask, n, 0), n);
	while (!stats(rig).asked)
		usleep(1000);
	fault(rig, (struct bo_dns_fault){ .delay_ns = 3000 * MS });
	n = receive(rig, got, SOON_MS);
	assert_string_equal(said(got, n), "0 10.77.0.2");
	usleep(1000);
	assert_int_equal(stats(rig).asked, 0);
	assert_int_equal(stats(rig).delay_max_ns, 0);
}

/* --- TCP -------------------------------------------------------------------------------------- */

static int tcp(const struct rig *rig)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timeval soon = { .tv_sec = SOON_MS / 1000 };

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&rig->at, sizeof(rig->at)), 0);
	return fd;
}

/** framed() - a question with its length in front */
static size_t framed(const char *name, uint16_t id, uint8_t *out)
{
	size_t n = question(name, ns_t_a, id, out + 2);

	out[0] = (uint8_t)(n >> 8);
	out[1] = (uint8_t)n;
	return n + 2;
}

static void expect_tcp(int fd, uint16_t id, const char *answer)
{
	uint8_t got[4096];
	size_t len;

	assert_int_equal(recv(fd, got, 2, MSG_WAITALL), 2);
	len = (size_t)(got[0] << 8 | got[1]);
	assert_true(len >= 12 && len < sizeof(got));
	assert_int_equal(recv(fd, got, len, MSG_WAITALL), len);
	assert_int_equal(got[0] << 8 | got[1], id);
	assert_string_equal(said(got, len), answer);
}

static bool is_closed(int fd)
{
	uint8_t got[16];

	ssize_t n = recv(fd, got, sizeof(got), 0);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void it_speaks_tcp(void **state)
{
	const struct rig *rig = *state;
	uint8_t ask[1024];
	int fd = tcp(rig), other;
	size_t n = framed("db", 1, ask);

	n += framed("nobody", 2, ask + n);
	n += framed("old", 3, ask + n);
	/* several at once */
	assert_int_equal(send(fd, ask, n, 0), n);
	expect_tcp(fd, 1, "0 10.77.0.2");
	expect_tcp(fd, 2, "3");
	expect_tcp(fd, 3, "0 10.77.0.3");
	/* and octet by octet */
	n = framed("db", 4, ask);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(send(fd, ask + i, 1, 0), 1);
		usleep(100);
	}
	expect_tcp(fd, 4, "0 10.77.0.2");
	/* late, and not to somebody who has come in between */
	fault(rig, (struct bo_dns_fault){ .delay_ns = 100 * MS });
	assert_int_equal(send(fd, ask, n, 0), n);
	while (!stats(rig).asked)
		usleep(1000);
	close(fd);
	other = tcp(rig);
	n = framed("old", 5, ask);
	assert_int_equal(send(other, ask, n, 0), n);
	expect_tcp(other, 5, "0 10.77.0.3");
	close(other);
}

/* --- the hostile ------------------------------------------------------------------------------ */

static void nonsense_is_refused_by_its_header(void **state)
{
	const struct rig *rig = *state;
	uint8_t ask[6000], got[4096];
	size_t n = question("db", ns_t_a, 9, ask), len;
	static const struct {
		size_t at;
		uint8_t value;
		const char *answer; /* NULL: none */
	} cases[] = {
		{ 2, 0x80, NULL }, /* an answer: two servers would talk for ever */
		{ 2, 0x10, "4" },  /* opcode STATUS */
		{ 2, 0x28, "4" },  /* opcode UPDATE */
		{ 5, 2, "1" },     /* two questions */
		{ 5, 0, "1" },     /* none */
		{ 7, 1, "1" },     /* an answer that is not there */
		{ 11, 3, "1" },    /* more of them than anybody needs */
		{ 11, 1, "1" },    /* one that is not there */
		{ 12, 0xc0, "1" }, /* a name that points to itself */
		{ 12, 0x3f, "1" }, /* a label beyond the end */
		{ 12, 0x40, "1" }, /* a label of a kind that there is not */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bad[512];

		memcpy(bad, ask, n);
		bad[cases[i].at] = cases[i].value;
		if (cases[i].value == 0xc0)
			bad[13] = 12;
		assert_int_equal(send(rig->udp, bad, n, 0), n);
		if (!cases[i].answer)
			continue;
		len = receive(rig, got, SOON_MS);
		assert_int_equal(len, 12);
		assert_int_equal(got[3] & 0xf, atoi(cases[i].answer));
		assert_int_equal(got[0] << 8 | got[1], 9);
	}
	for (size_t cut = 1; cut < n; cut++) {
		assert_int_equal(send(rig->udp, ask, cut, 0), cut);
		if (cut < 12)
			continue;
		len = receive(rig, got, SOON_MS);
		assert_int_equal(len, 12);
		assert_int_equal(got[3] & 0xf, BO_DNS_RCODE_FORMERR);
	}
	/* class CH, as in version.bind */
	ask[n - 1] = ns_c_chaos;
	assert_int_equal(send(rig->udp, ask, n, 0), n);
	len = receive(rig, got, SOON_MS);
	assert_string_equal(said(got, len), "5");
	/* longer than a question is */
	ask[n - 1] = ns_c_in;
	memset(ask + n, 0, sizeof(ask) - n);
	assert_int_equal(send(rig->udp, ask, sizeof(ask), 0), sizeof(ask));
	len = receive(rig, got, SOON_MS);
	assert_int_equal(got[3] & 0xf, BO_DNS_RCODE_FORMERR);
	truth(rig);
}

static void edns_is_answered_in_kind(void **state)
{
	static const uint8_t opt[] = { 0, 0, ns_t_opt, 0x10, 0, 0, 0, 0, 0, 0, 0 };
	const struct rig *rig = *state;
	uint8_t ask[512], got[4096];
	size_t n = question("db", ns_t_a, 9, ask), len;
	ns_msg msg;

	memcpy(ask + n, opt, sizeof(opt));
	ask[11] = 1;
	n += sizeof(opt);
	assert_int_equal(send(rig->udp, ask, n, 0), n);
	len = receive(rig, got, SOON_MS);
	assert_string_equal(said(got, len), "0 10.77.0.2");
	assert_int_equal(ns_initparse(got, (int)len, &msg), 0);
	assert_int_equal(ns_msg_count(msg, ns_s_ar), 1);
}

static void tcp_is_bounded(void **state)
{
	const struct rig *rig = *state;
	int fd = tcp(rig), crowd[65];
	uint8_t ask[512];
	size_t n = framed("db", 1, ask);

	assert_int_equal(send(fd, "\0\0", 2, 0), 2);
	assert_true(is_closed(fd));
	close(fd);
	fd = tcp(rig);
	assert_int_equal(send(fd, "\xff\xffxx", 4, 0), 4);
	assert_true(is_closed(fd));
	close(fd);
	for (int i = 0; i < 65; i++) {
		crowd[i] = tcp(rig);
		/* one after the other, so that it is the last one that is too many */
		(void)send(crowd[i], ask, n, MSG_NOSIGNAL);
		if (i < 64)
			expect_tcp(crowd[i], 1, "0 10.77.0.2");
	}
	assert_true(is_closed(crowd[64]));
	close(crowd[0]);
	close(crowd[64]);
	/* a place is free again, as soon as that has been noticed */
	for (int64_t end = bo_now_ns() + SOON_MS * MS;;) {
		uint8_t got[2];
		ssize_t r;

		assert_true(bo_now_ns() < end);
		crowd[0] = tcp(rig);
		(void)send(crowd[0], ask, n, MSG_NOSIGNAL);
		r = recv(crowd[0], got, 2, MSG_WAITALL | MSG_PEEK);
		if (r == 2)
			break;
		close(crowd[0]);
	}
	expect_tcp(crowd[0], 1, "0 10.77.0.2");
	for (int i = 0; i < 64; i++)
		close(crowd[i]);
}

static void waiting_answers_are_bounded(void **state)
{
	enum { QUESTIONS = 4200 };
	const struct rig *rig = *state;
	struct rig other = *rig;
	struct bo_dns_stats st;
	uint8_t ask[512];
	size_t n = question("db", ns_t_a, 9, ask);

	fault(rig, (struct bo_dns_fault){ .delay_ns = 3600 * BO_NSEC_PER_SEC });
	for (int64_t end = bo_now_ns() + 30 * BO_NSEC_PER_SEC; stats(rig).asked < QUESTIONS;) {
		assert_true(bo_now_ns() < end);
		for (int i = 0; i < 20; i++)
			(void)send(rig->udp, ask, n, MSG_DONTWAIT);
	}
	st = stats(rig);
	assert_true(st.dropped >= QUESTIONS - 4096);
	assert_int_equal(st.dropped + 4096, st.asked);
	assert_int_equal(st.hit + st.dropped, st.asked);
	fault(rig, (struct bo_dns_fault){ .fail = BO_DNS_OK });
	/* what still stands in the server's socket is answered to the old one */
	other.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(other.udp, (struct sockaddr *)&other.at, sizeof(other.at)), 0);
	expect(&other, "db", ns_t_a, "0 10.77.0.2");
	close(other.udp);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, rig_up, rig_down)
	const struct CMUnitTest tests[] = {
		T(the_truth),
		T(it_fails_as_it_is_told),
		T(it_lies),
		T(it_keeps_silent),
		T(it_dawdles),
		T(who_is_due_first_goes_first),
		T(answers_of_an_old_fault_are_not_the_new_ones),
		T(it_speaks_tcp),
		T(nonsense_is_refused_by_its_header),
		T(edns_is_answered_in_kind),
		T(tcp_is_bounded),
		T(waiting_answers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
