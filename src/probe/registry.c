/* SPDX-License-Identifier: Apache-2.0 */
/* probe/registry.c — the list of probes, and what those share that ask over HTTP.  Those that count goroutines are tried in this order.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include <errno.h>
#include <stdio.h>

#include "brownout/probe/http.h"
#include "probe-internal.h"

const struct bo_probe_kind *const *bo_probe_kinds(void)
{
	static const struct bo_probe_kind *const kinds[] = {
		&bo_probe_census,
		&bo_probe_pprof,
		&bo_probe_expvar,
		&bo_probe_metrics,
		&bo_probe_proc,
		&bo_probe_cgroup,
		NULL,
	};

	return kinds;
}

int bo_probe_guess_url(const struct bo_node_spec *spec, const char *path, char *url, size_t size,
		       struct bo_err *err)
{
	char origin[256];
	int n, r;

	if (spec->ready.kind != BO_READY_HTTP || spec->ready.socket)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "no URL given, and no HTTP readiness to guess it from");
	r = bo_http_origin(spec->ready.url, origin, sizeof(origin), err);
	if (r < 0)
		return r;
	n = snprintf(url, size, "%s%s", origin, path);
	if (n < 0 || (size_t)n >= size)
		return bo_err_set(err, EINVAL, BO_SUBSYS_PROBE, "the URL for %s is too long", path);
	return 0;
}

void bo_probe_ask(struct bo_probe *probe, struct bo_fetch *fetch, int64_t now_ns)
{
	struct bo_err err = { 0 };

	if (bo_fetch_start(fetch, probe->timeout_ns, &err) < 0)
		bo_probe_fail(probe, 0, now_ns, "%s", err.msg);
	else
		probe->busy = true;
}
