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
	const struct bo_impair im = { .delay_ns = 50 * MS,
				      .jitter_ns = 10 * MS,
				      .loss.random.ppm = 20000,
				      .rate_bps = 10000000,
				      .rate_overhead = 14, /* tc charges the Ethernet header */
				      .limit_packets = 12345 };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);

	(void)state;
	assert_memory_equal(nla_data(tb[TCA_OPTIONS]), qopt, sizeof(qopt) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE, rate, sizeof(rate) - 1);
	assert_null(option(tb[TCA_OPTIONS], TCA_NETEM_RATE64));
	check_option(tb[TCA_OPTIONS], TCA_NETEM_LATENCY64, &im.delay_ns, 8);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_JITTER64, &im.jitter_ns, 8);
	nlmsg_free(msg);
}

static void chances_are_those_of_tc(void **state)
{
	/* tc … netem limit 12345 delay 50ms 10ms loss 2% 30% duplicate 1% 40% corrupt 0.5% 20%
	 *    reorder 10% 60% gap 5 rate 10mbit 20 48 5 */
	static const uint8_t qopt[] =
		"\xc2\xeb\x0b\x00\x39\x30\x00\x00\x52\xb8\x1e\x05\x05\x00\x00\x00\x29\x5c\x8f\x02"
		"\x5a\x62\x02\x00";
	static const uint8_t corr[] = "\x00\x00\x00\x00\xcc\xcc\xcc\x4c\x66\x66\x66\x66";
	static const uint8_t reorder[] = "\x9a\x99\x99\x19\x99\x99\x99\x99";
	static const uint8_t corrupt[] = "\x14\xae\x47\x01\x33\x33\x33\x33";
	static const uint8_t rate[] =
		"\xd0\x12\x13\x00\x14\x00\x00\x00\x30\x00\x00\x00\x05\x00\x00\x00";
	const struct bo_impair im = { .delay_ns = 50 * MS,
				      .jitter_ns = 10 * MS,
				      .loss.random = { 20000, 300000 },
				      .duplicate = { 10000, 400000 },
				      .corrupt = { 5000, 200000 },
				      .reorder = { 100000, 600000 },
				      .reorder_gap = 5,
				      .rate_bps = 10000000,
				      .rate_overhead = 14 + 20,
				      .rate_cell_bytes = 48,
				      .rate_cell_overhead = 5,
				      .limit_packets = 12345 };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);

	(void)state;
	assert_memory_equal(nla_data(tb[TCA_OPTIONS]), qopt, sizeof(qopt) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_CORR, corr, sizeof(corr) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_REORDER, reorder, sizeof(reorder) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_CORRUPT, corrupt, sizeof(corrupt) - 1);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE, rate, sizeof(rate) - 1);
	nlmsg_free(msg);
}

static void loss_models_are_those_of_tc(void **state)
{
	/* tc … netem limit 12345 loss gemodel 1% 10% 70% 0.1%
	 * tc … netem limit 12345 loss state 1% 20% 30% 40% 0.5% */
	static const uint8_t ge[] =
		"\x18\x00\x05\x80\x14\x00\x02\x00\x29\x5c\x8f\x02\x9a\x99\x99\x19\xcd\xcc\xcc\x4c"
		"\x37\x89\x41\x00";
	static const uint8_t gi[] =
		"\x1c\x00\x05\x80\x18\x00\x01\x00\x29\x5c\x8f\x02\x33\x33\x33\x33\xcc\xcc\xcc\x4c"
		"\x14\xae\x47\x01\x66\x66\x66\x66";
	const struct bo_impair by_ge = { .loss = { .model = BO_LOSS_GE,
						   .p_ppm = 10000,
						   .r_ppm = 100000,
						   .bad_loss_ppm = 700000,
						   .good_loss_ppm = 1000 } };
	const struct bo_impair by_state = { .loss = { .model = BO_LOSS_STATE,
						      .p13_ppm = 10000,
						      .p31_ppm = 200000,
						      .p32_ppm = 300000,
						      .p23_ppm = 400000,
						      .p14_ppm = 5000 } };
	const struct bo_impair halves = { .loss = { .model = BO_LOSS_STATE,
						    .p13_ppm = 500000,
						    .p14_ppm = 500000,
						    .p31_ppm = 500000,
						    .p32_ppm = 500000,
						    .p23_ppm = 1 } };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&by_ge, tb);
	const struct tc_netem_gimodel *gimodel;

	(void)state;
	assert_memory_equal(option(tb[TCA_OPTIONS], TCA_NETEM_LOSS), ge, sizeof(ge) - 1);
	nlmsg_free(msg);
	msg = encode(&by_state, tb);
	assert_memory_equal(option(tb[TCA_OPTIONS], TCA_NETEM_LOSS), gi, sizeof(gi) - 1);
	nlmsg_free(msg);
	/* The kernel adds these in 32 bits: two halves that were rounded up would be nothing. */
	msg = encode(&halves, tb);
	gimodel = nla_data(nla_data(option(tb[TCA_OPTIONS], TCA_NETEM_LOSS)));
	assert_int_equal((uint64_t)gimodel->p13 + gimodel->p14, UINT32_MAX);
	assert_int_equal((uint64_t)gimodel->p31 + gimodel->p32, UINT32_MAX);
	nlmsg_free(msg);
}

static void slots_are_those_of_tc(void **state)
{
	/* tc … netem limit 12345 slot 10ms 30ms packets 7 bytes 9000 */
	static const uint8_t slot[] =
		"\x80\x96\x98\x00\x00\x00\x00\x00\x80\xc3\xc9\x01\x00\x00\x00\x00\x07\x00\x00\x00"
		"\x28\x23\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";
	const struct bo_impair im = {
		.slot = { .min_ns = 10 * MS, .max_ns = 30 * MS, .packets = 7, .bytes = 9000 },
	};
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);

	(void)state;
	check_option(tb[TCA_OPTIONS], TCA_NETEM_SLOT, slot, sizeof(slot) - 1);
	nlmsg_free(msg);
}

/** table_of() - the quantiles that a jitter brings along, or NULL */
static const int16_t *table_of(const struct nlattr *options)
{
	const struct nlattr *attr = option(options, TCA_NETEM_DELAY_DIST);

	if (!attr)
		return NULL;
	assert_int_equal(nla_len(attr), BO_DIST_TABLE_LEN * sizeof(int16_t));
	return nla_data(attr);
}

static void every_jitter_brings_its_table(void **state)
{
	struct bo_dist_table measured = { .at = { 1, 2, 3 } }, normal;
	struct bo_impair im = { .delay_ns = 50 * MS, .jitter_ns = 10 * MS };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg;

	(void)state;
	/* netem cannot forget a table, so the uniform distribution is one, too: ± one jitter. */
	for (int again = 0; again < 2; again++) {
		msg = encode(&im, tb);
		assert_int_equal(table_of(tb[TCA_OPTIONS])[0], -BO_DIST_SCALE + 2);
		assert_int_equal(table_of(tb[TCA_OPTIONS])[BO_DIST_TABLE_LEN / 2], 2);
		assert_int_equal(table_of(tb[TCA_OPTIONS])[BO_DIST_TABLE_LEN - 1],
				 BO_DIST_SCALE - 2);
		nlmsg_free(msg);
	}
	bo_dist_fill(BO_DIST_NORMAL, &normal);
	im.dist = BO_DIST_NORMAL;
	msg = encode(&im, tb);
	assert_memory_equal(table_of(tb[TCA_OPTIONS]), &normal, sizeof(normal));
	nlmsg_free(msg);
	im.dist = BO_DIST_TABLE;
	im.table = &measured;
	msg = encode(&im, tb);
	assert_memory_equal(table_of(tb[TCA_OPTIONS]), &measured, sizeof(measured));
	nlmsg_free(msg);
	im.jitter_ns = 0;
	msg = encode(&im, tb);
	assert_null(table_of(tb[TCA_OPTIONS]));
	nlmsg_free(msg);
}

static void seed_is_sent_when_there_is_one(void **state)
{
	const struct bo_impair none = { 0 };
	const uint64_t seed = 0x0102030405060708;

	(void)state;
	for (int with = 0; with < 2; with++) {
		struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWQDISC, 0);
		struct nlattr *options;
		struct bo_err err = { 0 };

		assert_int_equal(bo_netem_encode_seeded(msg, &none, 1500, with ? seed : 0, &err),
				 0);
		options = nlmsg_find_attr(nlmsg_hdr(msg), 0, TCA_OPTIONS);
		if (with)
			check_option(options, BO_NETEM_PRNG_SEED, &seed, sizeof(seed));
		else
			assert_null(option(options, BO_NETEM_PRNG_SEED));
		nlmsg_free(msg);
	}
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
				      .rate_overhead = 14,
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
	static const uint8_t zero[40];
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&(struct bo_impair){ 0 }, tb);
	const struct tc_netem_qopt *qopt = nla_data(tb[TCA_OPTIONS]);

	(void)state;
	/* netem keeps what a change leaves out, so healing must send zeroes. */
	check_option(tb[TCA_OPTIONS], TCA_NETEM_RATE, zero, 16);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_LATENCY64, zero, 8);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_JITTER64, zero, 8);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_CORR, zero, 12);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_REORDER, zero, 8);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_CORRUPT, zero, 8);
	check_option(tb[TCA_OPTIONS], TCA_NETEM_SLOT, zero, 40);
	/* A loss model is taken off by silence. */
	assert_null(option(tb[TCA_OPTIONS], TCA_NETEM_LOSS));
	assert_int_equal(qopt->loss, 0);
	assert_int_equal(qopt->latency, 0);
	assert_int_equal(qopt->jitter, 0);
	assert_int_equal(qopt->gap, 0);
	assert_int_equal(qopt->duplicate, 0);
	nlmsg_free(msg);
}

static void blackhole_is_certain_loss(void **state)
{
	/* A packet sent twice would lose but one of its copies, and a model would lose fewer. */
	const struct bo_impair im = { .blackhole = true,
				      .loss = { .model = BO_LOSS_GE, .p_ppm = 10 },
				      .duplicate.ppm = BO_PPM_ALL };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);
	const struct tc_netem_qopt *qopt = nla_data(tb[TCA_OPTIONS]);

	(void)state;
	assert_int_equal(qopt->loss, UINT32_MAX);
	assert_int_equal(qopt->duplicate, 0);
	assert_null(option(tb[TCA_OPTIONS], TCA_NETEM_LOSS));
	nlmsg_free(msg);
}

static void reorder_needs_a_gap(void **state)
{
	struct bo_impair im = { .delay_ns = MS, .reorder.ppm = 1 };
	struct nlattr *tb[TCA_MAX + 1];
	struct nl_msg *msg = encode(&im, tb);

	(void)state;
	assert_int_equal(((const struct tc_netem_qopt *)nla_data(tb[TCA_OPTIONS]))->gap, 1);
	nlmsg_free(msg);
	im.reorder.ppm = 0;
	im.reorder_gap = 5;
	msg = encode(&im, tb);
	assert_int_equal(((const struct tc_netem_qopt *)nla_data(tb[TCA_OPTIONS]))->gap, 0);
	nlmsg_free(msg);
}

static void what_netem_cannot_is_refused(void **state)
{
	const uint32_t at_ms[] = { 1, 2 };
	const struct bo_trace trace = { .name = "t", .at_ms = at_ms, .count = 2 };
	const struct {
		struct bo_impair im;
		const char *word;
	} cases[] = {
		{ { .delay_ns = MS, .in_order = true }, "in order" },
		{ { .trace = &trace }, "trace" },
		{ { .delay_ns = 3 * SEC, .jitter_ns = INT64_C(2147483648) }, "jitter" },
		{ { .slot = { .min_ns = 1, .max_ns = INT64_C(2147483649) } }, "slots" },
		{ { .delay_ns = MS, .jitter_ns = MS, .delay_corr_ppm = 1 }, "correlat" },
		{ { .rate_bps = 8, .rate_overhead = -21 }, "overhead" },
		{ { .rate_bps = 8, .rate_cell_bytes = 5, .rate_cell_overhead = -6 }, "cell" },
	};
	const struct bo_impair can = { .delay_ns = 3 * SEC,
				       .jitter_ns = INT32_MAX,
				       .slot = { .min_ns = SEC, .max_ns = SEC + INT32_MAX },
				       .rate_bps = 8,
				       .rate_overhead = -20,
				       .rate_cell_bytes = 5,
				       .rate_cell_overhead = -5 };

	(void)state;
	assert_null(bo_netem_cannot(&can));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWQDISC, 0);
		struct bo_err err = { 0 };

		assert_int_equal(bo_netem_encode(msg, &cases[i].im, 1500, &err), -ENOTSUP);
		assert_non_null(strstr(err.msg, cases[i].word));
		nlmsg_free(msg);
	}
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
		{ .delay_ns = -1 },        { .delay_ns = 1, .jitter_ns = 2 },
		{ .loss.random.ppm = -1 }, { .loss.random.ppm = BO_PPM_ALL + 1 },
		{ .rate_bps = -1 },        { .limit_packets = -1 },
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
		cmocka_unit_test(chances_are_those_of_tc),
		cmocka_unit_test(loss_models_are_those_of_tc),
		cmocka_unit_test(slots_are_those_of_tc),
		cmocka_unit_test(every_jitter_brings_its_table),
		cmocka_unit_test(seed_is_sent_when_there_is_one),
		cmocka_unit_test(reorder_needs_a_gap),
		cmocka_unit_test(what_netem_cannot_is_refused),
		cmocka_unit_test(full_loss_and_64_bit_rate),
		cmocka_unit_test(long_delay_needs_64_bits),
		cmocka_unit_test(every_message_states_everything),
		cmocka_unit_test(blackhole_is_certain_loss),
		cmocka_unit_test(limit_fits_rate_times_delay),
		cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
