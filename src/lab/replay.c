/* SPDX-License-Identifier: Apache-2.0 */
/* lab/replay.c — give packets the fates of an earlier run.
 *
 * The same seed gives the n-th packet of a flow the same draws anyhow.  A record is needed where the seed is not
 * enough: when what was drawn depended on more than the draw (queues in front of a rate, the length of a packet), when
 * the model of the link has changed since, or when the record was edited by hand.
 *
 * A packet is known by direction, flow and number in its flow (wire_flow.c), which have no ephemeral port and no seed in
 * them.  What the record says stands in place of what was drawn, and of a full queue; when a fault is in force and when
 * not is the scenario's to say, so an unimpaired line and a blackhole stay what they are.
 *
 * Owns: the table.  Threads: loaded by the main thread, then the wire's.  Privilege: none.  The file is not trusted. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/rng.h"
#include "brownout/base/vec.h"
#include "pcapng.h"
#include "replay-internal.h"

#define FILE_MAX (INT64_C(4) << 30)
#define DELAY_MAX_NS (48 * 3600 * BO_NSEC_PER_SEC)
#define PACKETS_MAX 2048 /* of one super-packet: 64 KiB of the smallest segments that there are */

/** struct fate - of the packets from out.number to @last, which travelled as one frame */
struct fate {
	enum bo_dir dir;
	uint64_t last;
	struct bo_wire_outcome out, copy;
};

struct bo_replay {
	BO_VEC(struct fate) fates;
	uint32_t *slots; /* index + 1 into fates; open addressing */
	size_t nslots;   /* a power of two, at least twice the fates */
	uint64_t most;   /* by how much the last number of a fate is above its first */
	const struct fate *near[BO_DIR_COUNT]; /* found last */
	bool cut;
	_Atomic uint64_t hits, misses;
};

/* --- comments --------------------------------------------------------------------------------- */

static bool skip(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len))
		return false;
	*at += len;
	return true;
}

/** number() - digits of @base, no sign, no blanks; false when there is none or it does not fit */
static bool number(const char **at, int base, uint64_t *ret)
{
	char *end;

	if (!strchr("0123456789abcdef", **at) || !**at || (base == 10 && **at > '9'))
		return false;
	errno = 0;
	*ret = strtoull(*at, &end, base);
	*at = end;
	return !errno;
}

/** read_delay() - "12.345678 ms" */
static bool read_delay(const char **at, int64_t *ret_ns)
{
	uint64_t ms, fraction;
	const char *point;

	if (!number(at, 10, &ms) || !skip(at, ".") || ms > DELAY_MAX_NS / BO_NSEC_PER_MSEC)
		return false;
	point = *at;
	if (!number(at, 10, &fraction) || *at - point != 6 || !skip(at, " ms"))
		return false;
	*ret_ns = (int64_t)ms * BO_NSEC_PER_MSEC + (int64_t)fraction;
	return true;
}

static bool read_fate(const char **at, struct bo_wire_outcome *ret)
{
	uint64_t bit;

	if (skip(at, "lost")) {
		ret->fate = BO_WIRE_LOST;
		return true;
	}
	if (skip(at, "blackholed")) {
		ret->fate = BO_WIRE_BLACKHOLED;
		return true;
	}
	if (skip(at, "overflow")) {
		ret->fate = BO_WIRE_OVERFLOWED;
		return true;
	}
	ret->fate = BO_WIRE_PASS;
	if (!skip(at, "delay ") || !read_delay(at, &ret->due_ns))
		return false;
	if (skip(at, ", bit ")) {
		if (!number(at, 10, &bit) || bit > UINT32_MAX || !skip(at, " flipped"))
			return false;
		ret->corrupted = true;
		ret->bit = (uint32_t)bit;
	}
	ret->ahead = skip(at, ", ahead");
	return true;
}

bool bo_replay_read_comment(const char *text, struct bo_wire_outcome *ret,
			    struct bo_wire_outcome *ret_copy, uint64_t *ret_last)
{
	*ret = (struct bo_wire_outcome){ 0 };
	*ret_copy = (struct bo_wire_outcome){ 0 };
	if (!skip(&text, "flow ") || !number(&text, 16, &ret->flow) || !skip(&text, " packet ") ||
	    !number(&text, 10, &ret->number))
		return false;
	*ret_last = ret->number;
	if (skip(&text, " to ") &&
	    (!number(&text, 10, ret_last) || *ret_last - ret->number >= PACKETS_MAX))
		return false;
	if (!skip(&text, ": ") || !read_fate(&text, ret))
		return false;
	if (skip(&text, "; copy: ")) {
		ret->copied = true;
		if (!read_fate(&text, ret_copy))
			return false;
		ret_copy->flow = ret->flow;
		ret_copy->number = ret->number;
	}
	return !*text;
}

/* --- the table -------------------------------------------------------------------------------- */

static size_t slot_of(const struct bo_replay *r, enum bo_dir dir, uint64_t flow, uint64_t n)
{
	size_t at = bo_mix64(flow ^ bo_mix64(n * BO_DIR_COUNT + dir)) & (r->nslots - 1);

	for (; r->slots[at]; at = (at + 1) & (r->nslots - 1)) {
		const struct fate *f = &r->fates.items[r->slots[at] - 1];

		if (f->dir == dir && f->out.flow == flow && f->out.number == n)
			break;
	}
	return at;
}

static bool build_table(struct bo_replay *r)
{
	for (r->nslots = 16; r->nslots < r->fates.len * 2;)
		r->nslots *= 2;
	r->slots = calloc(r->nslots, sizeof(*r->slots));
	if (!r->slots)
		return false;
	for (size_t i = 0; i < r->fates.len; i++) {
		const struct fate *f = &r->fates.items[i];

		r->slots[slot_of(r, f->dir, f->out.flow, f->out.number)] = (uint32_t)i + 1;
		if (f->last - f->out.number > r->most)
			r->most = f->last - f->out.number;
	}
	return true;
}

static bool is_of(const struct fate *f, uint64_t flow, uint64_t n)
{
	return f && f->out.flow == flow && f->out.number <= n && n <= f->last;
}

/** find() - the fate of a packet, or NULL; it may have been in the middle of a super-packet */
static const struct fate *find(struct bo_replay *r, enum bo_dir dir, uint64_t flow, uint64_t n)
{
	uint64_t most = r->most < n ? r->most : n;

	if (is_of(r->near[dir], flow, n))
		return r->near[dir];
	for (uint64_t before = 0; before <= most; before++) {
		uint32_t slot = r->slots[slot_of(r, dir, flow, n - before)];
		const struct fate *f = slot ? &r->fates.items[slot - 1] : NULL;

		if (f)
			return is_of(f, flow, n) ? (r->near[dir] = f) : NULL;
	}
	return NULL;
}

/** struct loading - what the reader of the file hands its packets to */
struct loading {
	struct bo_replay *replay;
	bool failed;
};

static void take_packet(void *arg, uint32_t interface, const char *comment)
{
	struct loading *l = arg;
	struct fate f = { .dir = (enum bo_dir)interface };

	if (interface >= BO_DIR_COUNT || !bo_replay_read_comment(comment, &f.out, &f.copy, &f.last))
		return;
	if (l->replay->fates.len >= UINT32_MAX - 1 || !bo_vec_push(&l->replay->fates, f))
		l->failed = true;
}

int bo_replay_parse(struct bo_replay **ret, const uint8_t *data, size_t len, const char *name,
		    struct bo_err *err)
{
	struct bo_replay *r = calloc(1, sizeof(*r));
	struct loading l = { .replay = r };
	const char *why = NULL;
	int rc = 0;

	if (!r)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "%s: out of memory", name);
	if (!pcapng_read(data, len, take_packet, &l, &r->cut, &why))
		rc = bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "%s is no recording of a link: %s",
				name, why);
	else if (!l.failed && !r->fates.len)
		rc = bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				"%s is no recording of a link: no packet in it has a fate", name);
	else if (l.failed || !build_table(r))
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "%s: out of memory", name);
	if (rc < 0) {
		bo_replay_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

int bo_replay_load(struct bo_replay **ret, int fd, const char *name, struct bo_err *err)
{
	bo_auto_free uint8_t *data = NULL;
	struct stat st;
	size_t len = 0;

	if (fstat(fd, &st) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "%s", name);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return bo_err_set(err, EFBIG, BO_SUBSYS_LAB,
				  "%s is no recording of a link: not a file of at most 4 GiB",
				  name);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "%s: out of memory", name);
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, data + len, (size_t)st.st_size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return bo_err_errno(err, BO_SUBSYS_LAB, "%s", name);
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return bo_replay_parse(ret, data, len, name, err);
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/** drawn() - did chance or a queue decide?  Then a record can, too */
static bool drawn(enum bo_wire_fate fate)
{
	return fate != BO_WIRE_BLACKHOLED;
}

void bo_replay_fate(struct bo_replay *r, const struct bo_impair *im, enum bo_dir dir,
		    int64_t now_ns, struct bo_wire_outcome *out, struct bo_wire_outcome *copy)
{
	uint64_t number = out->number;
	const struct fate *f;

	if (bo_impair_is_none(im) || !drawn(out->fate))
		return;
	f = find(r, dir, out->flow, number);
	if (!f || !drawn(f->out.fate)) {
		count(&r->misses);
		return;
	}
	count(&r->hits);
	*out = f->out;
	out->number = number;
	out->due_ns += now_ns;
	if (!out->copied)
		return;
	*copy = f->copy;
	copy->number = number;
	copy->due_ns += now_ns;
}

void bo_replay_stats(const struct bo_replay *r, struct bo_replay_stats *ret)
{
	*ret = (struct bo_replay_stats){ .hits = atomic_load(&r->hits),
					 .misses = atomic_load(&r->misses),
					 .packets = r->fates.len,
					 .cut = r->cut };
}

void bo_replay_free(struct bo_replay *r)
{
	if (!r)
		return;
	bo_vec_done(&r->fates);
	free(r->slots);
	free(r);
}
