/* SPDX-License-Identifier: Apache-2.0 */
/* model/dns.c — the words for what a name server can do. */
#include "brownout/model/dns.h"

const char *bo_dns_fail_name(enum bo_dns_fail fail)
{
	static const char *const names[] = { "ok", "nxdomain", "servfail", "refused", "timeout" };

	_Static_assert(sizeof(names) / sizeof(names[0]) == BO_DNS_FAIL_COUNT,
		       "every one has a name");
	return (unsigned int)fail < BO_DNS_FAIL_COUNT ? names[fail] : "?";
}
