/* SPDX-License-Identifier: Apache-2.0 */
/* script/url.c — the small subset of URLs that a scenario may name (RFC 3986): http, a node's name, a port, a path. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int bo_script_url_parse(const char *text, struct bo_script_url *ret, struct bo_err *err)
{
	static const char want[] = "expected a URL such as \"http://orders:8080/checkout\"";
	struct bo_script_url url = { .port = 80 };
	size_t authority, host;
	const char *at;

	if (!strncmp(text, "https://", 8))
		return bo_err_set(
			err, EINVAL, BO_SUBSYS_SCRIPT,
			"https is not offered; serve plain http inside the lab, as in \"http://%.40s\"",
			text + 8);
	if (strncmp(text, "http://", 7))
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT, "%s, found \"%.60s\"", want, text);
	at = text + 7;
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
	}
	url.path = at + authority;
	if (!path_is_clean(at) || strchr(url.path, '#'))
		return bo_err_set(err, EINVAL, BO_SUBSYS_SCRIPT,
				  "%s without blanks, control characters or '#', found \"%.60s\"",
				  want, text);
	*ret = url;
	return 0;
}
