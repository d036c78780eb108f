/* SPDX-License-Identifier: Apache-2.0 */
/* harness/ready.c — TCP and unix sockets by a non-blocking connect, HTTP by libcurl. */
#include "harness/ready.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/sys/unixsock.h"

#define STEP_MS 50

/* false: whoever waits has had enough */
static bool go_on(const struct bo_ready_idle *idle)
{
	return !idle->call || idle->call(idle->self, NULL) >= 0;
}

/* poll(2) in steps */
static bool wait_writable(int fd, int64_t timeout_ns, const struct bo_ready_idle *idle)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int64_t deadline = bo_now_ns() + timeout_ns;

	while (poll(&pfd, 1, STEP_MS) <= 0)
		if (bo_now_ns() >= deadline || !go_on(idle))
			return false;
	return true;
}

bool bo_ready_tcp(const char *address, int port, int64_t timeout_ns,
		  const struct bo_ready_idle *idle, char *why, size_t size)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	bo_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int soerr = 0;
	socklen_t len = sizeof(soerr);

	if (fd < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1) {
		snprintf(why, size, "no socket: %s", strerrordesc_np(errno));
		return false;
	}
	if (!connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
		return true;
	if (errno != EINPROGRESS) {
		snprintf(why, size, "port %d: %s", port, strerrordesc_np(errno));
		return false;
	}
	if (!wait_writable(fd, timeout_ns, idle)) {
		snprintf(why, size, "port %d: no answer", port);
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &soerr, &len) < 0 || soerr) {
		snprintf(why, size, "port %d: %s", port, strerrordesc_np(soerr));
		return false;
	}
	return true;
}

static const char *socket_problem(int code)
{
	return code == ENOTSOCK ? "it is no socket"
	       : code == EAGAIN ? "its listen queue is full"
				: strerrordesc_np(code);
}

bool bo_ready_unix(int root_fd, const char *path, char *why, size_t size)
{
	bo_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = fd < 0 ? -errno : bo_unixsock_connect(fd, root_fd, path);

	if (rc)
		snprintf(why, size, "socket %s: %s", path, socket_problem(-rc));
	return rc == 0;
}

static size_t discard(char *bytes, size_t size, size_t n, void *self)
{
	(void)bytes;
	(void)self;
	return size * n;
}

static struct curl_slist *resolve_entry(CURLU *u, const char *address)
{
	struct curl_slist *list = NULL;
	char *host = NULL, *port = NULL;
	char entry[256];

	if (!curl_url_get(u, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)) {
		snprintf(entry, sizeof(entry), "%s:%s:%s", host, port, address);
		list = curl_slist_append(NULL, entry);
	}
	curl_free(host);
	curl_free(port);
	return list;
}

/* curl_easy_perform(3) in steps */
static CURLcode perform(CURL *c, const struct bo_ready_idle *idle)
{
	CURLM *multi = curl_multi_init();
	CURLcode rc = CURLE_OUT_OF_MEMORY;
	CURLMsg *msg = NULL;
	int running = 1, left;

	if (!multi || curl_multi_add_handle(multi, c)) {
		curl_multi_cleanup(multi);
		return rc;
	}
	while (!curl_multi_perform(multi, &running) && running) {
		if (!go_on(idle)) {
			rc = CURLE_ABORTED_BY_CALLBACK;
			break;
		}
		curl_multi_poll(multi, NULL, 0, STEP_MS, NULL);
	}
	if (!running && (msg = curl_multi_info_read(multi, &left)))
		rc = msg->data.result;
	curl_multi_remove_handle(multi, c);
	curl_multi_cleanup(multi);
	return rc;
}

/* Return: 0, or -1 with @why */
static int set_way(CURL *c, const char *url, const struct bo_ready_way *way,
		   struct curl_slist **resolve, int *socket_fd, char *why, size_t size)
{
	char name[BO_UNIXSOCK_NAME];
	CURLU *u;

	if (way->socket) {
		*socket_fd = bo_unixsock_open(way->root_fd, way->socket);
		if (*socket_fd >= 0)
			return curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH,
						bo_unixsock_name(*socket_fd, name))
				       ? -1
				       : 0;
		snprintf(why, size, "socket %s: %s", way->socket, socket_problem(-*socket_fd));
		return -1;
	}
	u = curl_url();
	if (u && !curl_url_set(u, CURLUPART_URL, url, 0))
		*resolve = resolve_entry(u, way->address);
	curl_url_cleanup(u);
	if (*resolve)
		return curl_easy_setopt(c, CURLOPT_RESOLVE, *resolve) ? -1 : 0;
	snprintf(why, size, "cannot use the URL %s", url);
	return -1;
}

bool bo_ready_http(const char *url, const struct bo_ready_way *way, int64_t timeout_ns,
		   const struct bo_ready_idle *idle, char *why, size_t size)
{
	struct curl_slist *resolve = NULL;
	bo_auto_fd int socket_fd = -1;
	CURL *c = curl_easy_init();
	long status = 0;
	CURLcode rc = CURLE_OUT_OF_MEMORY;

	snprintf(why, size, "out of memory");
	if (!c || set_way(c, url, way, &resolve, &socket_fd, why, size))
		goto out;
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / BO_NSEC_PER_MSEC));
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, discard);
	rc = perform(c, idle);
	if (rc) {
		snprintf(why, size, "%s: %s", url, curl_easy_strerror(rc));
		goto out;
	}
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2) {
		snprintf(why, size, "%s: status %ld", url, status);
		rc = CURLE_HTTP_RETURNED_ERROR;
	}
out:
	curl_slist_free_all(resolve);
	curl_easy_cleanup(c);
	return rc == CURLE_OK;
}
