/* SPDX-License-Identifier: Apache-2.0 */
/* hold.c — the end of a HOLD load's request is the beginning of a connection that stays, and how it
 * goes away in the end: with a FIN, or without a word.
 * Owns: nothing; the sockets are the connections'.  Threads: the load's.  Privilege: none. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "brownout/base/clock.h"
#include "transport.h"

#ifndef IPV6_MINHOPCOUNT /* linux/in6.h; not in glibc's netinet/in.h before 2.37 */
#define IPV6_MINHOPCOUNT 73
#endif

/* How long a polite close waits for the server's FIN before closing anyway. */
#define DRAIN_NS BO_NSEC_PER_SEC

void bo_hold_begin(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	enum bo_req_class cls = bo_class_of_status(c->calls[0].status);

	bo_call_end(load, &c->calls[0], cls, NULL, now_ns);
	if (cls != BO_REQ_OK ||
	    (c->want_out && bo_conn_watch(load, c, EPOLL_CTL_MOD, c->want_in, false))) {
		bo_conn_close(load, c);
		return;
	}
	bo_conn_set_state(load, c, BO_CONN_HELD);
	if (!load->load_on) {
		bo_hold_let_go(load, c, now_ns);
		return;
	}
	bo_deadline_set(&load->holds, &c->timer,
			load->spec->hold_ns ? now_ns + load->spec->hold_ns : INT64_MAX, c);
}

/*
 * vanish() - from now on this end is dead to the other
 * The lowest TTL (hop limit) that the socket takes is set to 255, as RFC 5082 does to refuse what
 * comes from afar; hosts send with 64 (ip_default_ttl), so tcp_v4_rcv() and tcp_v6_rcv() drop every
 * segment before TCP sees it.  The kernel acknowledges nothing, answers no keep-alive probe, and as
 * nothing is sent or closed either, the peer meets what it would meet if the client's machine had
 * lost power.  A socket filter would do the same, but some kernels want a capability for it.  The
 * descriptor stays open until the load is finished, since close(2) would send FIN.
 */
static int vanish(struct bo_load *load, struct bo_conn *c)
{
	int most = 255;
	int rc;

	if (load->addr.ss_family == AF_INET6)
		rc = setsockopt(c->fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, &most, sizeof(most));
	else
		rc = setsockopt(c->fd, IPPROTO_IP, IP_MINTTL, &most, sizeof(most));
	if (rc || epoll_ctl(load->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL))
		return -errno;
	bo_conn_set_state(load, c, BO_CONN_VANISHED);
	return 0;
}

void bo_hold_let_go(struct bo_load *load, struct bo_conn *c, int64_t now_ns)
{
	bo_deadline_cancel(&c->timer);
	if (load->spec->vanish) {
		int rc = vanish(load, c);

		/* A client that cannot vanish must not close instead: the run would test something
		 * else. */
		if (rc)
			bo_engine_fail(load, -rc, "cannot make a held connection vanish");
		return;
	}
	/* close(2) with unread bytes would send RST; FIN and reading on is what a polite client
	 * does. */
	if (c->tls)
		load->transport->bye(c);
	if (shutdown(c->fd, SHUT_WR) ||
	    (!c->want_in && bo_conn_watch(load, c, EPOLL_CTL_MOD, true, false))) {
		bo_conn_close(load, c);
		return;
	}
	bo_conn_set_state(load, c, BO_CONN_DRAINING);
	bo_deadline_set(&load->drains, &c->timer, now_ns + DRAIN_NS, c);
}

void bo_hold_bury(struct bo_conn *c)
{
	struct linger now = { .l_onoff = 1 };

	/* A plain close(2) would leave an orphan behind that repeats its FIN for minutes, as the
	 * answers to it are dropped too, and keeps the network namespace alive meanwhile. */
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void bo_conn_load_off(struct bo_load *load, int64_t now_ns)
{
	while (load->idle.first)
		bo_conn_close(load, load->idle.first->owner);
	while (load->holds.first && !load->failed.code)
		bo_hold_let_go(load, load->holds.first->owner, now_ns);
}
