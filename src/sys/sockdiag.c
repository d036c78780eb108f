/* SPDX-License-Identifier: Apache-2.0 */
/* sys/sockdiag.c — see the header.  libnl carries the request; the answer is one dump.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "brownout/sys/sockdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"

#define CONNECTIONS_MAX 4096
#define US_NS 1000

struct search {
	const struct bo_attach_peer *peer;
	uint32_t *rtt_us;
	uint32_t n;
};

static void msg_free(struct nl_msg **msg)
{
	nlmsg_free(*msg);
}

static void sock_free(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static int on_socket(struct nl_msg *msg, void *arg)
{
	struct search *s = arg;
	struct nlmsghdr *h = nlmsg_hdr(msg);
	const struct inet_diag_msg *d = nlmsg_data(h);
	struct nlattr *tb[INET_DIAG_MAX + 1];
	struct tcp_info info = { 0 };

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || s->n == CONNECTIONS_MAX ||
	    nlmsg_parse(h, sizeof(*d), tb, INET_DIAG_MAX, NULL) < 0 || !tb[INET_DIAG_INFO])
		return NL_OK;
	if (!bo_attach_peer_has(s->peer, d->idiag_family, (const uint8_t *)d->id.idiag_dst) ||
	    (s->peer->port && ntohs(d->id.idiag_dport) != s->peer->port))
		return NL_OK;
	nla_memcpy(&info, tb[INET_DIAG_INFO], sizeof(info));
	if (info.tcpi_rtt)
		s->rtt_us[s->n++] = info.tcpi_rtt;
	return NL_OK;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int dump(struct search *s, struct bo_err *err)
{
	struct inet_diag_req_v2 req = { .sdiag_family = (uint8_t)s->peer->family,
					.sdiag_protocol = IPPROTO_TCP,
					.idiag_ext = 1 << (INET_DIAG_INFO - 1),
					.idiag_states = 1u << TCP_ESTABLISHED };
	bo_auto(sock_free) struct nl_sock *sock = nl_socket_alloc();
	bo_auto(msg_free) struct nl_msg *msg = nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY,
								  NLM_F_REQUEST | NLM_F_DUMP);
	int rc;

	if (!sock || !msg || nlmsg_append(msg, &req, sizeof(req), NLMSG_ALIGNTO) < 0)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	rc = nl_connect(sock, NETLINK_SOCK_DIAG);
	if (rc == 0)
		rc = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_socket, s);
	if (rc == 0)
		rc = nl_send_auto(sock, msg);
	if (rc >= 0)
		rc = nl_recvmsgs_default(sock);
	return rc < 0 ? bo_err_set(err, EIO, BO_SUBSYS_SYS, "sock_diag: %s", nl_geterror(rc)) : 0;
}

int bo_tcp_rtt(const struct bo_attach_peer *peer, struct bo_tcp_rtt *ret, struct bo_err *err)
{
	bo_auto_free uint32_t *rtt_us = calloc(CONNECTIONS_MAX, sizeof(*rtt_us));
	struct search s = { .peer = peer, .rtt_us = rtt_us };
	int rc;

	if (!rtt_us)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_SYS, "out of memory");
	rc = dump(&s, err);
	if (rc < 0)
		return rc;
	qsort(rtt_us, s.n, sizeof(*rtt_us), by_size);
	*ret = (struct bo_tcp_rtt){ .connections = s.n,
				    .p50_ns = s.n ? (int64_t)rtt_us[s.n / 2] * US_NS : 0 };
	return 0;
}
