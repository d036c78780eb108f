/* SPDX-License-Identifier: Apache-2.0 */
/* harness/memstat.c — the same files and parsers as the cgroup probe, read once. */
#include "harness/memstat.h"

#include <errno.h>
#include <unistd.h>

#include "brownout/probe/cgroup.h"

static bool read_text(int fd, char *buf, size_t size)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size - 1, 0);

	if (n <= 0)
		return false;
	buf[n] = '\0';
	return true;
}

/* a counter that this kernel does not have stays -1 */
static int64_t key_of(const char *text, const char *key)
{
	int64_t v;

	return bo_cgroup_parse_key(text, key, &v) < 0 ? -1 : v;
}

static int64_t value_of(int fd)
{
	char text[64];
	int64_t v;

	if (!read_text(fd, text, sizeof(text)) || bo_cgroup_parse_value(text, &v) < 0)
		return -1;
	return bo_cgroup_is_unlimited(v) ? INT64_MAX : v;
}

int bo_memstat_read(const struct bo_cgroup_files *files, struct bo_mem_stat *ret,
		    struct bo_err *err)
{
	struct bo_mem_stat st = {
		.usage_bytes = value_of(files->usage),
		.limit_bytes = value_of(files->limit),
		.high_bytes = files->high >= 0 ? value_of(files->high) : -1,
		.failcnt = files->version == 1 ? value_of(files->failcnt) : -1,
		.high_events = -1,
		.oom_kills = -1,
	};
	char text[512];

	if (st.usage_bytes < 0 || st.limit_bytes < 0)
		return bo_err_set(err, ENOENT, BO_SUBSYS_HARNESS,
				  "this node has no memory cgroup to read");
	if (read_text(files->events, text, sizeof(text))) {
		st.oom_kills = key_of(text, "oom_kill");
		if (files->version == 2) {
			st.failcnt = key_of(text, "max");
			st.high_events = key_of(text, "high");
		}
	}
	*ret = st;
	return 0;
}
