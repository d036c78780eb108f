/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/httpd.c — see httpd.h.  One thread, poll(2), a handful of connections.
 * Owns: the sockets.  Threads: its own.  Privilege: none. */
#include "httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNS_MAX 32

struct conn {
	int fd;
	bool sending;
	size_t sent;
	struct httpd_answer answer;
	size_t len;
	char request[2048];
};

struct httpd {
	int listen_fd;
	int stop_fd;
	uint16_t port;
	pthread_t thread;
	atomic_uint requests;
	atomic_uint connections;
	struct httpd_answer (*answer)(void *self, const char *target, const char *request);
	void *self;
	struct conn conns[CONNS_MAX];
};

static void must(bool ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

static void hang_up(struct conn *c)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(c->fd);
	c->fd = -1;
}

/* Send as much as goes; the rest when poll(2) says so. */
static void send_some(struct conn *c)
{
	const struct httpd_answer *a = &c->answer;
	ssize_t n = send(c->fd, a->bytes + c->sent, a->len - c->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN) {
		hang_up(c);
		return;
	}
	c->sent += n > 0 ? (size_t)n : 0;
	if (c->sent < a->len)
		return;
	c->sent = 0;
	c->sending = a->deed == HTTPD_ENDLESS;
	if (a->deed == HTTPD_SEND_CLOSE) {
		close(c->fd);
		c->fd = -1;
	}
}

static void obey(struct conn *c)
{
	c->sent = 0;
	switch (c->answer.deed) {
	case HTTPD_SEND:
	case HTTPD_SEND_CLOSE:
	case HTTPD_ENDLESS:
		c->sending = true;
		send_some(c);
		break;
	case HTTPD_HOLD:
		break;
	case HTTPD_RESET:
		hang_up(c);
		break;
	}
}

static void read_request(struct httpd *h, struct conn *c)
{
	char target[256];
	ssize_t n = recv(c->fd, c->request + c->len, sizeof(c->request) - 1 - c->len, 0);

	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->len += (size_t)n;
	c->request[c->len] = '\0';
	if (!strstr(c->request, "\r\n\r\n"))
		return;
	if (sscanf(c->request, "GET %255s", target) != 1)
		target[0] = '\0';
	c->answer = h->answer(h->self, target, c->request);
	c->len = 0;
	atomic_fetch_add(&h->requests, 1);
	obey(c);
}

static void accept_one(struct httpd *h)
{
	int fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	atomic_fetch_add(&h->connections, 1);
	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (h->conns[i].fd < 0) {
			h->conns[i] = (struct conn){ .fd = fd };
			return;
		}
	}
	close(fd);
}

static void *serve(void *self)
{
	struct httpd *h = self;

	for (;;) {
		struct pollfd fds[CONNS_MAX + 2] = {
			{ .fd = h->stop_fd, .events = POLLIN },
			{ .fd = h->listen_fd, .events = POLLIN },
		};

		for (size_t i = 0; i < CONNS_MAX; i++)
			fds[i + 2] = (struct pollfd){ .fd = h->conns[i].fd,
						      .events = h->conns[i].sending ? POLLOUT
										    : POLLIN };
		if (poll(fds, CONNS_MAX + 2, -1) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		for (size_t i = 0; i < CONNS_MAX; i++) {
			struct conn *c = &h->conns[i];

			if (!fds[i + 2].revents)
				continue;
			if (c->sending)
				send_some(c);
			else
				read_request(h, c);
		}
		if (fds[1].revents)
			accept_one(h);
	}
}

struct httpd *httpd_start_at(uint16_t port,
			     struct httpd_answer (*answer)(void *self, const char *target,
							   const char *request),
			     void *self)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct httpd *h = calloc(1, sizeof(*h));
	socklen_t len = sizeof(addr);
	int one = 1;

	must(h != NULL, "calloc");
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	h->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	must(h->listen_fd >= 0, "socket");
	setsockopt(h->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(bind(h->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "bind");
	must(listen(h->listen_fd, 16) == 0, "listen");
	must(getsockname(h->listen_fd, (struct sockaddr *)&addr, &len) == 0, "getsockname");
	h->port = ntohs(addr.sin_port);
	h->stop_fd = eventfd(0, EFD_CLOEXEC);
	must(h->stop_fd >= 0, "eventfd");
	h->answer = answer;
	h->self = self;
	for (size_t i = 0; i < CONNS_MAX; i++)
		h->conns[i].fd = -1;
	must(pthread_create(&h->thread, NULL, serve, h) == 0, "pthread_create");
	return h;
}

struct httpd *httpd_start(struct httpd_answer (*answer)(void *self, const char *target,
							const char *request),
			  void *self)
{
	return httpd_start_at(0, answer, self);
}

uint16_t httpd_port(const struct httpd *h)
{
	return h->port;
}

unsigned httpd_requests(struct httpd *h)
{
	return atomic_load(&h->requests);
}

unsigned httpd_connections(struct httpd *h)
{
	return atomic_load(&h->connections);
}

void httpd_stop(struct httpd *h)
{
	uint64_t one = 1;

	if (!h)
		return;
	must(write(h->stop_fd, &one, sizeof(one)) == sizeof(one), "eventfd");
	pthread_join(h->thread, NULL);
	for (size_t i = 0; i < CONNS_MAX; i++) {
		if (h->conns[i].fd >= 0)
			hang_up(&h->conns[i]);
	}
	close(h->listen_fd);
	close(h->stop_fd);
	free(h);
}

char *httpd_text(const char *body)
{
	char *text;

	must(asprintf(
		     &text,
		     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
		     strlen(body), body) > 0,
	     "asprintf");
	return text;
}
