/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/dns.h — what a name server does to the names that a node asks for.
 * Owns: nothing (plain record).  Threads: copy it.  Privilege: none. */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/** enum bo_dns_fail - instead of the answer; keep in step with bo_dns_fail_name() */
enum bo_dns_fail {
	BO_DNS_OK,
	BO_DNS_NXDOMAIN, /* there is no such name */
	BO_DNS_SERVFAIL, /* the server cannot say (2) */
	BO_DNS_REFUSED,  /* the server does not want to (5) */
	BO_DNS_TIMEOUT,  /* it says nothing */
	BO_DNS_FAIL_COUNT,
};
/** bo_dns_fail_name() - "ok", "nxdomain", "servfail", "refused", "timeout" */
const char *bo_dns_fail_name(enum bo_dns_fail fail);

/**
 * struct bo_dns_fault - zero means: the truth, at once
 * @name: only questions for this name, "" for every name;  those for others get the truth at once
 * @delay_ns: before the answer, whatever it is
 * @lie: the answer is that for the name @lie_of instead, or (where that is "") @lie4 and @lie6; a family without
 *       address (all zero) has none
 */
struct bo_dns_fault {
	enum bo_dns_fail fail;
	char name[64];
	int64_t delay_ns;
	bool lie;
	char lie_of[64];
	struct in_addr lie4;
	struct in6_addr lie6;
};

/** bo_dns_late_ns() - what an answer may take that was to be held back for @delay_ns: a thread is woken for it */
static inline int64_t bo_dns_late_ns(int64_t delay_ns)
{
	return delay_ns + delay_ns / 20 + 50 * 1000000;
}

/**
 * struct bo_dns_stats - since the fault in force began
 * @asked: questions for the fault's name;  @hit: of those, answered (or left unanswered) as the fault says
 * @others: questions for other names
 * @dropped: questions that were thrown away, because too many answers were waiting
 * @answered: of @hit, those whose answer was sent;  @late: of these, later than bo_dns_late_ns()
 * @delay_min_ns, @delay_max_ns: from a question of @hit to its answer;  0 when none was sent yet
 */
struct bo_dns_stats {
	uint64_t asked, hit, others, dropped, answered, late;
	int64_t delay_min_ns, delay_max_ns;
};
