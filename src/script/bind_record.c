/* SPDX-License-Identifier: Apache-2.0 */
/* script/bind_record.c — link:record [{ snaplen =, limit = }]: what a link did to each packet, into a file. */
#include "brownout/base/clock.h"
#include "script-internal.h"

#define SNAPLEN_MIN 40
#define SNAPLEN_MAX 65575
#define LIMIT_MIN (INT64_C(64) << 10)
#define LIMIT_MAX (INT64_C(1) << 40)

int lx_link_record(lua_State *L)
{
	static const char *const keys[] = { "snaplen", "limit", NULL };
	struct script *script = lx_script(L);
	const struct handle *h = lx_handle(L, 1);
	struct bo_link_spec *link;
	char found[96];
	struct lx_table t;

	if (!h || h->kind != HANDLE_LINK)
		lx_fail(L,
			"record: call it with a colon, on a link, as in t:link(orders, db):record()");
	if (lua_gettop(L) > 2)
		lx_fail(L, "record: expected at most one table, found %s as a second value",
			lx_found(L, 3, found, sizeof(found)));
	link = &script->plan->links.items[h->index];
	link->record = true;
	link->record_src = lx_src(L);
	if (!lua_isnoneornil(L, 2)) {
		lx_table_open(L, 2, &t, keys, "record { snaplen = 128, limit = \"64MiB\" }",
			      "record");
		(void)lx_read_count(&t, "snaplen", SNAPLEN_MIN, SNAPLEN_MAX,
				    &link->record_snaplen);
		(void)lx_read_size(&t, "limit", LIMIT_MIN, LIMIT_MAX, &link->record_limit);
	}
	lua_settop(L, 1);
	return 1;
}
