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
#include "brownout/lab/replay.h"
#include "brownout/lab/wire.h"

struct bo_recordings {
	const struct bo_plan *plan;
	struct bo_record **records; /* parallel to plan->links */
	struct bo_replay **replays; /* likewise */
};

static void plain_name(const struct bo_plan *plan, const struct bo_link_spec *link, char *buf,
		       size_t size)
{
	snprintf(buf, size, "%s-%s", plan->nodes.items[link->a].name,
		 plan->nodes.items[link->b].name);
}

/** file_name() - of the @i-th link; "a-b" and "c", and "a" and "b-c", read the same: the second is a-b-c~2 */
static void file_name(const struct bo_plan *plan, size_t i, char *buf, size_t size)
{
	char name[96], other[96], nth[24] = "";
	size_t same = 1;

	plain_name(plan, &plan->links.items[i], name, sizeof(name));
	for (size_t j = 0; j < i; j++) {
		plain_name(plan, &plan->links.items[j], other, sizeof(other));
		same += strcmp(name, other) == 0;
	}
	if (same > 1)
		snprintf(nth, sizeof(nth), "~%zu", same);
	snprintf(buf, size, "%s%s.pcapng", name, nth);
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

	file_name(r->plan, i, name, sizeof(name));
	conf.fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (conf.fd < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "links/%s", name);
	rc = bo_record_new(&r->records[i], &conf, err);
	if (rc == 0)
		bo_wire_record(wire, r->records[i]);
	return rc;
}

/** load_one() - the recording of link @i; NULL in @ret when there is none */
static int load_one(const struct bo_plan *plan, size_t i, struct bo_replay **ret,
		    struct bo_err *err)
{
	char name[128], path[4096];
	bo_auto_fd int fd = -1;
	int rc;

	file_name(plan, i, name, sizeof(name));
	if (snprintf(path, sizeof(path), "%s/links/%s", plan->replay_dir, name) >=
	    (int)sizeof(path))
		return bo_err_set(err, ENAMETOOLONG, BO_SUBSYS_HARNESS,
				  "brownout run: --replay: a path too long");
	/* Of a FIFO the loader says what it is, and nobody waits for its writer. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "brownout run: --replay: %s", path);
	rc = bo_replay_load(ret, fd, path, err);
	return rc < 0 ? bo_err_wrap(err, "brownout run: --replay") : 0;
}

int bo_recordings_check(const struct bo_plan *plan, struct bo_err *err)
{
	size_t found = 0;

	for (size_t i = 0; plan->replay_dir && i < plan->links.len; i++) {
		struct bo_replay *replay = NULL;
		int rc = load_one(plan, i, &replay, err);

		if (rc < 0)
			return rc;
		found += replay != NULL;
		bo_replay_free(replay);
	}
	if (!plan->replay_dir || found)
		return 0;
	return bo_err_set(
		err, ENOENT, BO_SUBSYS_HARNESS,
		"brownout run: --replay: expected the folder of a run with recordings of these links, found none in "
		"%s/links; a run with --record makes them",
		plan->replay_dir);
}

static int replay_one(struct bo_recordings *r, size_t i, struct bo_labctl *lab, struct bo_err *err)
{
	struct bo_wire *wire = bo_labctl_wire(lab, (int)i);
	int rc = r->plan->replay_dir && wire ? load_one(r->plan, i, &r->replays[i], err) : 0;

	if (rc == 0 && r->replays[i])
		bo_wire_replay(wire, r->replays[i]);
	return rc;
}

int bo_recordings_new(struct bo_recordings **ret, const struct bo_plan *plan, struct bo_labctl *lab,
		      int run_dir, struct bo_err *err)
{
	struct bo_recordings *r = calloc(1, sizeof(*r));
	bo_auto_fd int dir = -1;
	int rc = 0;

	if (r) {
		r->records = calloc(plan->links.len + 1, sizeof(struct bo_record *));
		r->replays = calloc(plan->links.len + 1, sizeof(struct bo_replay *));
	}
	if (!r || !r->records || !r->replays) {
		if (r)
			free(r->records);
		if (r)
			free(r->replays);
		free(r);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	}
	r->plan = plan;
	for (size_t i = 0; rc == 0 && i < plan->links.len; i++)
		rc = replay_one(r, i, lab, err);
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

static bool replay_text(const struct bo_recordings *r, size_t i, char *buf, size_t size)
{
	struct bo_replay_stats st;
	char name[128];

	if (i >= r->plan->links.len || !r->plan->replay_dir)
		return false;
	file_name(r->plan, i, name, sizeof(name));
	if (!r->replays[i]) {
		snprintf(buf, size, "%s/links/%s is not there: fates were drawn from the seed",
			 r->plan->replay_dir, name);
		return true;
	}
	bo_replay_stats(r->replays[i], &st);
	snprintf(buf, size,
		 "%s: %" PRIu64 " packets had the fates of the record%s, %" PRIu64
		 " are not in it and had theirs drawn from the seed",
		 name, st.hits, st.cut ? " (which is cut short)" : "", st.misses);
	return true;
}

bool bo_recordings_text(const struct bo_recordings *r, size_t i, char *buf, size_t size)
{
	struct bo_record_stats st;
	char name[128], bytes[BO_UNIT_BUF];

	if (r && i >= r->plan->links.len)
		return replay_text(r, i - r->plan->links.len, buf, size);
	if (!r || !r->records[i])
		return false;
	bo_record_stats(r->records[i], &st);
	file_name(r->plan, i, name, sizeof(name));
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
	for (size_t i = 0; i < r->plan->links.len; i++)
		bo_replay_free(r->replays[i]);
	free(r->replays);
	free(r->records);
	free(r);
}
