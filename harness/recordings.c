/* SPDX-License-Identifier: Apache-2.0 */
/* harness/recordings.c — which links are recorded, and into which files. */
#include "harness/recordings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/units.h"
#include "brownout/lab/record.h"
#include "brownout/lab/wire.h"

struct bo_recordings {
	const struct bo_plan *plan;
	struct bo_record **records; /* parallel to plan->links */
};

static void file_name(const struct bo_plan *plan, const struct bo_link_spec *link, char *buf,
		      size_t size)
{
	snprintf(buf, size, "%s-%s.pcapng", plan->nodes.items[link->a].name,
		 plan->nodes.items[link->b].name);
}

static int open_one(struct bo_recordings *r, size_t i, struct bo_labctl *lab, int dir,
		    struct bo_err *err)
{
	const struct bo_link_spec *link = &r->plan->links.items[i];
	struct bo_wire *wire = bo_labctl_wire(lab, (int)i);
	struct bo_record_conf conf = {
		.a = r->plan->nodes.items[link->a].name,
		.b = r->plan->nodes.items[link->b].name,
		.seed = r->plan->seed,
		.snaplen = link->record_snaplen ? (uint32_t)link->record_snaplen
						: BO_RECORD_SNAPLEN,
		.limit_bytes = link->record_limit ? link->record_limit : BO_RECORD_LIMIT,
	};
	char name[128];
	int rc;

	file_name(r->plan, link, name, sizeof(name));
	conf.fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (conf.fd < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "links/%s", name);
	rc = bo_record_new(&r->records[i], &conf, err);
	if (rc == 0)
		bo_wire_record(wire, r->records[i]);
	return rc;
}

int bo_recordings_new(struct bo_recordings **ret, const struct bo_plan *plan, struct bo_labctl *lab,
		      int run_dir, struct bo_err *err)
{
	struct bo_recordings *r = calloc(1, sizeof(*r));
	bo_auto_fd int dir = -1;
	int rc = 0;

	if (r)
		r->records = calloc(plan->links.len + 1, sizeof(struct bo_record *));
	if (!r || !r->records) {
		free(r);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	r->plan = plan;
	for (size_t i = 0; rc == 0 && i < plan->links.len; i++) {
		if (!plan->links.items[i].record || !bo_labctl_wire(lab, (int)i))
			continue;
		if (dir < 0) {
			(void)mkdirat(run_dir, "links", 0755);
			dir = openat(run_dir, "links", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		rc = dir < 0 ? bo_err_errno(err, BO_SUBSYS_HARNESS, "links/")
			     : open_one(r, i, lab, dir, err);
	}
	/* Also after a failure: the wires that know of a record must end before it does. */
	*ret = r;
	return rc;
}

void bo_recordings_finish(struct bo_recordings *r)
{
	for (size_t i = 0; r && i < r->plan->links.len; i++)
		if (r->records[i])
			bo_record_finish(r->records[i]);
}

bool bo_recordings_text(const struct bo_recordings *r, size_t i, char *buf, size_t size)
{
	struct bo_record_stats st;
	char name[128], bytes[BO_UNIT_BUF];

	if (!r || i >= r->plan->links.len || !r->records[i])
		return false;
	bo_record_stats(r->records[i], &st);
	file_name(r->plan, &r->plan->links.items[i], name, sizeof(name));
	(void)bo_format_size(st.bytes, bytes);
	if (st.write_errno)
		snprintf(buf, size,
			 "links/%s is incomplete: %s; %" PRIu64 " of %" PRIu64 " packets are in it",
			 name, strerrordesc_np(st.write_errno), st.written, st.seen);
	else if (st.full)
		snprintf(buf, size,
			 "links/%s stopped at %s: the last %" PRIu64 " of %" PRIu64
			 " packets are not in it; record { limit = … } allows more",
			 name, bytes, st.beyond, st.seen);
	else if (st.missed)
		snprintf(
			buf, size,
			"links/%s misses %" PRIu64 " of %" PRIu64
			" packets: writing it could not keep up; record { snaplen = … } makes it smaller",
			name, st.missed, st.seen);
	else
		return false;
	return true;
}

void bo_recordings_free(struct bo_recordings *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->plan->links.len; i++)
		bo_record_free(r->records[i]);
	free(r->records);
	free(r);
}
