/* SPDX-License-Identifier: Apache-2.0 */
/* lab/record.c — from the wire's thread to a capture file without ever holding up the wire.
 *
 * Theory of operation
 *   The wire puts each judged packet, cut to snaplen, into a ring of RING_BYTES (one producer, one consumer, two
 *   counters that only grow).  A thread of ours looks into it every DRAIN_NS, or sooner when the wire rings because half
 *   of it is full, and writes blocks.  A ring that is full takes no more: what is missed is counted, per direction, and
 *   said in the next packet's epb_dropcount and in the statistics at the end of the file.
 *
 *   Beyond the file's limit, and after a failed write, the wire is told by a flag and only counts.
 *
 * Owns: see brownout/lab/record.h.  Threads: bo_record_put() the wire's, the rest the thread's.  Privilege: none. */
#include "brownout/lab/record.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "pcapng.h"
#include "record-internal.h"

#define RING_BYTES ((size_t)4 << 20) /* a power of two */
#define DRAIN_NS (10 * BO_NSEC_PER_MSEC)
#define FLUSH_NS BO_NSEC_PER_SEC
#define ALIGN 8

/** struct entry - head of a packet in the ring; @size: of the whole entry, a multiple of ALIGN */
struct entry {
	uint32_t size;
	uint32_t packets;
	uint32_t len;
	uint32_t cap_len;
	enum bo_dir dir;
	int64_t at_ns;
	uint64_t missed; /* of this direction since the entry before */
	bool copied;
	struct bo_wire_outcome out;
	struct bo_wire_outcome copy;
};

struct bo_record {
	uint32_t snaplen;
	int64_t limit_bytes;
	int64_t unix_minus_mono_ns;
	struct pcapng_out out;
	uint8_t *ring;
	uint8_t *data; /* the packet that is being written */
	int bell;
	pthread_t thread;
	bool running;

	_Atomic uint64_t tail; /* written by the wire */
	_Atomic uint64_t head; /* written by the thread */
	_Atomic bool stop;
	_Atomic bool closed; /* no more is taken */
	bool rung;
	uint64_t missed_since[BO_DIR_COUNT]; /* the wire's */
	_Atomic uint64_t seen[BO_DIR_COUNT], missed[BO_DIR_COUNT];
	_Atomic uint64_t beyond; /* counted on both sides */
	_Atomic uint64_t written;
	_Atomic int64_t bytes;
	_Atomic bool full;
	_Atomic int write_errno;
};

/* --- the wire's side -------------------------------------------------------------------------- */

static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void ring_in(struct bo_record *r, uint64_t at, const void *from, size_t len)
{
	size_t offset = at & (RING_BYTES - 1), first = RING_BYTES - offset;

	if (first > len)
		first = len;
	memcpy(r->ring + offset, from, first);
	memcpy(r->ring, (const uint8_t *)from + first, len - first);
}

static void ring_out(const struct bo_record *r, uint64_t at, void *to, size_t len)
{
	size_t offset = at & (RING_BYTES - 1), first = RING_BYTES - offset;

	if (first > len)
		first = len;
	memcpy(to, r->ring + offset, first);
	memcpy((uint8_t *)to + first, r->ring, len - first);
}

static void ring_bell(struct bo_record *r)
{
	uint64_t one = 1;

	(void)!write(r->bell, &one, sizeof(one));
}

void bo_record_put(struct bo_record *r, enum bo_dir dir, int64_t now_ns,
		   const struct bo_wire_packet *packet, uint32_t packets,
		   const struct bo_wire_outcome *out, const struct bo_wire_outcome *copy)
{
	struct entry e = { .packets = packets,
			   .len = (uint32_t)packet->len,
			   .cap_len = (uint32_t)(packet->len < r->snaplen ? packet->len
									  : r->snaplen),
			   .dir = dir,
			   .at_ns = now_ns,
			   .missed = r->missed_since[dir],
			   .copied = copy,
			   .out = *out };
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint64_t used = tail - atomic_load_explicit(&r->head, memory_order_acquire);

	if (copy)
		e.copy = *copy;
	count(&r->seen[dir], packets);
	if (atomic_load_explicit(&r->closed, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&r->beyond, packets, memory_order_relaxed);
		return;
	}
	e.size = (uint32_t)((sizeof(e) + e.cap_len + ALIGN - 1) & ~(size_t)(ALIGN - 1));
	if (used + e.size > RING_BYTES) {
		count(&r->missed[dir], packets);
		r->missed_since[dir] += packets;
		return;
	}
	r->missed_since[dir] = 0;
	ring_in(r, tail, &e, sizeof(e));
	if (e.cap_len)
		ring_in(r, tail + sizeof(e), packet->ip, e.cap_len);
	atomic_store_explicit(&r->tail, tail + e.size, memory_order_release);
	if (used > RING_BYTES / 2 && !r->rung)
		ring_bell(r);
	r->rung = used > RING_BYTES / 2;
}

/* --- the thread ------------------------------------------------------------------------------- */

static int add(char *buf, size_t size, int at, const char *fmt, ...) BO_PRINTF(4, 5);

static int add(char *buf, size_t size, int at, const char *fmt, ...)
{
	va_list ap;

	if ((size_t)at >= size)
		return at;
	va_start(ap, fmt);
	at += vsnprintf(buf + at, size - (size_t)at, fmt, ap);
	va_end(ap);
	return at;
}

static int fate_text(int64_t at_ns, const struct bo_wire_outcome *out, char *buf, size_t size,
		     int n)
{
	int64_t delay_ns = out->due_ns > at_ns ? out->due_ns - at_ns : 0;

	switch (out->fate) {
	case BO_WIRE_LOST:
		return add(buf, size, n, "lost");
	case BO_WIRE_BLACKHOLED:
		return add(buf, size, n, "blackholed");
	case BO_WIRE_OVERFLOWED:
		return add(buf, size, n, "overflow");
	case BO_WIRE_RULED:
	case BO_WIRE_PASS:
		break;
	}
	n = add(buf, size, n, "delay %" PRId64 ".%06d ms", delay_ns / BO_NSEC_PER_MSEC,
		(int)(delay_ns % BO_NSEC_PER_MSEC));
	if (out->corrupted)
		n = add(buf, size, n, ", bit %" PRIu32 " flipped", out->bit);
	return out->ahead ? add(buf, size, n, ", ahead") : n;
}

void bo_record_text(int64_t at_ns, uint32_t packets, const struct bo_wire_outcome *out,
		    const struct bo_wire_outcome *copy, char *buf, size_t size)
{
	int n;

	if (out->fate == BO_WIRE_RULED) {
		snprintf(buf, size, "taken by a rule on connections");
		return;
	}
	if (out->number == BO_RECORD_UNNUMBERED) {
		snprintf(buf, size, "overflow of the wire's own memory");
		return;
	}
	n = add(buf, size, 0, "flow %016" PRIx64 " packet %" PRIu64, out->flow, out->number);
	if (packets > 1)
		n = add(buf, size, n, " to %" PRIu64, out->number + packets - 1);
	n = add(buf, size, n, ": ");
	n = fate_text(at_ns, out, buf, size, n);
	if (copy)
		(void)fate_text(at_ns, copy, buf, size, add(buf, size, n, "; copy: "));
}

static void write_entry(struct bo_record *r, const struct entry *e)
{
	char comment[PCAPNG_COMMENT_MAX];
	struct pcapng_packet p = {
		.interface = e->dir,
		.unix_ns = e->at_ns + r->unix_minus_mono_ns,
		.way = e->dir == BO_DIR_A_TO_B ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
		.missed = e->missed,
		.data = r->data,
		.cap_len = e->cap_len,
		.len = e->len,
		.comment = comment,
	};

	bo_record_text(e->at_ns, e->packets, &e->out, e->copied ? &e->copy : NULL, comment,
		       sizeof(comment));
	pcapng_put_packet(&r->out, &p);
	count(&r->written, e->packets);
}

/** note_failure() - a write has failed: right after it, for the reason is in errno, which poll(2) changes, too */
static void note_failure(struct bo_record *r)
{
	if (!atomic_load(&r->write_errno))
		atomic_store(&r->write_errno, errno ? errno : EIO);
}

/** closing() - has the file taken what it can? */
static bool closing(struct bo_record *r)
{
	bool full = r->out.bytes >= (uint64_t)r->limit_bytes;

	if (!full && !atomic_load(&r->write_errno))
		return false;
	if (!atomic_load(&r->write_errno))
		atomic_store(&r->full, true);
	atomic_store(&r->closed, true);
	return true;
}

static void drain(struct bo_record *r)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	struct entry e;

	for (; head != tail; head += e.size) {
		ring_out(r, head, &e, sizeof(e));
		if (closing(r)) {
			atomic_fetch_add_explicit(&r->beyond, e.packets, memory_order_relaxed);
		} else {
			ring_out(r, head + sizeof(e), r->data, e.cap_len);
			errno = 0;
			write_entry(r, &e);
			if (ferror(r->out.file))
				note_failure(r);
		}
		atomic_store_explicit(&r->head, head + e.size, memory_order_release);
	}
	atomic_store(&r->bytes, (int64_t)r->out.bytes);
}

static void flush(struct bo_record *r)
{
	errno = 0;
	if (fflush(r->out.file))
		note_failure(r);
}

static void *record_main(void *arg)
{
	struct bo_record *r = arg;
	struct pollfd p = { .fd = r->bell, .events = POLLIN };
	int64_t flushed_ns = bo_now_ns();

	prctl(PR_SET_NAME, "bo-record");
	while (!atomic_load(&r->stop)) {
		uint64_t rings;

		(void)poll(&p, 1, (int)(DRAIN_NS / BO_NSEC_PER_MSEC));
		(void)!read(r->bell, &rings, sizeof(rings));
		drain(r);
		if (bo_now_ns() - flushed_ns > FLUSH_NS) {
			flush(r);
			flushed_ns = bo_now_ns();
		}
	}
	drain(r);
	return NULL;
}

/* --- the outside ------------------------------------------------------------------------------ */

static int64_t realtime_minus_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec - bo_now_ns();
}

static void write_head(struct bo_record *r, const struct bo_record_conf *conf)
{
	char text[PCAPNG_COMMENT_MAX], name[128];

	snprintf(text, sizeof(text),
		 "link %s-%s, seed %" PRIu64
		 "; the comment of a packet says which of its flow it is and what became of it",
		 conf->a, conf->b, conf->seed);
	pcapng_put_section(&r->out, "brownout", text);
	for (int dir = 0; dir < BO_DIR_COUNT; dir++) {
		const char *from = dir == BO_DIR_A_TO_B ? conf->a : conf->b;
		const char *to = dir == BO_DIR_A_TO_B ? conf->b : conf->a;

		snprintf(name, sizeof(name), "%s to %s", from, to);
		pcapng_put_interface(&r->out, name, "as it arrived at the wire", conf->snaplen);
	}
}

static int spawn(struct bo_record *r, struct bo_err *err)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&r->thread, NULL, record_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return bo_err_set(err, rc, BO_SUBSYS_LAB, "recording: cannot start a thread: %s",
				  strerror(rc));
	r->running = true;
	return 0;
}

int bo_record_new(struct bo_record **ret, const struct bo_record_conf *conf, struct bo_err *err)
{
	bo_auto_fd int fd = conf->fd;
	struct bo_record *r = calloc(1, sizeof(*r));
	int rc = 0;

	if (r) {
		r->snaplen = conf->snaplen;
		r->limit_bytes = conf->limit_bytes;
		r->unix_minus_mono_ns = realtime_minus_monotonic_ns();
		r->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		r->ring = malloc(RING_BYTES);
		r->data = malloc(conf->snaplen ? conf->snaplen : 1);
		r->out.file = fdopen(fd, "w");
		if (r->out.file)
			(void)bo_steal_fd(&fd);
	}
	if (!r || r->bell < 0 || !r->ring || !r->data || !r->out.file)
		rc = bo_err_set(err, ENOMEM, BO_SUBSYS_LAB,
				"recording: out of memory or descriptors");
	if (!rc) {
		write_head(r, conf);
		rc = spawn(r, err);
	}
	if (rc < 0) {
		bo_record_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

void bo_record_finish(struct bo_record *r)
{
	int64_t now_ns = bo_now_ns() + r->unix_minus_mono_ns;

	if (!r->running)
		return;
	atomic_store(&r->stop, true);
	ring_bell(r);
	pthread_join(r->thread, NULL);
	r->running = false;
	for (uint32_t dir = 0; dir < BO_DIR_COUNT && !atomic_load(&r->write_errno); dir++)
		pcapng_put_statistics(&r->out, dir, now_ns, atomic_load(&r->seen[dir]),
				      atomic_load(&r->missed[dir]));
	flush(r);
	atomic_store(&r->bytes, (int64_t)r->out.bytes);
	errno = 0;
	if (fclose(r->out.file)) /* a file server may say only now that there is no room */
		note_failure(r);
	r->out.file = NULL;
}

void bo_record_stats(struct bo_record *r, struct bo_record_stats *ret)
{
	*ret = (struct bo_record_stats){
		.seen = atomic_load(&r->seen[0]) + atomic_load(&r->seen[1]),
		.written = atomic_load(&r->written),
		.missed = atomic_load(&r->missed[0]) + atomic_load(&r->missed[1]),
		.beyond = atomic_load(&r->beyond),
		.bytes = atomic_load(&r->bytes),
		.full = atomic_load(&r->full),
		.write_errno = atomic_load(&r->write_errno),
	};
}

void bo_record_free(struct bo_record *r)
{
	if (!r)
		return;
	bo_record_finish(r);
	if (r->out.file)
		fclose(r->out.file);
	bo_close(&r->bell);
	free(r->ring);
	free(r->data);
	free(r);
}
