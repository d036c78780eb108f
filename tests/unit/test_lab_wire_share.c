/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_lab_wire_share.c — a share of connections: how many, which, whom it does not depend on, and what is
 * counted of the others.  Privilege: none. */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_rules_rig.h"

#define FLOWS 20000
#define SIGMAS 3.9 /* 1 in 10,000 of a normal distribution lies beyond */
#define SERVER 5432

enum sort { A_TCP, A_UDP, A_PING, SORTS };

/** opens() - does the first packet of the i-th flow of that sort go on? */
static bool opens(enum sort sort, int version, uint32_t i)
{
	struct spec ping = { .version = version,
			     .protocol = version == 6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP,
			     .source = (uint16_t)(1 + i),
			     .icmp_type = version == 6 ? 128 : 8 };
	struct conn c = conn_at(version, (uint16_t)(10000 + i), SERVER, i);

	if (sort == A_TCP)
		return tcp(&c, 0, SYN, NULL);
	return sort == A_UDP ? udp(version, 0, (uint16_t)(10000 + i), SERVER, "q") : goes(&ping);
}

static struct bo_conn_rule drop_share(int64_t ppm, uint64_t salt)
{
	return (struct bo_conn_rule){ .action = BO_CONN_DROP, .share_ppm = ppm, .salt = salt };
}

/** anew() - on a link that has seen nothing */
static void anew(uint64_t key)
{
	rules_down(NULL);
	draws_key = key;
	rules_up(NULL);
	draws_key = 7;
}

/** which() - of so many flows, those that the rule hits, on a new link;  Return: how many */
static uint32_t which(bool hit[FLOWS], enum sort sort, int version, uint64_t key,
		      struct bo_conn_rule rule)
{
	uint32_t n = 0;

	anew(key);
	force(rule);
	for (uint32_t i = 0; i < FLOWS; i++)
		n += hit[i] = !opens(sort, version, i);
	return n;
}

/** is_share() - is @k of @n what chance makes of @p? */
static bool is_share(double k, double n, double p)
{
	return fabs(k - n * p) <= SIGMAS * sqrt(n * p * (1 - p));
}

static uint32_t both(const bool a[FLOWS], const bool b[FLOWS])
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FLOWS; i++)
		n += a[i] && b[i];
	return n;
}

/* --- which ------------------------------------------------------------------------------------ */

static void so_many_of_each_sort_and_no_pattern(void **state)
{
	static const int64_t shares[] = { 10000, 300000, 500000, 990000 };
	static bool hit[FLOWS], next[FLOWS];

	(void)state;
	for (int n = 0; n < SORTS * 2 * 4; n++) {
		int64_t ppm = shares[n / (SORTS * 2)];
		double p = (double)ppm / BO_PPM_ALL;
		uint32_t k = which(hit, (enum sort)(n % SORTS), n / SORTS % 2 ? 6 : 4, 7,
				   drop_share(ppm, 1));

		if (!is_share(k, FLOWS, p))
			fail_msg("case %d: %u of %d", n, k, FLOWS);
		assert_int_equal(counts().connections, k);
		assert_int_equal(counts().spared, FLOWS - k);
		assert_int_equal(counts().beyond, 0);
		/* Not behind one another, and in each stretch as often as in the next. */
		memcpy(next, hit + 1, sizeof(hit) - sizeof(hit[0]));
		next[FLOWS - 1] = hit[0];
		assert_true(is_share(both(hit, next), FLOWS, p * p));
		for (uint32_t at = 0; at < FLOWS; at += FLOWS / 10) {
			uint32_t part = 0;

			for (uint32_t i = at; i < at + FLOWS / 10; i++)
				part += hit[i];
			assert_true(is_share(part, FLOWS / 10, p));
		}
	}
}

/* Of many pairs of hosts the first connections, rather than many connections of one pair. */
static void first_connections_too(void **state)
{
	enum { HOSTS = 256, SERVICES = 40 };
	uint32_t k = 0;

	(void)state;
	force(drop_share(300000, 1));
	for (int i = 0; i < HOSTS * SERVICES; i++) {
		struct conn c = conn_at(4, 40000, (uint16_t)(1 + i / HOSTS), 1);

		c.host = i % HOSTS;
		k += !tcp(&c, 0, SYN, NULL);
	}
	assert_true(is_share(k, HOSTS * SERVICES, 0.3));
}

static void the_extremes(void **state)
{
	static bool hit[FLOWS];

	(void)state;
	assert_int_equal(which(hit, A_UDP, 4, 7, drop_share(BO_PPM_ALL, 1)), FLOWS);
	assert_in_range(which(hit, A_UDP, 4, 7, drop_share(1, 1)), 0, 1);
	assert_int_equal(counts().connections + counts().spared, FLOWS);
}

/* Both directions, every packet, whoever is looked at: a rule toward one end hits the connections of one toward the other. */
static void a_connection_has_one_fate(void **state)
{
	uint32_t k = 0;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		for (unsigned int dirs = 1; dirs <= BOTH; dirs++) {
			struct bo_conn_rule rule = drop_share(400000, 1);
			static bool hit[SORTS][500];

			anew(7);
			rule.dirs = dirs;
			force(rule);
			for (uint32_t i = 0; i < 500; i++) {
				uint16_t port = (uint16_t)(10000 + i);
				struct spec echo = { .version = version,
						     .protocol = version == 6 ? IPPROTO_ICMPV6
									      : IPPROTO_ICMP,
						     .source = (uint16_t)(1 + i),
						     .icmp_type = version == 6 ? 128 : 8 };
				struct conn c = conn_at(version, port, SERVER, 1);
				bool goes_on[SORTS][2][2];

				for (int nth = 0; nth < 2; nth++) {
					goes_on[A_TCP][0][nth] = tcp(&c, 0, nth ? ACK : SYN, NULL);
					goes_on[A_TCP][1][nth] = tcp(&c, 1, nth ? ACK : SYN | ACK,
								     NULL);
					goes_on[A_UDP][0][nth] = udp(version, 0, port, 53, "q");
					goes_on[A_UDP][1][nth] = udp(version, 1, 53, port, "a");
					echo.from = 0;
					goes_on[A_PING][0][nth] = goes(&echo);
					echo.from = 1;
					goes_on[A_PING][1][nth] = goes(&echo);
				}
				for (int sort = 0; sort < SORTS; sort++) {
					int seen = dirs & 1 ? 0 : 1;

					if (dirs == 1)
						hit[sort][i] = !goes_on[sort][0][0];
					assert_int_equal(!goes_on[sort][seen][0], hit[sort][i]);
					for (int from = 0; from < 2; from++)
						for (int nth = 0; nth < 2; nth++)
							assert_int_equal(goes_on[sort][from][nth],
									 !hit[sort][i] ||
										 !(dirs >> from &
										   1));
					k += hit[sort][i];
				}
			}
		}
	}
	assert_true(is_share(k / 3.0, 2 * SORTS * 500, 0.4));
}

/* The seed, the link, the fault: each alone makes another choice, and one that has nothing to do with the first. */
static void seeds_and_faults_choose_on_their_own(void **state)
{
	static bool a[FLOWS], b[FLOWS];
	static const struct {
		uint64_t key, salt;
	} other[] = { { 8, 1 }, { 7, 2 }, { 1, 7 } };

	(void)state;
	for (int sort = 0; sort < SORTS; sort++) {
		(void)which(a, (enum sort)sort, 4, 7, drop_share(300000, 1));
		(void)which(b, (enum sort)sort, 4, 7, drop_share(300000, 1));
		assert_memory_equal(a, b, sizeof(a));
		for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
			(void)which(b, (enum sort)sort, 4, other[i].key,
				    drop_share(300000, other[i].salt));
			assert_true(is_share(both(a, b), FLOWS, 0.09));
		}
		(void)which(b, (enum sort)sort, 6, 7, drop_share(300000, 1));
		assert_true(is_share(both(a, b), FLOWS, 0.09));
	}
	/* Both directions of a line draw from keys of their own, too. */
	assert_true(bo_wire_key(1, 1, 1) != bo_wire_key(1, 1, BO_DIR_COUNT + 1));
	assert_true(bo_wire_key(1, 1, 1) != bo_wire_key(1, 2, 1));
	assert_true(bo_wire_key(1, 1, 1) != bo_wire_key(2, 1, 1));
}

/* Neither ports, nor time, nor what else is there: other rules, other flows, packets that were lost. */
static void nothing_else_matters(void **state)
{
	static bool a[FLOWS], b[FLOWS];
	struct bo_conn_rule two[] = { drop_share(300000, 2), drop_share(300000, 1) };

	(void)state;
	(void)which(a, A_TCP, 4, 7, drop_share(300000, 1));
	anew(7);
	two[0].id = 9;
	two[1].id = 1;
	two[0].dirs = two[1].dirs = BOTH;
	two[0].protocol = BO_CONN_UDP;
	bo_wire_rules_replace(rules, two, 2, now_ns);
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct conn c = conn_at(4, (uint16_t)(10000 + 7 * i % 50000), SERVER, 99 * i);

		now_ns += 12345 * (int64_t)i;
		(void)udp(4, 0, (uint16_t)(i * 3 + 1), SERVER, "other");
		(void)udp(4, (int)(i % 2), 53, (uint16_t)(1000 + i % 100), "other");
		b[i] = !tcp(&c, 0, SYN, NULL);
		c.next[0]--;
		assert_int_equal(!tcp(&c, 0, SYN, NULL), b[i]); /* sent once more: the same */
	}
	assert_memory_equal(a, b, sizeof(a));
}

static void a_larger_share_has_the_same_and_more(void **state)
{
	static bool a[FLOWS], b[FLOWS];
	uint32_t k = which(a, A_TCP, 4, 7, drop_share(100000, 1));

	(void)state;
	assert_true(which(b, A_TCP, 4, 7, drop_share(200000, 1)) > k);
	assert_int_equal(both(a, b), k);
}

/* Another SYN on the same ports is another connection: another draw. */
static void ports_used_anew_are_drawn_anew(void **state)
{
	static bool a[FLOWS];
	uint32_t k = 0;

	(void)state;
	(void)which(a, A_TCP, 4, 7, drop_share(300000, 1));
	anew(7);
	force(drop_share(300000, 1));
	for (uint32_t i = 0; i < FLOWS; i++) {
		struct conn c = conn_at(4, 40000, SERVER, 1000 * i);
		bool hit = !tcp(&c, 0, SYN, NULL);

		assert_int_equal(hit, a[i]);
		k += hit;
	}
	assert_int_equal(counts().connections, k);
}

/* --- with the other conditions ---------------------------------------------------------------- */

#define LIVE 300

static struct conn live[LIVE];

static void open_all(void)
{
	for (int i = 0; i < LIVE; i++) {
		live[i] = conn_at(i % 2 ? 6 : 4, (uint16_t)(20000 + i), SERVER, 77u * (uint32_t)i);
		assert_true(handshake(&live[i]));
	}
}

static void live_ones_are_judged_as_new_ones_are(void **state)
{
	bool hit[LIVE];
	uint32_t k = 0;

	(void)state;
	force(drop_share(300000, 1));
	for (int i = 0; i < LIVE; i++) {
		struct conn c = conn_at(i % 2 ? 6 : 4, (uint16_t)(20000 + i), SERVER, 1);

		hit[i] = !tcp(&c, 0, SYN, NULL);
		k += hit[i];
	}
	assert_in_range(k, 50, 130);
	/* Reset at once, without a packet of theirs. */
	anew(7);
	open_all();
	addresses_are_noise = true;
	force((struct bo_conn_rule){ .action = BO_CONN_RESET,
				     .protocol = BO_CONN_TCP,
				     .age = BO_CONN_ESTABLISHED,
				     .share_ppm = 300000,
				     .salt = 1 });
	assert_int_equal(counts().connections, k);
	assert_int_equal(counts().spared, LIVE - k);
	assert_int_equal(counts().resets, 2 * k);
	for (int i = 0; i < LIVE; i++) {
		assert_int_equal(data(&live[i], 0, "x") && !is_rst(live[i].next[0] - 1), !hit[i]);
		assert_int_equal(data(&live[i], 1, "x") && !is_rst(live[i].next[1] - 1), !hit[i]);
	}
	assert_int_equal(counts().spared, LIVE - k); /* each once */
	/* At their next packet. */
	anew(7);
	open_all();
	force((struct bo_conn_rule){ .action = BO_CONN_DROP,
				     .age = BO_CONN_ESTABLISHED,
				     .share_ppm = 300000,
				     .salt = 1 });
	for (int i = 0; i < LIVE; i++)
		assert_int_equal(data(&live[i], i & 1, "x"), !hit[i]);
}

/* The first so many of the share; the others of it are counted, or the share would not come out. */
static void the_first_of_the_share(void **state)
{
	static bool all[FLOWS], some[FLOWS];
	struct bo_conn_rule rule = drop_share(300000, 1);
	uint32_t k = which(all, A_TCP, 4, 7, rule), n = 0;

	(void)state;
	rule.first = 5;
	assert_int_equal(which(some, A_TCP, 4, 7, rule), 5);
	for (uint32_t i = 0; i < FLOWS; i++) {
		n += all[i];
		assert_int_equal(some[i], all[i] && n <= 5);
	}
	assert_int_equal(counts().connections, 5);
	assert_int_equal(counts().beyond, k - 5);
	assert_int_equal(counts().spared, FLOWS - k);
}

static void only_new_ones(void **state)
{
	uint32_t k = 0;

	(void)state;
	open_all();
	force((struct bo_conn_rule){
		.action = BO_CONN_DROP, .age = BO_CONN_NEW, .share_ppm = 500000, .salt = 1 });
	for (int i = 0; i < LIVE; i++) {
		struct conn c = conn_at(4, (uint16_t)(1000 + i), SERVER, 1);

		assert_true(data(&live[i], 0, "x"));
		k += !tcp(&c, 0, SYN, NULL);
	}
	assert_true(is_share(k, LIVE, 0.5));
	assert_int_equal(counts().connections, k);
	assert_int_equal(counts().spared, LIVE - k);
}

/** talk() - a connection in which the client says @what, and the server "ok", and both close
 * Return: did what the client says go on, whole? */
static bool talk(struct conn *c, const char *what)
{
	size_t len = strlen(what);
	bool goes_on;

	if (!handshake(c))
		return false;
	goes_on = data(c, 0, what) && arrived.len - arrived.payload == len;
	if (!goes_on)
		return false;
	(void)data(c, 1, "ok");
	(void)tcp(c, 0, FIN | ACK, NULL);
	(void)tcp(c, 1, FIN | ACK, NULL);
	(void)tcp(c, 0, ACK, NULL);
	return true;
}

/* What matched is what came to where the rule is about it: of connections that did not, none was hit or spared.
 * Every third says the word, or as much as the rule is about. */
static void what_matched_is_counted_of_hit_and_spared_alike(void **state)
{
	static const struct bo_conn_rule each[] = {
		{ .action = BO_CONN_DROP, .contains = "UPDATE", .contains_len = 6 },
		{ .action = BO_CONN_DROP, .contains = "UPDATE", .contains_len = 6, .first = 10 },
		{ .action = BO_CONN_RESET,
		  .protocol = BO_CONN_TCP,
		  .contains = "UPDATE",
		  .contains_len = 6 },
		{ .action = BO_CONN_STALL, .after_bytes = 8, .dirs = 1 },
		{ .action = BO_CONN_CUT, .protocol = BO_CONN_TCP, .after_bytes = 8, .dirs = 1 },
		{ .action = BO_CONN_CUT, /* to the byte as much as they say */
		  .protocol = BO_CONN_TCP,
		  .after_bytes = 10,
		  .dirs = 1 },
		{ .action = BO_CONN_CUT, /* to the FIN */
		  .protocol = BO_CONN_TCP,
		  .after_bytes = 11,
		  .dirs = 1 },
		{ .action = BO_CONN_DRIP,
		  .after_bytes = 8,
		  .every_ns = BO_NSEC_PER_SEC,
		  .dirs = 1 },
	};

	(void)state;
	for (size_t n = 0; n < sizeof(each) / sizeof(each[0]); n++) {
		struct bo_conn_rule rule = each[n];
		uint64_t matched, failed = 0;

		anew(7);
		addresses_are_noise = true;
		rule.share_ppm = 400000;
		rule.salt = 1;
		force(rule);
		for (int i = 0; i < 3 * LIVE; i++) {
			struct conn c = conn_at(4, (uint16_t)(1000 + i), SERVER, 1);
			bool says = i % 3 == 0;
			bool went = talk(&c, says ? "UPDATE 123" : "SELECT");

			assert_true(went || says);
			failed += !went;
		}
		matched = counts().connections + counts().beyond + counts().spared;
		if (matched != LIVE)
			fail_msg("rule %zu: %llu matched", n, (unsigned long long)matched);
		assert_true(is_share((double)(counts().connections + counts().beyond), LIVE, 0.4));
		/* Of the first ten of the share every third says it. */
		if (rule.first)
			assert_in_range(counts().connections, 1, 9);
		else
			assert_int_equal(counts().beyond, 0);
		if (rule.after_bytes < 10)
			assert_int_equal(failed, counts().connections);
		assert_int_equal(counts().escaped, 0);
	}
}

static void refused_and_the_rest_served(void **state)
{
	uint32_t k = 0;

	(void)state;
	addresses_are_noise = true;
	force((struct bo_conn_rule){ .action = BO_CONN_REFUSE,
				     .protocol = BO_CONN_TCP,
				     .age = BO_CONN_NEW,
				     .share_ppm = 300000,
				     .salt = 1 });
	for (int i = 0; i < LIVE; i++) {
		struct conn c = conn_at(4, (uint16_t)(1000 + i), SERVER, 1);

		k += !(handshake(&c) && data(&c, 0, "q") && data(&c, 1, "a"));
	}
	assert_true(is_share(k, LIVE, 0.3));
	assert_int_equal(counts().connections, k);
	assert_int_equal(counts().resets, counts().dropped);
	assert_int_equal(counts().spared, LIVE - k);
}

/* Who is not hit drips at no rate: nothing of it waits, is shortened or counted. */
static void the_spared_lose_nothing(void **state)
{
	struct bo_conn_rule rule = { .action = BO_CONN_DRIP,
				     .after_bytes = 1,
				     .every_ns = BO_NSEC_PER_SEC,
				     .share_ppm = 1,
				     .salt = 1 };

	(void)state;
	force(rule);
	for (int i = 0; i < 100; i++) {
		struct conn c = conn_at(4, (uint16_t)(1000 + i), SERVER, 1);

		assert_true(handshake(&c));
		for (int n = 0; n < 3; n++) {
			assert_true(data(&c, 0, "0123456789"));
			assert_int_equal(arrived.len - arrived.payload, 10);
			assert_true(data(&c, 1, "0123456789"));
			assert_true(udp(6, 0, (uint16_t)(1000 + i), 53, "0123456789"));
		}
	}
	assert_int_equal(counts().spared, 200);
	assert_int_equal(counts().connections + counts().dropped + counts().shortened +
				 counts().matched + counts().passed_bytes,
			 0);
}

/* What a spared connection might have saved up, it has not: it comes to the limit where one that is hit does. */
static void the_spared_save_nothing_up(void **state)
{
	struct conn c[LIVE];

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_DRIP,
				     .after_bytes = 8,
				     .every_ns = BO_NSEC_PER_SEC,
				     .dirs = 1,
				     .share_ppm = 400000,
				     .salt = 1 });
	for (int i = 0; i < LIVE; i++) {
		c[i] = conn_at(4, (uint16_t)(1000 + i), SERVER, 1);
		assert_true(handshake(&c[i]) && data(&c[i], 0, "01234"));
	}
	assert_int_equal(counts().connections + counts().spared, 0);
	now_ns += 100 * BO_NSEC_PER_SEC;
	for (int i = 0; i < LIVE; i++)
		(void)data(&c[i], 0, "0123456789");
	assert_int_equal(counts().connections + counts().spared, LIVE);
	assert_true(is_share((double)counts().connections, LIVE, 0.4));
}

/* A reset waits until there is a connection, and nothing ends one that is spared. */
static void half_a_connection_is_none_to_be_reset(void **state)
{
	struct conn c[LIVE];

	(void)state;
	addresses_are_noise = true;
	force((struct bo_conn_rule){ .action = BO_CONN_RESET,
				     .protocol = BO_CONN_TCP,
				     .age = BO_CONN_NEW,
				     .share_ppm = 400000,
				     .salt = 1 });
	for (int i = 0; i < LIVE; i++) {
		c[i] = conn_at(4, (uint16_t)(1000 + i), SERVER, 1);
		assert_true(tcp(&c[i], 0, SYN, NULL) && tcp(&c[i], 1, SYN | ACK, NULL));
	}
	assert_int_equal(counts().connections + counts().spared, 0);
	for (int i = 0; i < LIVE; i++)
		(void)tcp(&c[i], 0, ACK, NULL);
	assert_int_equal(counts().connections + counts().spared, LIVE);
	assert_true(is_share((double)counts().connections, LIVE, 0.4));
}

/* Not even when an end acknowledges what it cannot have. */
static void nothing_ends_the_spared(void **state)
{
	struct conn c = conn_at(4, 1000, SERVER, 1);
	struct spec ahead;

	(void)state;
	force((struct bo_conn_rule){ .action = BO_CONN_CUT,
				     .protocol = BO_CONN_TCP,
				     .after_bytes = 100,
				     .share_ppm = 1,
				     .salt = 1 });
	assert_true(handshake(&c) && data(&c, 0, "x"));
	ahead = segment(&c, 1, ACK, NULL);
	ahead.ack += 1000;
	assert_true(goes(&ahead));
	assert_int_equal(nemitted, 0);
	assert_true(data(&c, 0, "y") && data(&c, 1, "z"));
	assert_int_equal(counts().connections + counts().resets + counts().escaped, 0);
}

static void later_fragments_are_of_no_connection(void **state)
{
	struct spec later = { .protocol = IPPROTO_UDP, .fragment = 100 };

	(void)state;
	force(drop_share(BO_PPM_ALL, 1));
	assert_true(goes(&later));
	assert_false(udp(4, 0, 9, 53, "x"));
}

static void what_is_no_share_is_refused(void **state)
{
	static const int64_t shares[] = { -1, BO_PPM_ALL + 1, INT64_MIN, INT64_MAX };
	struct bo_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		struct bo_conn_rule rule = drop_share(shares[i], 1);

		rule.id = 1;
		rule.dirs = BOTH;
		assert_int_equal(bo_conn_rule_check(&rule, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "share"));
	}
}

#define SHARE_TEST(fn) cmocka_unit_test_setup_teardown(fn, rules_up, rules_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARE_TEST(so_many_of_each_sort_and_no_pattern),
		SHARE_TEST(first_connections_too),
		SHARE_TEST(the_extremes),
		SHARE_TEST(a_connection_has_one_fate),
		SHARE_TEST(seeds_and_faults_choose_on_their_own),
		SHARE_TEST(nothing_else_matters),
		SHARE_TEST(a_larger_share_has_the_same_and_more),
		SHARE_TEST(ports_used_anew_are_drawn_anew),
		SHARE_TEST(live_ones_are_judged_as_new_ones_are),
		SHARE_TEST(the_first_of_the_share),
		SHARE_TEST(only_new_ones),
		SHARE_TEST(what_matched_is_counted_of_hit_and_spared_alike),
		SHARE_TEST(refused_and_the_rest_served),
		SHARE_TEST(the_spared_lose_nothing),
		SHARE_TEST(the_spared_save_nothing_up),
		SHARE_TEST(half_a_connection_is_none_to_be_reset),
		SHARE_TEST(nothing_ends_the_spared),
		SHARE_TEST(later_fragments_are_of_no_connection),
		SHARE_TEST(what_is_no_share_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
