/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_sys_netem.c — the netem encoder against bytes that tc sends, and its refusals.
 *
 * The expected bytes were taken from `strace -e trace=sendmsg -xx tc qdisc replace dev v0 root
 * handle b007: netem …` (iproute2 6.1.0, x86-64), which shows the message whether or not the kernel
 * has netem.  tc sends no 64-bit delay; those two attributes follow include/uapi/linux/pkt_sched.h
 * (TCA_NETEM_LATENCY64 = 10, TCA_NETEM_JITTER64 = 11, s64 nanoseconds).  The effect on a real
 * kernel is tested where there is one with sch_netem. Privilege: none. */
#include <errno.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "brownout/sys/netem.h"

#define MS INT64_C(1000000)
#define SEC INT64_C(1000000000)

/** encode() - the attributes of @im; kind and options are looked up in *ret_tb */
static struct nl_msg *encode(const struct bo_impair *im, struct nlattr *ret_tb[TCA_MAX + 1])
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWQDISC, 0);
	struct tcmsg tcm = { 0 };
	struct bo_err err = { 0 };

	assert_non_null(msg);
	assert_int_equal(nlmsg_append(msg, &tcm, sizeof(tcm), NLMSG_ALIGNTO), 0);
	assert_int_equal(bo_netem_encode(msg, im, 1500, &err), 0);
	assert_int_equal(nlmsg_parse(nlmsg_hdr(msg), sizeof(tcm), ret_tb, TCA_MAX, NULL), 0);
	assert_string_equal(nla_get_string(ret_tb[TCA_KIND]), "netem");
	return msg;
}

/** option() - attribute @type behind the bare struct of the options */
static const struct nlattr *option(const struct nlattr *options, int type)
{
	size_t skip = NLA_ALIGN(sizeof(struct tc_netem_qopt));

	return nla_find((struct nlattr *)((uint8_t *)nla_data(options) + skip),
			nla_len(options) - (int)skip, type);
}

static void check_option(const struct nlattr *options, int type, const void *data, int len)
{
	const struct nlattr *attr = option(options, type);

	assert_non_null(attr);
	assert_int_equal(nla_len(attr), len);
	assert_memory_equal(nla_data(attr), data, len);
}

static void bytes_are_those_of_tc(void **state)
{
	/* tc … netem limit 12345 delay 50ms 10ms loss 2% rate 10mbit */
	static const uint8_t qopt[] =
		"\xc2\xeb\x0b\x00\x39\x30\x00\x00\x52\xb8\x1e\x05\x00\x00\x00\x00\x00\x00\x00\x00"
		"\x5a\x62\x02\x00";
	static const uint8_t rate[] =
		"\xd0\x12\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
	static const uint8_t whole[] =
		"\x48\x00\x02\x00" /* TCA_OPTIONS, 72 bytes */
		"\xc2\xeb\x0b\x00\x39\x30\x00\x00\x52\xb8\x1e\x05\x00\x00\x00\x00\x00\x00\x00\x00\x5a\x62\x02\x00"
		"\x14\x00\x06\x00\xd0\x12\x13\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
		"\x0c\x00\x0a\x00\x80\xf0\xfa\x02\x00\x00\x00\x00"
		"\x0c\x00\x0b\x00\x80\x96\x98\x00\x00\x00\x00\x00";
	const struct bo_impair im = { .delay_ns = 50 * MS,
				      .jitter_ns = 10 * MS,
				      .loss.random.ppm = 20000,
				      .rate_bps = 10000000,
				      .limit_packets = 12345 };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);

	(void)state;
	assert_memory_equal(nla_data(tb[TCA_OPTIONS]), qopt, sizeof(qopt) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE, rate, sizeof(rate) - 1);
	assert_null(option(tb[TCA_OPTIONS], TCA_NETEM_RATE64));
	assert_memory_equal(tb[TCA_OPTIONS], whole, sizeof(whole) - 1);
	assert_int_equal(nla_len(tb[TCA_OPTIONS]) + NLA_HDRLEN, sizeof(whole) - 1);
	nlmsg_free(msg);
}

static void full_loss_and_64_bit_rate(void **state)
{
	/* tc … netem limit 12345 loss 100% rate 80gbit */
	static const uint8_t qopt[] =
		"\x00\x00\x00\x00\x39\x30\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"
		"\x00\x00\x00\x00";
	static const uint8_t rate64[] = "\x00\xe4\x0b\x54\x02\x00\x00\x00";
	static const uint8_t rate[] =
		"\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
	const struct bo_impair im = { .loss.random.ppm = BO_PPM_ALL,
				      .rate_bps = INT64_C(80000000000),
				      .limit_packets = 12345 };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);

	(void)state;
	assert_memory_equal(nla_data(tb[TCA_OPTIONS]), qopt, sizeof(qopt) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE64, rate64, sizeof(rate64) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE, rate, sizeof(rate) - 1);
	nlmsg_free(msg);
}

static void long_delay_needs_64_bits(void **state)
{
	const struct bo_impair im = { .delay_ns = 600 * SEC };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);
	const struct tc_netem_qopt *qopt = nla_data(tb[TCA_OPTIONS]);

	(void)state;
	/* 2^32 ticks of 64 ns are 274 s: the old field saturates, the new one holds. */
	assert_int_equal(qopt->latency, UINT32_MAX);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_LATENCY64, &im.delay_ns, 8);
	nlmsg_free(msg);
}

static void every_message_states_everything(void **state)
{
	static const uint8_t zero[16];
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&(struct bo_impair){ 0 }, tb);
	const struct tc_netem_qopt *qopt = nla_data(tb[TCA_OPTIONS]);

	(void)state;
	/* netem keeps what a change leaves out, so healing must send zeroes. */
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE, zero, 16);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_LATENCY64, zero, 8);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_JITTER64, zero, 8);
	assert_int_equal(qopt->loss, 0);
	assert_int_equal(qopt->latency, 0);
	assert_int_equal(qopt->jitter, 0);
	nlmsg_free(msg);
}

static void blackhole_is_certain_loss(void **state)
{
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&(struct bo_impair){ .blackhole = true, .loss.random.ppm = 10 }, tb);
	const struct tc_netem_qopt *qopt = nla_data(tb[TCA_OPTIONS]);

	(void)state;
	assert_int_equal(qopt->loss, UINT32_MAX);
	nlmsg_free(msg);
}

static void limit_fits_rate_times_delay(void **state)
{
	(void)state;
	assert_int_equal(bo_netem_limit(&(struct bo_impair){ 0 }, 1500), 1000);
	assert_int_equal(bo_netem_limit(&(struct bo_impair){ .limit_packets = 7, .delay_ns = SEC },
					1500),
			 7);
	/* 100 Mbit/s × 1 s is 195,313 packets of 64 bytes under way, on top of a queue of 1000. */
	assert_int_equal(
		bo_netem_limit(&(struct bo_impair){ .rate_bps = 100000000, .delay_ns = SEC }, 1500),
		196313);
	/* No rate: 10 Gbit/s of full packets. */
	assert_int_equal(bo_netem_limit(&(struct bo_impair){ .delay_ns = 50 * MS }, 1500), 42667);
	assert_int_equal(bo_netem_limit(&(struct bo_impair){ .delay_ns = 3600 * SEC }, 1500),
			 1 << 20);
}

static void nonsense_is_refused(void **state)
{
	static const struct bo_impair bad[] = {
		{ .delay_ns = -1 }, { .delay_ns = 1, .jitter_ns = 2 },
		{ .loss.random.ppm = -1 }, { .loss.random.ppm = BO_PPM_ALL + 1 },
		{ .rate_bps = -1 }, { .limit_packets = -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWQDISC, 0);
		struct bo_err err = { 0 };

		assert_int_equal(bo_netem_encode(msg, &bad[i], 1500, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "expected"));
		nlmsg_free(msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_those_of_tc),
		cmocka_unit_test(full_loss_and_64_bit_rate),
		cmocka_unit_test(long_delay_needs_64_bits),
		cmocka_unit_test(every_message_states_everything),
		cmocka_unit_test(blackhole_is_certain_loss),
		cmocka_unit_test(limit_fits_rate_times_delay),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
