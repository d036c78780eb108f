/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_dns.c — questions of arbitrary bytes, and the answers to them.  The first byte says what the answer is to be.
 * Besides memory errors it looks for an answer that another library cannot read, that is longer than it may be, or that
 * is to somebody else's question.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(what)            \
	do {                     \
		if (!(what))     \
			abort(); \
	} while (0)

static void check_answer(const uint8_t *answer, size_t len, const struct bo_dns_query *q, int rcode)
{
	ns_msg msg;
	ns_rr rr;

	REQUIRE(len >= 12 && len <= BO_DNS_ANSWER_MAX);
	REQUIRE(ns_initparse(answer, (int)len, &msg) == 0);
	REQUIRE(ns_msg_id(msg) == q->id && ns_msg_getflag(msg, ns_f_qr));
	REQUIRE(ns_msg_getflag(msg, ns_f_rcode) == rcode);
	REQUIRE(ns_msg_count(msg, ns_s_qd) <= 1 && ns_msg_count(msg, ns_s_an) <= 2);
	REQUIRE(!rcode || !ns_msg_count(msg, ns_s_an));
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		REQUIRE(ns_parserr(&msg, ns_s_an, i, &rr) == 0);
		REQUIRE(ns_rr_rdlen(rr) == (ns_rr_type(rr) == ns_t_a ? 4 : 16));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct in_addr v4 = { .s_addr = 0x0200000a };
	const struct in6_addr v6 = { .s6_addr = { 0xfd, 0x77, [15] = 2 } };
	struct bo_dns_query q;
	uint8_t answer[BO_DNS_ANSWER_MAX];
	uint8_t *copy;
	size_t len;
	int rcode;

	if (!size)
		return 0;
	/* of exact size, so that a read beyond it is seen */
	copy = malloc(size - 1 ? size - 1 : 1);
	REQUIRE(copy);
	memcpy(copy, data + 1, size - 1);
	if (bo_dns_query_parse(copy, size - 1, &q)) {
		REQUIRE(size - 1 >= 12 && strlen(q.name) < sizeof(q.name));
		rcode = q.rcode ? (int)q.rcode : data[0] & 7;
		len = bo_dns_answer(&q, (enum bo_dns_rcode)rcode, data[0] & 8 ? &v4 : NULL,
				    data[0] & 16 ? &v6 : NULL, answer);
		/* Only a name that fills the answer by itself leaves no room; no node has such a one. */
		REQUIRE(len || strlen(q.name) > 63);
		if (len)
			check_answer(answer, len, &q, rcode);
	} else {
		REQUIRE(!q.packet);
	}
	bo_dns_query_done(&q);
	free(copy);
	return 0;
}
