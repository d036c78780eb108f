/* SPDX-License-Identifier: Apache-2.0 */
/* harness/ready.c — TCP by a non-blocking connect, HTTP by libcurl. */
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

bool bo_ready_tcp(const char *address, int port, int64_t timeout_ns, char *why, size_t size)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	bo_auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
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
	if (poll(&pfd, 1, (int)(timeout_ns / BO_NSEC_PER_MSEC)) <= 0) {
		snprintf(why, size, "port %d: no answer", port);
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &soerr, &len) < 0 || soerr) {
		snprintf(why, size, "port %d: %s", port, strerrordesc_np(soerr));
		return false;
	}
	return true;
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

bool bo_ready_http(const char *url, const char *address, int64_t timeout_ns, char *why, size_t size)
{
	struct curl_slist *resolve = NULL;
	CURL *c = curl_easy_init();
	CURLU *u = curl_url();
	long status = 0;
	CURLcode rc;

	if (!c || !u || curl_url_set(u, CURLUPART_URL, url, 0) ||
	    !(resolve = resolve_entry(u, address))) {
		snprintf(why, size, "cannot use the URL %s", url);
		rc = CURLE_URL_MALFORMAT;
		goto out;
	}
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_RESOLVE, resolve);
	curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / BO_NSEC_PER_MSEC));
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, discard);
	rc = curl_easy_perform(c);
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
	curl_url_cleanup(u);
	curl_easy_cleanup(c);
	return rc == CURLE_OK;
}
