/* SPDX-License-Identifier: Apache-2.0 */
/* script/url.c — the small subset of URLs that a scenario may name (RFC 3986): a scheme, a node's name, a port, a
 * path. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "script-internal.h"

static bool path_is_clean(const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path <= ' ' || *path == 0x7f)
			return false;
	return true;
}

static int parse_port(const char *text, size_t len, int *ret, struct bo_err *err)
{
	long port = 0;

	if (!len || len > 5)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
				  "expected a port from 1 to 65535, found '%.*s'",
				  (int)(len > 20 ? 20 : len), text);
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
					  "expected a port from 1 to 65535, found '%.*s'", (int)len,
					  text);
		port = port * 10 + (text[i] - '0');
	}
	if (port < 1 || port > 65535)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
				  "expected a port from 1 to 65535, found %ld", port);
	*ret = (int)port;
	return 0;
}

static const char want[] = "expected a URL such as \"http://orders:8080/checkout\"";

/* The scheme and what follows it.  Return: NULL when there is none that we know */
static const char *parse_scheme(const char *text, struct bo_script_url *url)
{
	static const struct {
		const char *text;
		int port;
	} schemes[] = {
		[BO_SCHEME_HTTP] = { "http://", 80 },
		[BO_SCHEME_HTTPS] = { "https://", 443 },
		[BO_SCHEME_TCP] = { "tcp://", 0 },
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i].text);

		if (strncmp(text, schemes[i].text, len) != 0)
			continue;
		url->scheme = (enum bo_script_scheme)i;
		url->port = schemes[i].port;
		return text + len;
	}
	return NULL;
}

int bo_script_load_url_parse(const char *text, struct bo_script_url *ret, struct bo_err *err)
{
	struct bo_script_url url = { 0 };
	const char *at = parse_scheme(text, &url);
	size_t authority, host;

	if (!strncmp(text, "unix:", 5))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_SCRIPT,
			"a unix socket is given beside the URL, as in url = \"http://orders/checkout\", "
			"socket = \"/tmp/orders.sock\"");
	if (!at)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s, found \"%.60s\"", want, text);
	authority = strcspn(at, "/?#");
	if (memchr(at, '@', authority))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_SCRIPT,
			"a URL with a user name is not offered; give an Authorization header instead");
	host = strcspn(at, ":/?#");
	if (!host || host >= sizeof(url.host))
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s, found \"%.60s\"", want, text);
	memcpy(url.host, at, host);
	if (at[host] == ':') {
		int r = parse_port(at + host + 1, authority - host - 1, &url.port, err);

		if (r)
			return r;
		url.port_given = true;
	}
	url.path = at + authority;
	if (!path_is_clean(at) || strchr(url.path, '#'))
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
				  "%s without blanks, control characters or '#', found \"%.60s\"",
				  want, text);
	if (url.scheme == BO_SCHEME_TCP && *url.path)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
				  "expected a port and no path, as in \"tcp://%.63s:6379\"",
				  url.host);
	*ret = url;
	return 0;
}

int bo_script_url_parse(const char *text, struct bo_script_url *ret, struct bo_err *err)
{
	struct bo_script_url url;
	int r;

	if (!strncmp(text, "https://", 8))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_SCRIPT,
			"https is not offered here; serve plain http inside the lab, as in \"http://%.40s\"",
			text + 8);
	if (strncmp(text, "http://", 7) != 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s, found \"%.60s\"", want, text);
	r = bo_script_load_url_parse(text, &url, err);
	if (!r)
		*ret = url;
	return r;
}

const char *bo_script_socket_check(const char *path)
{
	if (*path == '@')
		return "an abstract socket belongs to the node's network, where nobody else comes; give a path";
	if (*path != '/')
		return "expected an absolute path in the node, as in \"/tmp/orders.sock\"";
	/* What a service can bind to (unix(7)). */
	return strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path)
		       ? NULL
		       : "expected a path of at most 107 bytes";
}
