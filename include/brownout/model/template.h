/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/model/template.h — values that differ from request to request.
 *
 *   {{n}}        1, 2, 3 … over the requests of the load
 *   {{uuid}}     a version 4 UUID (RFC 9562 §5.4), the same everywhere in one request
 *   {{rand:N}}   a whole number from 0 to N-1, drawn anew at each place
 *   {{now}}      milliseconds since 1970 at which the request was due
 *   {{{{         two braces
 *
 * All but {{now}} depend on the seed, the load and n alone, so the same seed sends the same bytes.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/base/rng.h"
#include "brownout/base/strbuf.h"

/** struct bo_template_values - what one request's templates become; start with
 * bo_template_values_init() */
struct bo_template_values {
	uint64_t n;
	int64_t now_ms;
	char uuid[37];
	struct bo_rng rng;
};

/** bo_template_check() - is every {{…}} of @text known?  -EINVAL with what is wrong and what there is */
BO_NODISCARD int bo_template_check(const char *text, size_t len, struct bo_err *err);
/** bo_template_has() - does @text hold any {{ ? */
bool bo_template_has(const char *text, size_t len);
/** bo_template_values_init() - @stream: the load's, see bo_rng_init() */
void bo_template_values_init(struct bo_template_values *v, uint64_t seed, uint64_t stream,
			     uint64_t n, int64_t now_ms);
/** bo_template_render() - append @text with its values; it was checked before */
void bo_template_render(struct bo_strbuf *sb, const char *text, size_t len,
			struct bo_template_values *v);
