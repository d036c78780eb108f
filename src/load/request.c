/* SPDX-License-Identifier: Apache-2.0 */
/* request.c — the bytes of a load's request, rendered once.
 * Owns: nothing; the load owns the result.  Threads: before the load's thread starts.  Privilege:
 * none. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "brownout/base/strbuf.h"
#include "engine.h"

/* A scenario's text goes onto the wire, so a stray line break must not become a second header or
 * request. */
static bool is_token(const char *s)
{
	return s && *s &&
	       strspn(s,
		      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~") ==
		       strlen(s);
}

static bool is_field_value(const char *s)
{
	for (; *s; s++) {
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	}
	return true;
}

static bool is_target(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s; s++) {
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

static const char *find_header(const struct bo_load_spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->nheaders; i++) {
		if (!strcasecmp(spec->headers[i].name, name))
			return spec->headers[i].value;
	}
	return NULL;
}

static int check_headers(const struct bo_load_spec *spec, struct bo_err *err)
{
	for (size_t i = 0; i < spec->nheaders; i++) {
		const struct bo_header *h = &spec->headers[i];

		if (!is_token(h->name))
			return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD,
					  "load '%s': '%s' is not a header name", spec->name,
					  h->name ? h->name : "");
		if (!h->value || !is_field_value(h->value))
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_LOAD,
				"load '%s': the value of header '%s' holds a control character",
				spec->name, h->name);
		if (!strcasecmp(h->name, "Content-Length") ||
		    !strcasecmp(h->name, "Transfer-Encoding"))
			return bo_err_set(
				err, EINVAL, BO_SUBSYS_LOAD,
				"load '%s': header '%s' is set from the body and cannot be given",
				spec->name, h->name);
	}
	return 0;
}

static bool is_idempotent(const char *method)
{
	/* RFC 9110 §9.2.2 */
	static const char *const names[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(method, names[i]))
			return true;
	}
	return false;
}

int bo_load_render(struct bo_load *load, const char *host_header, struct bo_err *err)
{
	const struct bo_load_spec *spec = load->spec;
	const char *method = spec->method ? spec->method : "GET";
	const char *path = spec->path && *spec->path ? spec->path : "/";
	const char *body = spec->body;
	struct bo_strbuf sb = { 0 };
	int rc;

	if (!is_token(method))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD, "load '%s': '%s' is not a method",
				  spec->name, method);
	if (!strcmp(method, "CONNECT"))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD,
				  "load '%s': method CONNECT is for proxies", spec->name);
	if (!is_target(path))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD,
				  "load '%s': path '%s' must begin with '/' and hold no blank",
				  spec->name, path);
	rc = check_headers(spec, err);
	if (rc)
		return rc;
	if (!find_header(spec, "Host") &&
	    (!host_header || !*host_header || !is_field_value(host_header)))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD,
				  "load '%s': no host to name in the request", spec->name);

	bo_strbuf_printf(&sb, "%s %s HTTP/1.1\r\n", method, path);
	if (!find_header(spec, "Host"))
		bo_strbuf_printf(&sb, "Host: %s\r\n", host_header);
	if (!find_header(spec, "User-Agent"))
		bo_strbuf_puts(&sb, "User-Agent: brownout\r\n");
	if (!find_header(spec, "Connection")) {
		/* Keep-alive is what HTTP/1.1 means anyway; said aloud where the connection is the
		 * point. */
		if (spec->kind == BO_LOAD_HOLD)
			bo_strbuf_puts(&sb, "Connection: keep-alive\r\n");
		else if (!spec->keepalive)
			bo_strbuf_puts(&sb, "Connection: close\r\n");
	}
	for (size_t i = 0; i < spec->nheaders; i++)
		bo_strbuf_printf(&sb, "%s: %s\r\n", spec->headers[i].name, spec->headers[i].value);
	if (body || !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH"))
		bo_strbuf_printf(&sb, "Content-Length: %zu\r\n", body ? strlen(body) : 0);
	bo_strbuf_puts(&sb, "\r\n");
	if (body)
		bo_strbuf_puts(&sb, body);
	if (!bo_strbuf_ok(&sb)) {
		bo_strbuf_done(&sb);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  spec->name);
	}
	load->request = sb.buf; /* steal the buffer */
	load->request_len = sb.len;
	load->is_head = !strcmp(method, "HEAD");
	load->idempotent = is_idempotent(method);
	return 0;
}
