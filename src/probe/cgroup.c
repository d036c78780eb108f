/* SPDX-License-Identifier: Apache-2.0 */
/* probe/cgroup.c — memory of a node's cgroup, v1 and v2, through descriptors that the keeper
 * opened.
 * A descriptor opened by the keeper stays readable here without any privilege; pread(2) at 0
 * makes the kernel generate the text anew each time.
 * Owns: nothing (the descriptors are the sampler's).  Threads: the sampler's.  Privilege: none. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe-internal.h"

/* In the order of series[]. */
enum { USAGE, LIMIT, FAILCNT, HIGH, OOM_KILLS };

static int parse_number(const char *text, char end, int64_t *ret)
{
	char *rest;
	long long n;

	if (*text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	n = strtoll(text, &rest, 10);
	if (*rest != end && *rest != '\0')
		return -EBADMSG;
	/* v1 limits are unsigned in the kernel; whatever does not fit is unlimited (strtoll
	 * gives LLONG_MAX then). */
	*ret = n;
	return 0;
}

int bo_cgroup_parse_value(const char *text, int64_t *ret)
{
	if (strcmp(text, "max\n") == 0 || strcmp(text, "max") == 0) {
		*ret = INT64_MAX;
		return 0;
	}
	return parse_number(text, '\n', ret);
}

int bo_cgroup_parse_key(const char *text, const char *key, int64_t *ret)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return parse_number(line + len + 1, '\n', ret);
	}
	return -ENOENT;
}

bool bo_cgroup_is_unlimited(int64_t limit_bytes)
{
	/* PAGE_COUNTER_MAX is LONG_MAX / PAGE_SIZE pages (linux/page_counter.h); 64 KiB is the
	 * largest page. */
	return limit_bytes >= INT64_MAX - 64 * 1024;
}

static int attach(struct bo_probe *probe, struct bo_err *err)
{
	const struct bo_cgroup_files *f = &probe->target->files;

	if (f->version != 1 && f->version != 2)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE, "no memory cgroup");
	probe->wanted = 0;
	if (f->usage >= 0)
		probe->wanted |= 1u << USAGE;
	if (f->limit >= 0)
		probe->wanted |= 1u << LIMIT;
	if (f->version == 2 ? f->events >= 0 : f->failcnt >= 0)
		probe->wanted |= 1u << FAILCNT;
	if (f->version == 2 && f->events >= 0)
		probe->wanted |= 1u << HIGH;
	if (f->events >= 0)
		probe->wanted |= 1u << OOM_KILLS;
	if (!probe->wanted)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "no file of the memory cgroup is open");
	snprintf(probe->source, sizeof(probe->source), "cgroup v%d", f->version);
	return 0;
}

/* Read one file; on failure every series of @mask gets its gap.  false then. */
static bool read_text(struct bo_probe *probe, int fd, uint32_t mask, int64_t now_ns, char *buf,
		      size_t size)
{
	ssize_t n;

	if (fd < 0)
		return false;
	n = pread(fd, buf, size - 1, 0);
	if (n > 0) {
		buf[n] = '\0';
		return true;
	}
	for (size_t i = 0; i <= OOM_KILLS; i++) {
		if (!(mask & 1u << i))
			continue;
		/* ENODEV: the cgroup was removed under its open files (kernfs). */
		if (n < 0 && errno == ENODEV)
			bo_probe_fail(probe, i, now_ns, "the cgroup is gone");
		else
			bo_probe_fail(probe, i, now_ns, "cannot read the cgroup: %s",
				      n < 0 ? strerrordesc_np(errno) : "empty file");
	}
	return false;
}

static void take_value(struct bo_probe *probe, size_t index, int fd, int64_t now_ns)
{
	char text[64];
	int64_t value;

	if (!read_text(probe, fd, 1u << index, now_ns, text, sizeof(text)))
		return;
	if (bo_cgroup_parse_value(text, &value) < 0)
		bo_probe_fail(probe, index, now_ns, "the cgroup file makes no sense");
	else if (index == LIMIT && bo_cgroup_is_unlimited(value))
		bo_probe_absent(probe, index, now_ns);
	else
		bo_probe_emit(probe, index, now_ns, (double)value);
}

static void take_key(struct bo_probe *probe, size_t index, const char *text, const char *key,
		     int64_t now_ns)
{
	int64_t value;

	if (bo_cgroup_parse_key(text, key, &value) < 0)
		bo_probe_fail(probe, index, now_ns, "the kernel does not count '%s'", key);
	else
		bo_probe_emit(probe, index, now_ns, (double)value);
}

static void sample(struct bo_probe *probe, int64_t now_ns)
{
	const struct bo_cgroup_files *f = &probe->target->files;
	uint32_t of_events = probe->wanted &
			     (1u << HIGH | 1u << OOM_KILLS | (f->version == 2 ? 1u << FAILCNT : 0));
	char text[512];

	take_value(probe, USAGE, f->usage, now_ns);
	take_value(probe, LIMIT, f->limit, now_ns);
	if (f->version == 1)
		take_value(probe, FAILCNT, f->failcnt, now_ns);
	if (!read_text(probe, f->events, of_events, now_ns, text, sizeof(text)))
		return;
	if (f->version == 2) {
		take_key(probe, FAILCNT, text, "max", now_ns);
		take_key(probe, HIGH, text, "high", now_ns);
	}
	take_key(probe, OOM_KILLS, text, "oom_kill", now_ns);
}

static const struct bo_probe_series series[] = {
	[USAGE] = { BO_SERIES_MEMORY, "bytes" },
	[LIMIT] = { BO_SERIES_MEMORY_LIMIT, "bytes" },
	[FAILCNT] = { BO_SERIES_MEMORY_FAILCNT, "count" },
	[HIGH] = { BO_SERIES_MEMORY_HIGH, "count" },
	[OOM_KILLS] = { BO_SERIES_OOM_KILLS, "count" },
	[OOM_KILLS + 1] = { NULL, NULL },
};

const struct bo_probe_kind bo_probe_cgroup = {
	.name = "cgroup",
	.help = "memory usage, limit and its hits, and OOM kills of the node's cgroup",
	.use = BO_PROBE_USE_EVERY,
	.series = series,
	.attach = attach,
	.sample = sample,
};
