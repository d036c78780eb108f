/* SPDX-License-Identifier: Apache-2.0 */
/* request.h — the requests of a load: its routes, checked and rendered as far as they can be before
 * it starts.
 * Owns: see struct bo_routes.  Threads: one per load.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "brownout/base/err.h"
#include "brownout/base/strbuf.h"
#include "brownout/model/plan.h"
#include "brownout/model/template.h"

/**
 * struct bo_route - one kind of request
 * @index: what bo_req.route says
 * @share: a number drawn from [0, 1) below this (and not below the one before) chooses it
 * @templated: differs from request to request;  @bytes: [owned] HTTP/1.1 and TCP: what is sent if it
 * does not, NULL otherwise
 * @head_len: of @bytes, everything before the body
 */
struct bo_route {
	struct bo_route_spec spec; /* [borrowed strings] */
	uint16_t index;
	double share;
	bool templated;
	bool is_head;
	bool idempotent;
	char *bytes;
	size_t len;
	size_t head_len;
};

/** struct bo_routes - @host: [owned] name for the Host field or :authority */
struct bo_routes {
	struct bo_route *items;
	size_t len;
	char *host;
};

/** bo_routes_init() - check everything that goes onto the wire and render what can be rendered */
BO_NODISCARD int bo_routes_init(struct bo_routes *r, const struct bo_load_spec *spec,
				const char *host_header, struct bo_err *err);
void bo_routes_done(struct bo_routes *r);
/** bo_routes_choose() - @unit is from [0, 1) */
const struct bo_route *bo_routes_choose(const struct bo_routes *r, double unit);
/** bo_request_http1() - append the bytes of one request; @ret_head: length of its head */
void bo_request_http1(const struct bo_routes *r, const struct bo_load_spec *spec,
		      const struct bo_route *route, struct bo_template_values *values,
		      struct bo_strbuf *sb, size_t *ret_head);
/** bo_request_header() - the value of that field of the route, or NULL */
const char *bo_request_header(const struct bo_route_spec *route, const char *name);
