/* SPDX-License-Identifier: Apache-2.0 */
/* lab/dns.c — the name server of the lab.
 *
 * Theory of operation
 *   A node with `dns = true` finds its peers as a machine in a network does: its /etc/hosts names only itself, and
 *   /etc/resolv.conf names 127.0.0.53.  The keeper has opened a UDP and a TCP socket on that address inside the node's
 *   network namespace; they are answered here, by one thread for all nodes.  Nothing of it crosses a link, so a fault on
 *   a link does not touch resolution, and a fault of resolution does not touch a link.
 *
 *   It knows the nodes' names and nothing else; anything else does not exist (NXDOMAIN).  Answers live for 0 s, so
 *   that the next look-up meets the next fault.
 *
 *   A delayed answer is made when the question comes and waits in a list in the order of its time.
 *
 * Bounds.  PENDING_MAX answers wait; CONNS_MAX connections of a node are open; a question has BO_DNS_QUERY_MAX bytes.
 * What is beyond that is dropped and counted, or its connection closed: whoever asks is the service under test.
 *
 * Owns: see brownout/lab/dns.h.  Threads: one; what both sides touch is under @lock.  Privilege: none. */
#include "brownout/lab/dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "dns_message.h"

#define PENDING_MAX 4096
#define CONNS_MAX 64
#define BATCH 64
#define LENGTH 2 /* of a message, in front of it, over TCP: RFC 1035 § 4.2.2 */

struct host {
	char name[64];
	bool has4, has6;
	struct in_addr v4;
	struct in6_addr v6;
};

/** enum source - what an event is of; first in each of the structs that epoll points to */
enum source { SOURCE_UDP, SOURCE_TCP, SOURCE_CONN };

struct endpoint {
	enum source source;
	int fd;
	struct server *server;
};

/** struct conn - @serial: never used twice, so that an answer finds its connection or nobody's */
struct conn {
	struct endpoint end;
	struct conn *next;
	uint64_t serial;
	bool dead; /* freed when the events that may point to it are done with */
	size_t len;
	uint8_t in[LENGTH + BO_DNS_QUERY_MAX];
};

struct server {
	struct server *next;
	int node;
	struct endpoint udp, tcp;
	struct conn *conns;
	size_t nconns;
	bool deaf; /* out of descriptors: the backlog keeps who comes until something happens */
	struct bo_dns_fault fault;
	uint32_t epoch; /* counts faults: an answer of an old one is not counted as the new one's */
	struct bo_dns_stats stats;
};

/** struct pending - an answer that waits;  @peer: of UDP;  @serial: of TCP's connection, 0 for UDP
 * @asked_ns: when the question came;  @counts: as one that the fault hit */
struct pending {
	struct pending *next;
	int64_t due_ns;
	int64_t asked_ns;
	struct server *server;
	uint32_t epoch;
	bool counts;
	uint64_t serial;
	struct sockaddr_in peer;
	size_t len;
	uint8_t data[LENGTH + BO_DNS_ANSWER_MAX];
};

struct bo_dns {
	int epoll, timer, bell;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock; /* of everything below */
	bool stop;
	struct host *hosts;
	size_t nhosts;
	struct server *servers;
	struct pending *pending;
	size_t npending;
	uint64_t serial;
};

/* --- answers ---------------------------------------------------------------------------------- */

static const struct host *host_find(const struct bo_dns *dns, const char *name)
{
	for (size_t i = 0; i < dns->nhosts; i++)
		if (!strcasecmp(dns->hosts[i].name, name))
			return &dns->hosts[i];
	return NULL;
}

static struct conn *conn_find(const struct server *server, uint64_t serial)
{
	for (struct conn *c = server->conns; c; c = c->next)
		if (c->serial == serial && !c->dead)
			return c;
	return NULL;
}

/* The event that is being looked at may point to it, so it is only marked. */
static void conn_close(struct conn *c)
{
	bo_close(&c->end.fd);
	c->dead = true;
}

static void send_now(struct pending *p)
{
	struct conn *c;
	int64_t delay_ns = bo_now_ns() - p->asked_ns;
	struct bo_dns_stats *stats = &p->server->stats;

	if (!p->serial) {
		(void)!sendto(p->server->udp.fd, p->data + LENGTH, p->len,
			      MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&p->peer,
			      sizeof(p->peer));
	} else if ((c = conn_find(p->server, p->serial))) {
		p->data[0] = (uint8_t)(p->len >> 8);
		p->data[1] = (uint8_t)p->len;
		/* Its buffer holds hundreds of answers: who does not read them does not want them. */
		if (send(c->end.fd, p->data, LENGTH + p->len, MSG_DONTWAIT | MSG_NOSIGNAL) !=
		    (ssize_t)(LENGTH + p->len))
			conn_close(c);
	}
	if (!p->counts || p->epoch != p->server->epoch)
		return;
	stats->answered++;
	stats->late += delay_ns > bo_dns_late_ns(p->server->fault.delay_ns);
	if (!stats->delay_max_ns || delay_ns < stats->delay_min_ns)
		stats->delay_min_ns = delay_ns;
	if (delay_ns > stats->delay_max_ns)
		stats->delay_max_ns = delay_ns;
}

/** send_later() - false when too many wait already */
static bool send_later(struct bo_dns *dns, const struct pending *answer)
{
	struct pending *p = dns->npending < PENDING_MAX ? malloc(sizeof(*p)) : NULL;
	struct pending **at = &dns->pending;

	if (!p) {
		answer->server->stats.dropped++;
		return false;
	}
	*p = *answer;
	while (*at && (*at)->due_ns <= p->due_ns)
		at = &(*at)->next;
	p->next = *at;
	*at = p;
	dns->npending++;
	return true;
}

/** truth() - what is so: the code, and the addresses of those names that have some */
static enum bo_dns_rcode truth(const struct bo_dns *dns, const char *name,
			       const struct in_addr **v4, const struct in6_addr **v6)
{
	const struct host *host = host_find(dns, name);

	if (!host)
		return BO_DNS_RCODE_NXDOMAIN;
	*v4 = host->has4 ? &host->v4 : NULL;
	*v6 = host->has6 ? &host->v6 : NULL;
	return BO_DNS_RCODE_NOERROR;
}

static enum bo_dns_rcode falsehood(const struct bo_dns *dns, const struct bo_dns_fault *fault,
				   enum bo_dns_rcode rcode, const struct in_addr **v4,
				   const struct in6_addr **v6)
{
	static const enum bo_dns_rcode codes[BO_DNS_FAIL_COUNT] = {
		[BO_DNS_NXDOMAIN] = BO_DNS_RCODE_NXDOMAIN,
		[BO_DNS_SERVFAIL] = BO_DNS_RCODE_SERVFAIL,
		[BO_DNS_REFUSED] = BO_DNS_RCODE_REFUSED,
	};
	static const struct in6_addr none6;

	if (codes[fault->fail])
		return codes[fault->fail];
	if (!fault->lie)
		return rcode;
	if (*fault->lie_of)
		return truth(dns, fault->lie_of, v4, v6);
	*v4 = fault->lie4.s_addr ? &fault->lie4 : NULL;
	*v6 = memcmp(&fault->lie6, &none6, sizeof(none6)) ? &fault->lie6 : NULL;
	return BO_DNS_RCODE_NOERROR;
}

static bool is_none(const struct bo_dns_fault *fault)
{
	return !fault->fail && !fault->delay_ns && !fault->lie;
}

/** answer() - a message has come;  @p: who asked */
static void answer(struct bo_dns *dns, struct server *server, const uint8_t *data, size_t len,
		   struct pending *p)
{
	const struct bo_dns_fault *fault = &server->fault;
	const struct in_addr *v4 = NULL;
	const struct in6_addr *v6 = NULL;
	struct bo_dns_query q;
	enum bo_dns_rcode rcode;
	bool meant;

	if (!bo_dns_query_parse(data, len, &q))
		return;
	p->server = server;
	p->epoch = server->epoch;
	p->asked_ns = p->due_ns = bo_now_ns();
	rcode = q.rcode ? q.rcode : truth(dns, q.name, &v4, &v6);
	meant = !q.rcode && !is_none(fault) && (!*fault->name || !strcasecmp(fault->name, q.name));
	server->stats.asked += meant;
	server->stats.others += !meant;
	p->counts = meant;
	if (meant) {
		rcode = falsehood(dns, fault, rcode, &v4, &v6);
		p->due_ns += fault->delay_ns;
	}
	if (meant && fault->fail == BO_DNS_TIMEOUT) {
		server->stats.hit++;
		bo_dns_query_done(&q);
		return;
	}
	p->len = bo_dns_answer(&q, rcode, v4, v6, p->data + LENGTH);
	bo_dns_query_done(&q);
	if (!p->len)
		return;
	if (p->due_ns > p->asked_ns && !send_later(dns, p))
		return;
	server->stats.hit += meant;
	if (p->due_ns <= p->asked_ns)
		send_now(p);
}

/* --- in --------------------------------------------------------------------------------------- */

static void udp_read(struct bo_dns *dns, struct server *server)
{
	/* One byte more: a longer message is seen to be too long. */
	uint8_t data[BO_DNS_QUERY_MAX + 1];

	for (int i = 0; i < BATCH; i++) {
		struct pending p = { .serial = 0 };
		socklen_t len = sizeof(p.peer);
		ssize_t n = recvfrom(server->udp.fd, data, sizeof(data), MSG_DONTWAIT,
				     (struct sockaddr *)&p.peer, &len);

		if (n < 0)
			return; /* nothing more, or an ICMP error of an answer that nobody waited for */
		answer(dns, server, data, (size_t)n, &p);
	}
}

static bool watch(const struct bo_dns *dns, int fd, void *of)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = of };

	return epoll_ctl(dns->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void tcp_accept(struct bo_dns *dns, struct server *server)
{
	for (int i = 0; i < BATCH; i++) {
		bo_auto_fd int fd = accept4(server->tcp.fd, NULL, NULL,
					    SOCK_NONBLOCK | SOCK_CLOEXEC);
		struct conn *c;

		if (fd < 0) {
			/* Level-triggered, it would spin. */
			server->deaf = errno == EMFILE || errno == ENFILE;
			if (server->deaf)
				(void)epoll_ctl(dns->epoll, EPOLL_CTL_DEL, server->tcp.fd, NULL);
			return;
		}
		c = server->nconns < CONNS_MAX ? calloc(1, sizeof(*c)) : NULL;
		if (!c)
			continue; /* closed: the asker tries again, or has too many already */
		c->end = (struct endpoint){ SOURCE_CONN, fd, server };
		if (!watch(dns, fd, c)) {
			free(c);
			continue;
		}
		(void)bo_steal_fd(&fd);
		c->serial = ++dns->serial;
		c->next = server->conns;
		server->conns = c;
		server->nconns++;
	}
}

static void conn_read(struct bo_dns *dns, struct conn *c)
{
	ssize_t n = recv(c->end.fd, c->in + c->len, sizeof(c->in) - c->len, MSG_DONTWAIT);
	size_t want;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->len += (size_t)n;
	while (!c->dead && c->len >= LENGTH) {
		struct pending p = { .serial = c->serial };

		want = (size_t)c->in[0] << 8 | c->in[1];
		if (want > BO_DNS_QUERY_MAX || !want) {
			conn_close(c);
			return;
		}
		if (c->len < LENGTH + want)
			return;
		answer(dns, c->end.server, c->in + LENGTH, want, &p);
		c->len -= LENGTH + want;
		memmove(c->in, c->in + LENGTH + want, c->len);
	}
}

/* --- the thread ------------------------------------------------------------------------------- */

static void send_due(struct bo_dns *dns)
{
	int64_t now_ns = bo_now_ns();
	struct itimerspec when = { 0 };

	while (dns->pending && dns->pending->due_ns <= now_ns) {
		struct pending *p = dns->pending;

		dns->pending = p->next;
		dns->npending--;
		send_now(p);
		free(p);
	}
	if (dns->pending)
		when.it_value = bo_ns_to_timespec(dns->pending->due_ns);
	timerfd_settime(dns->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void bury(struct server *server, bool all)
{
	for (struct conn **at = &server->conns; *at;) {
		struct conn *c = *at;

		if (!c->dead && !all) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		bo_close(&c->end.fd);
		free(c);
		server->nconns--;
	}
}

static void handle(struct bo_dns *dns, void *of)
{
	struct endpoint *end = of;

	switch (end->source) {
	case SOURCE_UDP:
		udp_read(dns, end->server);
		break;
	case SOURCE_TCP:
		tcp_accept(dns, end->server);
		break;
	case SOURCE_CONN:
		if (!((struct conn *)of)->dead)
			conn_read(dns, of);
		break;
	}
}

static void *dns_main(void *arg)
{
	struct bo_dns *dns = arg;
	struct epoll_event events[16];
	bool go_on = true;

	prctl(PR_SET_NAME, "bo-dns");
	while (go_on) {
		int n = epoll_wait(dns->epoll, events, 16, -1);
		uint64_t drain;

		pthread_mutex_lock(&dns->lock);
		for (struct server *s = dns->servers; s; s = s->next)
			if (s->deaf)
				s->deaf = !watch(dns, s->tcp.fd, &s->tcp);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &dns->timer)
				(void)!read(dns->timer, &drain, sizeof(drain));
			else if (events[i].data.ptr == &dns->bell)
				(void)!read(dns->bell, &drain, sizeof(drain));
			else
				handle(dns, events[i].data.ptr);
		}
		send_due(dns);
		for (struct server *s = dns->servers; s; s = s->next)
			bury(s, false);
		go_on = !dns->stop;
		pthread_mutex_unlock(&dns->lock);
	}
	return NULL;
}

/* --- the outside ------------------------------------------------------------------------------ */

static int start(struct bo_dns *dns, struct bo_err *err)
{
	sigset_t all, before;
	int r;

	dns->epoll = epoll_create1(EPOLL_CLOEXEC);
	dns->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	dns->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (dns->epoll < 0 || dns->timer < 0 || dns->bell < 0 ||
	    !watch(dns, dns->timer, &dns->timer) || !watch(dns, dns->bell, &dns->bell))
		return bo_err_errno(err, BO_SUBSYS_LAB, "name server: no descriptor left");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&dns->thread, NULL, dns_main, dns);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return bo_err_set(err, r, BO_SUBSYS_LAB, "name server: cannot start a thread: %s",
				  strerror(r));
	dns->running = true;
	return 0;
}

int bo_dns_new(struct bo_dns **ret, const struct bo_dns_host *hosts, size_t nhosts,
	       struct bo_err *err)
{
	struct bo_dns *dns = calloc(1, sizeof(*dns));
	int r;

	if (!dns)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "name server: out of memory");
	dns->epoll = dns->timer = dns->bell = -1;
	pthread_mutex_init(&dns->lock, NULL);
	dns->hosts = calloc(nhosts + 1, sizeof(*dns->hosts));
	for (size_t i = 0; dns->hosts && i < nhosts; i++) {
		struct host *h = &dns->hosts[dns->nhosts++];

		snprintf(h->name, sizeof(h->name), "%s", hosts[i].name);
		h->has4 = inet_pton(AF_INET, hosts[i].address4, &h->v4) == 1;
		h->has6 = inet_pton(AF_INET6, hosts[i].address6, &h->v6) == 1;
	}
	r = dns->hosts ? start(dns, err)
		       : bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "name server: out of memory");
	if (r < 0) {
		bo_dns_free(dns);
		return r;
	}
	*ret = dns;
	return 0;
}

int bo_dns_add(struct bo_dns *dns, int node, int udp, int tcp, struct bo_err *err)
{
	bo_auto_fd int fd_udp = udp;
	bo_auto_fd int fd_tcp = tcp;
	struct server *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "name server: out of memory");
	s->node = node;
	s->udp = (struct endpoint){ SOURCE_UDP, udp, s };
	s->tcp = (struct endpoint){ SOURCE_TCP, tcp, s };
	pthread_mutex_lock(&dns->lock);
	s->next = dns->servers;
	dns->servers = s;
	(void)bo_steal_fd(&fd_udp);
	(void)bo_steal_fd(&fd_tcp);
	r = watch(dns, udp, &s->udp) && watch(dns, tcp, &s->tcp)
		    ? 0
		    : bo_err_errno(err, BO_SUBSYS_LAB, "name server: epoll_ctl");
	pthread_mutex_unlock(&dns->lock);
	return r;
}

static struct server *server_find(struct bo_dns *dns, int node, struct bo_err *err)
{
	for (struct server *s = dns->servers; s; s = s->next)
		if (s->node == node)
			return s;
	(void)bo_err_set(err, ENOENT, BO_SUBSYS_LAB, "node %d has no name server", node);
	return NULL;
}

int bo_dns_fault(struct bo_dns *dns, int node, const struct bo_dns_fault *fault, struct bo_err *err)
{
	struct server *s;

	pthread_mutex_lock(&dns->lock);
	s = server_find(dns, node, err);
	if (s) {
		s->fault = fault ? *fault : (struct bo_dns_fault){ 0 };
		s->stats = (struct bo_dns_stats){ 0 };
		s->epoch++;
	}
	pthread_mutex_unlock(&dns->lock);
	return s ? 0 : -ENOENT;
}

int bo_dns_stats(struct bo_dns *dns, int node, struct bo_dns_stats *ret, struct bo_err *err)
{
	struct server *s;

	pthread_mutex_lock(&dns->lock);
	s = server_find(dns, node, err);
	if (s)
		*ret = s->stats;
	pthread_mutex_unlock(&dns->lock);
	return s ? 0 : -ENOENT;
}

void bo_dns_free(struct bo_dns *dns)
{
	uint64_t one = 1;

	if (!dns)
		return;
	if (dns->running) {
		pthread_mutex_lock(&dns->lock);
		dns->stop = true;
		pthread_mutex_unlock(&dns->lock);
		(void)!write(dns->bell, &one, sizeof(one));
		pthread_join(dns->thread, NULL);
	}
	while (dns->pending) {
		struct pending *p = dns->pending;

		dns->pending = p->next;
		free(p);
	}
	while (dns->servers) {
		struct server *s = dns->servers;

		dns->servers = s->next;
		bury(s, true);
		bo_close(&s->udp.fd);
		bo_close(&s->tcp.fd);
		free(s);
	}
	bo_close(&dns->bell);
	bo_close(&dns->timer);
	bo_close(&dns->epoll);
	pthread_mutex_destroy(&dns->lock);
	free(dns->hosts);
	free(dns);
}
