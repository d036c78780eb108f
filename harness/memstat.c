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

int bo_memstat_read(const struct bo_cgroup_files *files, struct bo_mem_stat *ret, struct bo_err *err)
{
	struct bo_mem_stat st = { -1, -1, -1, -1, -1 };
	char text[512];

	if (!read_text(files->usage, text, sizeof(text)) || bo_cgroup_parse_value(text, &st.usage_bytes) < 0)
		return bo_err_set(err, ENOENT, BO_SUBSYS_HARNESS, "this node has no memory cgroup to read");
	if (!read_text(files->limit, text, sizeof(text)) || bo_cgroup_parse_value(text, &st.limit_bytes) < 0)
		return bo_err_set(err, ENOENT, BO_SUBSYS_HARNESS, "the memory limit of this node cannot be read");
	if (bo_cgroup_is_unlimited(st.limit_bytes))
		st.limit_bytes = INT64_MAX;
	if (files->version == 1 && read_text(files->failcnt, text, sizeof(text)))
		(void)bo_cgroup_parse_value(text, &st.failcnt);
	if (read_text(files->events, text, sizeof(text))) {
		if (files->version == 2) {
			(void)bo_cgroup_parse_key(text, "max", &st.failcnt);
			(void)bo_cgroup_parse_key(text, "high", &st.high_events);
		}
		(void)bo_cgroup_parse_key(text, "oom_kill", &st.oom_kills);
	}
	*ret = st;
	return 0;
}
