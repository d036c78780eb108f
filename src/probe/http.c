/* SPDX-License-Identifier: Apache-2.0 */
/* probe/http.c — requests over libcurl's multi interface.
 * One easy handle per target keeps its connection, so a probe costs the service no accept and no
 * handshake.  Every connection goes to the target's management address (CURLOPT_CONNECT_TO,
 * numeric), so a URL can name no other machine, and neither resolver nor proxy is ever asked.
 * curl_multi_poll() counts in milliseconds; whoever needs better passes a timerfd as @timer_fd.
 * Owns: libcurl handles.  Threads: one per fetcher; bo_fetcher_wake() from any.  Privilege:
 * none. */
#include "brownout/probe/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"

struct bo_fetcher {
	CURLM *multi;
};

struct bo_fetch {
	struct bo_fetcher *fetcher;
	struct bo_fetch_handler handler;
	CURL *easy;
	struct curl_slist *connect_to;
	int64_t timeout_ns;
	bool running;
	bool enough;   /* the handler wants no more */
	int body_code; /* what the handler refused the body with */
	char reason[96];
};

static int global_code;

static void global_init(void)
{
	/* Plain http needs neither TLS nor Win32 sockets. */
	global_code = curl_global_init(CURL_GLOBAL_NOTHING) == CURLE_OK ? 0 : ENOMEM;
}

static int need_curl(struct bo_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, global_init);
	if (global_code)
		return bo_err_set(err, global_code, BO_SUBSYS_PROBE, "libcurl did not start");
	return 0;
}

int bo_fetcher_new(struct bo_fetcher **ret, struct bo_err *err)
{
	struct bo_fetcher *fetcher;
	int r = need_curl(err);

	if (r < 0)
		return r;
	fetcher = calloc(1, sizeof(*fetcher));
	if (fetcher)
		fetcher->multi = curl_multi_init();
	if (!fetcher || !fetcher->multi) {
		free(fetcher);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	}
	*ret = fetcher;
	return 0;
}

void bo_fetcher_free(struct bo_fetcher *fetcher)
{
	if (!fetcher)
		return;
	curl_multi_cleanup(fetcher->multi);
	free(fetcher);
}

void bo_fetcher_wake(struct bo_fetcher *fetcher)
{
	curl_multi_wakeup(fetcher->multi);
}

static size_t on_body(char *bytes, size_t one, size_t n, void *self)
{
	struct bo_fetch *fetch = self;
	struct bo_err err = { 0 };
	long status = 0;
	int r;

	(void)one; /* always 1 (CURLOPT_WRITEFUNCTION(3)) */
	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	/* An error page is of no interest; hanging up is cheaper than reading it. */
	if (status != 200)
		return 0;
	r = fetch->handler.body(fetch->handler.self, bytes, n, &err);
	if (r == 0)
		return n;
	if (r > 0) {
		fetch->enough = true;
	} else {
		fetch->body_code = r;
		snprintf(fetch->reason, sizeof(fetch->reason), "%.*s",
			 (int)sizeof(fetch->reason) - 1, err.msg);
	}
	return 0;
}

static int set_options(struct bo_fetch *fetch, const char *url, const char *address,
		       struct bo_err *err)
{
	char connect_to[96];
	CURL *e = fetch->easy;
	CURLcode c;

	snprintf(connect_to, sizeof(connect_to),
		 strchr(address, ':') ? "::[%s]:" : "::%s:", address);
	fetch->connect_to = curl_slist_append(NULL, connect_to);
	if (!fetch->connect_to)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	c = curl_easy_setopt(e, CURLOPT_URL, url);
	if (!c)
		c = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
	if (!c)
		c = curl_easy_setopt(e, CURLOPT_CONNECT_TO, fetch->connect_to);
	if (!c)
		c = curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	if (!c)
		c = curl_easy_setopt(e, CURLOPT_USERAGENT, "brownout-probe");
	if (c)
		return bo_err_set(err, c == CURLE_OUT_OF_MEMORY ? ENOMEM : EINVAL, BO_SUBSYS_PROBE,
				  "%s: %s", url, curl_easy_strerror(c));
	/* Compressing is work for the service: it is asked not to, and what comes compressed all the same is undone. */
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "identity");
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L); /* threads: no SIGALRM for timeouts */
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, fetch);
	curl_easy_setopt(e, CURLOPT_PRIVATE, fetch);
	return 0;
}

int bo_fetch_new(struct bo_fetch **ret, struct bo_fetcher *fetcher, const char *url,
		 const char *address, const struct bo_fetch_handler *handler, struct bo_err *err)
{
	struct bo_fetch *fetch = calloc(1, sizeof(*fetch));
	int r;

	if (fetch)
		fetch->easy = curl_easy_init();
	if (!fetch || !fetch->easy) {
		free(fetch);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	}
	fetch->fetcher = fetcher;
	fetch->handler = *handler;
	r = set_options(fetch, url, address, err);
	if (r < 0) {
		bo_fetch_free(fetch);
		return r;
	}
	*ret = fetch;
	return 0;
}

static void prepare(struct bo_fetch *fetch, int64_t timeout_ns)
{
	int64_t ms = (timeout_ns + BO_NSEC_PER_MSEC - 1) / BO_NSEC_PER_MSEC;

	/* 0 would mean "never"; past a day nobody waits. */
	ms = ms < 1 ? 1 : ms > 86400000 ? 86400000 : ms;
	fetch->timeout_ns = timeout_ns;
	fetch->enough = false;
	fetch->body_code = 0;
	fetch->reason[0] = '\0';
	curl_easy_setopt(fetch->easy, CURLOPT_TIMEOUT_MS, (long)ms);
	curl_easy_setopt(fetch->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)ms);
}

int bo_fetch_start(struct bo_fetch *fetch, int64_t timeout_ns, struct bo_err *err)
{
	CURLMcode c;

	if (fetch->running)
		return bo_err_set(err, EBUSY, BO_SUBSYS_PROBE, "a request is under way already");
	prepare(fetch, timeout_ns);
	c = curl_multi_add_handle(fetch->fetcher->multi, fetch->easy);
	if (c)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "%s", curl_multi_strerror(c));
	fetch->running = true;
	return 0;
}

void bo_fetch_cancel(struct bo_fetch *fetch)
{
	if (!fetch->running)
		return;
	curl_multi_remove_handle(fetch->fetcher->multi, fetch->easy);
	fetch->running = false;
}

void bo_fetch_free(struct bo_fetch *fetch)
{
	if (!fetch)
		return;
	bo_fetch_cancel(fetch);
	curl_easy_cleanup(fetch->easy);
	curl_slist_free_all(fetch->connect_to);
	free(fetch);
}

/* What went wrong, in the words of a report; returns -errno. */
static int explain(struct bo_fetch *fetch, CURLcode c)
{
	int64_t ms = fetch->timeout_ns / BO_NSEC_PER_MSEC;
	long os_errno = 0;

	curl_easy_getinfo(fetch->easy, CURLINFO_OS_ERRNO, &os_errno);
	switch (c) {
	case CURLE_OPERATION_TIMEDOUT:
		snprintf(fetch->reason, sizeof(fetch->reason),
			 ms % 1000 ? "no answer in %" PRId64 "ms" : "no answer in %" PRId64 "s",
			 ms % 1000 ? ms : ms / 1000);
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		if (os_errno == 0 || os_errno == ECONNREFUSED) {
			snprintf(fetch->reason, sizeof(fetch->reason), "connection refused");
			return -ECONNREFUSED;
		}
		snprintf(fetch->reason, sizeof(fetch->reason), "cannot connect: %s",
			 strerrordesc_np((int)os_errno));
		return -(int)os_errno;
	case CURLE_GOT_NOTHING:
		snprintf(fetch->reason, sizeof(fetch->reason), "closed without an answer");
		return -ECONNRESET;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		snprintf(fetch->reason, sizeof(fetch->reason), "connection reset");
		return -ECONNRESET;
	case CURLE_PARTIAL_FILE:
		snprintf(fetch->reason, sizeof(fetch->reason), "answer cut short");
		return -EPIPE;
	case CURLE_BAD_CONTENT_ENCODING:
		snprintf(fetch->reason, sizeof(fetch->reason), "answer in an unknown encoding");
		return -EPROTO;
	case CURLE_UNSUPPORTED_PROTOCOL: /* a status line that is none (HTTP/0.9) */
	case CURLE_WEIRD_SERVER_REPLY:
		snprintf(fetch->reason, sizeof(fetch->reason), "not an HTTP answer");
		return -EPROTO;
	default:
		snprintf(fetch->reason, sizeof(fetch->reason), "%s", curl_easy_strerror(c));
		return -EIO;
	}
}

static struct bo_fetch_result conclude(struct bo_fetch *fetch, CURLcode c)
{
	struct bo_fetch_result result = { .reason = fetch->reason, .end_ns = bo_now_ns() };
	long status = 0;

	curl_easy_getinfo(fetch->easy, CURLINFO_RESPONSE_CODE, &status);
	result.status = (int)status;
	if (fetch->body_code) {
		result.code = fetch->body_code;
	} else if (fetch->enough) {
		result.code = 0;
	} else if (status != 0 && status != 200 && (c == CURLE_OK || c == CURLE_WRITE_ERROR)) {
		result.code = -EREMOTEIO;
		snprintf(fetch->reason, sizeof(fetch->reason), "HTTP %ld", status);
	} else if (c != CURLE_OK) {
		result.code = explain(fetch, c);
	}
	return result;
}

static bool reap(struct bo_fetcher *fetcher)
{
	bool any = false;
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(fetcher->multi, &left))) {
		struct bo_fetch_result result;
		struct bo_fetch *fetch;
		CURLcode c;
		char *self;

		if (msg->msg != CURLMSG_DONE)
			continue;
		c = msg->data.result;
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &self);
		fetch = (struct bo_fetch *)(void *)self;
		result = conclude(fetch, c);
		/* @msg dies here; the connection stays with the multi handle for the next
		 *          request. */
		bo_fetch_cancel(fetch);
		fetch->handler.done(fetch->handler.self, &result);
		any = true;
	}
	return any;
}

int bo_fetcher_run(struct bo_fetcher *fetcher, int timer_fd, int timeout_ms, struct bo_err *err)
{
	struct curl_waitfd extra = { .fd = timer_fd, .events = CURL_WAIT_POLLIN };
	CURLMcode c;
	int running;

	/* First move on what was just added, else its connect would wait for the poll's timeout. */
	c = curl_multi_perform(fetcher->multi, &running);
	if (!c && reap(fetcher))
		return 0;
	if (!c)
		c = curl_multi_poll(fetcher->multi, &extra, timer_fd >= 0, timeout_ms, NULL);
	if (!c)
		c = curl_multi_perform(fetcher->multi, &running);
	if (c)
		return bo_err_set(err, c == CURLM_OUT_OF_MEMORY ? ENOMEM : EIO, BO_SUBSYS_PROBE,
				  "%s", curl_multi_strerror(c));
	reap(fetcher);
	return 0;
}

static void cleanup_curlu(CURLU **u)
{
	curl_url_cleanup(*u);
}

static void cleanup_curl_text(char **text)
{
	curl_free(*text);
}

int bo_http_origin(const char *url, char *buf, size_t size, struct bo_err *err)
{
	bo_auto(cleanup_curlu) CURLU *u = curl_url();
	bo_auto(cleanup_curl_text) char *scheme = NULL;
	bo_auto(cleanup_curl_text) char *host = NULL;
	bo_auto(cleanup_curl_text) char *port = NULL;
	int n;

	if (!u)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_PROBE, "out of memory");
	if (curl_url_set(u, CURLUPART_URL, url, 0) ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) ||
	    curl_url_get(u, CURLUPART_HOST, &host, 0) ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
	    strcmp(scheme, "http") != 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "'%s' is not an http URL", url);
	n = snprintf(buf, size, "http://%s:%s", host, port);
	if (n < 0 || (size_t)n >= size)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "URL of %d characters is too long",
				  n);
	return 0;
}
