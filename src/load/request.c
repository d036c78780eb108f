/* SPDX-License-Identifier: Apache-2.0 */
/* request.c — the requests of a load: checked once, rendered once where nothing in them changes.
 * Owns: nothing; struct bo_routes owns the results.  Threads: before the load's thread starts;
 * rendering belongs to it.  Privilege: none. */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

const char *bo_request_header(const struct bo_route_spec *route, const char *name)
{
	for (size_t i = 0; i < route->nheaders; i++) {
		if (!strcasecmp(route->headers[i].name, name))
			return route->headers[i].value;
	}
	return NULL;
}

/* ---- checks ---- */

#define refuse(spec, err, fmt, ...) \
	bo_err_set(err, EINVAL, BO_SUBSYS_LOAD, "load '%s': " fmt, (spec)->name, ##__VA_ARGS__)

static int check_header(const struct bo_load_spec *spec, const struct bo_header *h,
			struct bo_err *err)
{
	if (!is_token(h->name))
		return refuse(spec, err, "'%s' is not a header name", h->name ? h->name : "");
	if (!h->value || !is_field_value(h->value))
		return refuse(spec, err, "the value of header '%s' holds a control character",
			      h->name);
	if (!strcasecmp(h->name, "Content-Length") || !strcasecmp(h->name, "Transfer-Encoding"))
		return refuse(spec, err, "header '%s' is set from the body and cannot be given",
			      h->name);
	return bo_template_check(h->value, strlen(h->value), err);
}

static int check_route(const struct bo_load_spec *spec, const struct bo_route_spec *r,
		       struct bo_err *err)
{
	int rc = 0;

	if (!is_token(r->method))
		return refuse(spec, err, "'%s' is not a method", r->method);
	if (!strcmp(r->method, "CONNECT"))
		return refuse(spec, err, "method CONNECT is for proxies");
	if (!is_target(r->path))
		return refuse(spec, err, "path '%s' must begin with '/' and hold no blank",
			      r->path);
	if (r->weight <= 0)
		return refuse(spec, err, "route '%s' has no weight", r->name);
	for (size_t i = 0; !rc && i < r->nheaders; i++)
		rc = check_header(spec, &r->headers[i], err);
	if (!rc)
		rc = bo_template_check(r->path, strlen(r->path), err);
	if (!rc)
		rc = bo_template_check(r->body, r->body_len, err);
	return rc;
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

/* ---- HTTP/1.1 ---- */

static void put_text(struct bo_strbuf *sb, const struct bo_route *route, const char *text,
		     struct bo_template_values *values)
{
	if (route->templated && values)
		bo_template_render(sb, text, strlen(text), values);
	else
		bo_strbuf_puts(sb, text);
}

static void put_fields(const struct bo_routes *r, const struct bo_load_spec *spec,
		       const struct bo_route *route, struct bo_template_values *values,
		       struct bo_strbuf *sb)
{
	const struct bo_route_spec *s = &route->spec;

	if (!bo_request_header(s, "Host"))
		bo_strbuf_printf(sb, "Host: %s\r\n", r->host);
	if (!bo_request_header(s, "User-Agent"))
		bo_strbuf_puts(sb, "User-Agent: brownout\r\n");
	if (!bo_request_header(s, "Connection")) {
		/* Keep-alive is what HTTP/1.1 means anyway; said aloud where the connection is the
		 * point. */
		if (spec->kind == BO_LOAD_HOLD)
			bo_strbuf_puts(sb, "Connection: keep-alive\r\n");
		else if (!spec->keepalive)
			bo_strbuf_puts(sb, "Connection: close\r\n");
	}
	for (size_t i = 0; i < s->nheaders; i++) {
		bo_strbuf_printf(sb, "%s: ", s->headers[i].name);
		put_text(sb, route, s->headers[i].value, values);
		bo_strbuf_puts(sb, "\r\n");
	}
}

void bo_request_http1(const struct bo_routes *r, const struct bo_load_spec *spec,
		      const struct bo_route *route, struct bo_template_values *values,
		      struct bo_strbuf *sb, size_t *ret_head)
{
	const struct bo_route_spec *s = &route->spec;
	bool has_body = s->body || !strcmp(s->method, "POST") || !strcmp(s->method, "PUT") ||
			!strcmp(s->method, "PATCH");
	struct bo_strbuf body = { 0 };

	/* The length stands in front of what it is the length of. */
	if (s->body && values)
		bo_template_render(&body, s->body, s->body_len, values);
	else if (s->body)
		bo_strbuf_add(&body, s->body, s->body_len);
	bo_strbuf_printf(sb, "%s ", s->method);
	put_text(sb, route, s->path, values);
	bo_strbuf_puts(sb, " HTTP/1.1\r\n");
	put_fields(r, spec, route, values, sb);
	if (has_body)
		bo_strbuf_printf(sb, "Content-Length: %zu\r\n", body.len);
	bo_strbuf_puts(sb, "\r\n");
	*ret_head = sb->len;
	if (body.len)
		bo_strbuf_add(sb, body.buf, body.len);
	sb->failed |= body.failed;
	bo_strbuf_done(&body);
}

/* ---- routes ---- */

static bool is_templated(const struct bo_load_spec *spec, const struct bo_route_spec *s)
{
	if (spec->protocol == BO_LOAD_TCP)
		return bo_template_has(spec->tcp.send, spec->tcp.send_len);
	for (size_t i = 0; i < s->nheaders; i++) {
		if (bo_template_has(s->headers[i].value, strlen(s->headers[i].value)))
			return true;
	}
	return bo_template_has(s->path, strlen(s->path)) || bo_template_has(s->body, s->body_len);
}

static int render(struct bo_routes *r, const struct bo_load_spec *spec, struct bo_route *route,
		  struct bo_err *err)
{
	/* Without templates this only turns {{{{ into braces, of which there are none either. */
	struct bo_strbuf sb = { 0 };

	if (spec->protocol == BO_LOAD_TCP)
		bo_strbuf_add(&sb, spec->tcp.send, spec->tcp.send_len);
	else
		bo_request_http1(r, spec, route, NULL, &sb, &route->head_len);
	if (!bo_strbuf_ok(&sb)) {
		bo_strbuf_done(&sb);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  spec->name);
	}
	route->bytes = sb.buf; /* steal the buffer */
	route->len = sb.len;
	return 0;
}

static int init_route(struct bo_routes *r, const struct bo_load_spec *spec, struct bo_route *route,
		      const struct bo_route_spec *s, struct bo_err *err)
{
	bool http1 = spec->protocol == BO_LOAD_HTTP1;
	int rc = 0;

	route->spec = *s;
	if (!route->spec.method)
		route->spec.method = spec->protocol == BO_LOAD_GRPC ? "POST" : "GET";
	if (!s->path || !*s->path)
		route->spec.path = "/";
	if (spec->protocol != BO_LOAD_TCP)
		rc = check_route(spec, &route->spec, err);
	if (rc)
		return rc;
	route->is_head = !strcmp(route->spec.method, "HEAD");
	/* Nobody but the scenario knows what raw bytes do; they are never sent twice. */
	route->idempotent = spec->protocol != BO_LOAD_TCP && is_idempotent(route->spec.method);
	route->templated = is_templated(spec, &route->spec);
	if (route->templated || !(http1 || spec->protocol == BO_LOAD_TCP))
		return 0;
	return render(r, spec, route, err);
}

static int check_host(const struct bo_load_spec *spec, const struct bo_routes *r,
		      const char *host_header, struct bo_err *err)
{
	for (size_t i = 0; i < r->len && spec->protocol != BO_LOAD_TCP; i++) {
		if (bo_request_header(&r->items[i].spec, "Host"))
			continue;
		if (!host_header || !*host_header || !is_field_value(host_header))
			return refuse(spec, err, "no host to name in the request");
	}
	return 0;
}

int bo_routes_init(struct bo_routes *r, const struct bo_load_spec *spec, const char *host_header,
		   struct bo_err *err)
{
	const struct bo_route_spec only = {
		.name = "",
		.weight = 1,
		.method = spec->method,
		.path = spec->path,
		.headers = spec->headers,
		.nheaders = spec->nheaders,
		.body = spec->body,
		.body_len = spec->body_len,
	};
	const struct bo_route_spec *specs = spec->nroutes ? spec->routes : &only;
	double sum = 0, so_far = 0;
	int rc = 0;

	r->len = spec->nroutes ? spec->nroutes : 1;
	r->items = calloc(r->len, sizeof(*r->items));
	r->host = strdup(host_header ? host_header : "");
	if (!r->items || !r->host)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  spec->name);
	for (size_t i = 0; i < r->len; i++) {
		r->items[i].spec = specs[i];
		sum += specs[i].weight;
	}
	rc = check_host(spec, r, host_header, err);
	for (size_t i = 0; !rc && i < r->len; i++) {
		rc = init_route(r, spec, &r->items[i], &specs[i], err);
		so_far += specs[i].weight;
		r->items[i].index = (uint16_t)i;
		r->items[i].share = so_far / sum;
	}
	return rc;
}

void bo_routes_done(struct bo_routes *r)
{
	for (size_t i = 0; r->items && i < r->len; i++)
		free(r->items[i].bytes);
	free(r->items);
	free(r->host);
	*r = (struct bo_routes){ 0 };
}

const struct bo_route *bo_routes_choose(const struct bo_routes *r, double unit)
{
	size_t i = 0;

	while (i + 1 < r->len && unit >= r->items[i].share)
		i++;
	return &r->items[i];
}
