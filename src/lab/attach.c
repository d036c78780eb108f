/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach.c — the attachment: a process that lives in a service's network namespace for as long as a run lasts.
 *
 * It is a child of the keeper's, and nobody's heir: it waits on the conductor's socket, a pipe of the keeper's, the
 * queue, and a clock.  The end of either of the first two, or the time to live of a fault without a new instruction,
 * means: take everything back.  It is not killed with the keeper (no parent-death signal), because it is the one who
 * knows what to undo.
 *
 * Order: before anything is changed, the journal says what will have been; when all is undone, the journal goes.
 *
 * Owns: everything that is changed in the service.  Threads: single-threaded.
 * Privilege: CAP_NET_ADMIN and CAP_KILL, from before the first request on. */
#include "brownout/lab/attach.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach_proto.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/sys/fdpass.h"
#include "brownout/sys/netns.h"

#define END_TIMEOUT_NS (20 * BO_NSEC_PER_SEC)

struct attachment {
	const struct bo_attach_conf *conf;
	struct bo_attach_target target;
	struct bo_attach_journal journal;
	struct bo_attach_warden warden;
	struct bo_attach_queue queue;
	struct bo_attach_netem netem;
	struct bo_err no_queue, no_netem;       /* why not, when the driver cannot be had */
	enum bo_driver by[BO_ATTACH_LANES_MAX]; /* who has, or had, the lane */
	struct bo_dist_table tables[BO_ATTACH_LANES_MAX];
	bool impaired[BO_ATTACH_LANES_MAX];
	int64_t expires_ns; /* INT64_MAX: nothing is in force */
	bool expired;
};

/* --- doing and undoing -------------------------------------------------------------------------- */

static bool in_force(const struct attachment *a)
{
	for (size_t i = 0; i < (size_t)a->conf->npeers * BO_DIR_COUNT; i++)
		if (a->impaired[i])
			return true;
	return a->journal.stopped;
}

/** forget_netem() - it is down: the journal has nothing to say of it */
static void forget_netem(struct attachment *a)
{
	a->journal.ifb[0] = '\0';
	a->journal.device = 0;
}

/** settle() - nothing in force: no clock, and no journal once netem has let go of everything; else the clock starts anew */
static void settle(struct attachment *a)
{
	a->expires_ns = in_force(a) ? bo_now_ns() + a->conf->spec.ttl_ns : INT64_MAX;
	bo_attach_warden_tell(&a->warden, a->expires_ns);
	if (in_force(a) || a->netem.up)
		return;
	forget_netem(a);
	bo_attach_journal_close(&a->journal);
}

static int note(struct attachment *a, struct bo_err *err)
{
	int rc = a->journal.fd < 0 ? bo_attach_journal_open(&a->journal, err) : 0;

	return rc < 0 ? rc : bo_attach_journal_write(&a->journal, err);
}

static int go_on(struct attachment *a, struct bo_err *err)
{
	int rc = a->journal.stopped ? bo_pidfd_kill(a->target.pidfd, SIGCONT, err) : 0;

	a->journal.stopped = a->journal.stopped && rc < 0;
	return rc;
}

static int take_back(struct attachment *a, struct bo_err *err)
{
	struct bo_err later = { 0 };
	int thaw = go_on(a, err);
	int queue = bo_attach_queue_down(&a->queue, thaw < 0 ? &later : err);
	int netem = bo_attach_netem_down(&a->netem, thaw < 0 || queue < 0 ? &later : err);

	if (queue == 0 && netem == 0)
		memset(a->impaired, 0, sizeof(a->impaired));
	if (queue == 0 && netem == 0 && thaw == 0)
		settle(a);
	return thaw < 0 ? thaw : queue < 0 ? queue : netem;
}

static int gone_by_itself(const struct attachment *a, struct bo_err *err)
{
	char ttl[BO_UNIT_BUF];

	return bo_err_set(err, ETIME, BO_SUBSYS_LAB,
			  "%s: its faults ended by themselves, %s after the last instruction (ttl)",
			  a->conf->name, bo_format_duration(a->conf->spec.ttl_ns, ttl));
}

/** choose() - the driver for @im;  @why: in AUTO, what netem cannot do;  Return: 0, -ENOTSUP: none can */
static int choose(struct attachment *a, size_t lane, const struct bo_impair *im,
		  enum bo_driver *ret, struct bo_err *why, struct bo_err *err)
{
	const char *unable = bo_attach_unable(BO_DRIVER_NETEM, im);
	const bool asked = a->conf->driver == BO_DRIVER_NETEM;

	*ret = BO_DRIVER_NETEM;
	*why = (struct bo_err){ 0 };
	if (a->conf->driver != BO_DRIVER_QUEUE) {
		if (a->no_netem.code)
			*why = a->no_netem;
		else if (unable)
			bo_err_set(why, ENOTSUP, BO_SUBSYS_LAB, "%s", unable);
		else if (bo_attach_netem_prepare(&a->netem, lane, why) == 0)
			return 0;
		if (asked)
			return bo_err_set(err, ENOTSUP, BO_SUBSYS_LAB,
					  "%s: netem: %s; use driver \"queue\" or \"auto\"",
					  a->conf->name, why->msg);
	}
	*ret = BO_DRIVER_QUEUE;
	unable = a->no_queue.code ? a->no_queue.msg : bo_attach_unable(BO_DRIVER_QUEUE, im);
	if (!unable)
		return 0;
	return bo_err_set(err, ENOTSUP, BO_SUBSYS_LAB, "%s: %s%.110s%squeue: %.110s", a->conf->name,
			  why->code ? "netem: " : "", why->msg, why->code ? "; " : "", unable);
}

/** put() - the lane's impairment, by @driver;  with netem, the journal says so before it is done */
static int put(struct attachment *a, size_t lane, const struct bo_impair *im, enum bo_driver driver,
	       struct bo_err *err)
{
	struct bo_err ignored = { 0 };
	int rc = 0;

	if (driver == BO_DRIVER_QUEUE)
		return bo_attach_queue_impair(&a->queue, lane, im, err);
	if (!a->netem.up) {
		memcpy(a->journal.ifb, a->netem.name, sizeof(a->journal.ifb));
		a->journal.device = a->netem.device;
		rc = bo_impair_is_none(im) ? 0 : bo_attach_journal_write(&a->journal, err);
	}
	if (rc == 0)
		rc = bo_attach_netem_impair(&a->netem, lane, im, err);
	if (rc < 0 && !a->netem.up) {
		forget_netem(a);
		(void)!bo_attach_journal_write(&a->journal, &ignored);
	}
	return rc;
}

/** take_over() - where @driver cannot do after all what it said it could, the other one may */
static int take_over(struct attachment *a, size_t lane, const struct bo_impair *im,
		     enum bo_driver *driver, struct bo_err *why, struct bo_err *err)
{
	int rc = put(a, lane, im, *driver, err);

	if (rc == 0 || *driver != BO_DRIVER_NETEM || a->conf->driver != BO_DRIVER_AUTO ||
	    a->no_queue.code || bo_attach_unable(BO_DRIVER_QUEUE, im))
		return rc;
	*why = *err;
	*err = (struct bo_err){ 0 };
	if (why->code == ENOTSUP)
		a->no_netem = *why; /* once is enough */
	*driver = BO_DRIVER_QUEUE;
	return put(a, lane, im, *driver, err);
}

static int change(struct attachment *a, size_t lane, const struct bo_impair *im, struct bo_err *why,
		  struct bo_err *err)
{
	static const struct bo_impair none;
	enum bo_driver before = a->by[lane], driver = before;
	int rc = 0;

	if (!bo_impair_is_none(im))
		rc = choose(a, lane, im, &driver, why, err);
	if (rc == 0)
		rc = take_over(a, lane, im, &driver, why, err);
	if (rc < 0)
		return rc;
	a->by[lane] = driver;
	/* The other one lets go after this one has taken hold: packets are late twice for a moment, never on time. */
	if (a->impaired[lane] && driver != before)
		rc = put(a, lane, &none, before, err);
	a->impaired[lane] = !bo_impair_is_none(im);
	return rc;
}

static int impair(struct attachment *a, size_t lane, const struct bo_attach_question *q,
		  struct bo_attach_reply *rep, struct bo_err *err)
{
	struct bo_err why = { 0 };
	struct bo_impair im = q->im;
	int rc;

	/* Pointers of another process mean nothing here. */
	im.table = NULL;
	im.trace = NULL;
	if (q->im.trace)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_LAB, "%s: %s", a->conf->name,
				  bo_attach_unable(BO_DRIVER_QUEUE, &q->im));
	if (im.dist == BO_DIST_TABLE)
		im.table = &q->table;
	rc = bo_impair_check(&im, err);
	if (rc == 0 && a->expired)
		rc = gone_by_itself(a, err);
	if (rc == 0 && !bo_impair_is_none(&im))
		rc = note(a, err);
	if (rc < 0)
		return rc;
	if (im.table) {
		a->tables[lane] = q->table; /* that of before is in use until here */
		im.table = &a->tables[lane];
	}
	rc = change(a, lane, &im, &why, err);
	settle(a);
	rep->driver = a->by[lane];
	memcpy(rep->msg, why.msg, sizeof(rep->msg));
	return rc;
}

/** put_samples() - into a file without a name: there may be more than a message holds */
static int put_samples(const struct bo_link_samples *samples, struct bo_attach_reply *rep,
		       int *ret_fd, struct bo_err *err)
{
	size_t probes = samples->nprobes * sizeof(*samples->probes);
	size_t trains = samples->ntrains * sizeof(*samples->trains);
	bo_auto_fd int fd = memfd_create("samples", MFD_CLOEXEC);

	if (fd < 0 || pwrite(fd, samples->probes, probes, 0) != (ssize_t)probes ||
	    pwrite(fd, samples->trains, trains, (off_t)probes) != (ssize_t)trains)
		return bo_err_errno(err, BO_SUBSYS_LAB, "handing samples over");
	rep->nprobes = samples->nprobes;
	rep->ntrains = samples->ntrains;
	*ret_fd = bo_steal_fd(&fd);
	return 0;
}

static int samples_of(struct attachment *a, size_t lane, const struct bo_attach_question *q,
		      struct bo_attach_reply *rep, int *ret_fd, struct bo_err *err)
{
	const struct bo_attach_lane *l = &a->queue.lanes[lane];
	struct bo_link_samples samples;
	int rc;

	if (a->expired)
		return gone_by_itself(a, err);
	if (a->by[lane] == BO_DRIVER_NETEM) {
		rc = bo_attach_netem_samples(&a->netem, lane, q->from_ns, q->to_ns, &samples, err);
		if (rc < 0)
			return rc;
		rc = put_samples(&samples, rep, ret_fd, err);
		bo_link_samples_done(&samples);
		return rc;
	}
	if (l->bypassed)
		return bo_err_set(err, ENODATA, BO_SUBSYS_LAB,
				  "%" PRIu64 " packets went by: more came than could be queued",
				  l->bypassed);
	if (a->queue.up && !bo_nft_exists(a->queue.nft, a->queue.table))
		return bo_err_set(err, ENODATA, BO_SUBSYS_LAB,
				  "somebody removed the rules of this fault from the service's "
				  "namespace meanwhile");
	if (a->queue.nfq && bo_nfq_missed(a->queue.nfq))
		return bo_err_set(err, ENODATA, BO_SUBSYS_LAB,
				  "the kernel dropped %" PRIu64 " packets that were held: somebody "
				  "changed the firewall of the service meanwhile",
				  bo_nfq_missed(a->queue.nfq));
	rc = bo_attach_records_samples(&l->records, q->from_ns, q->to_ns, &samples, err);
	if (rc < 0)
		return rc;
	rc = put_samples(&samples, rep, ret_fd, err);
	bo_link_samples_done(&samples);
	return rc;
}

static int signal_service(struct attachment *a, int signal, struct bo_err *err)
{
	const int32_t was_stopped = a->journal.stopped;
	int rc;

	if (a->target.pidfd < 0)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				  "%s is attached by its namespace: no process is known",
				  a->conf->name);
	switch (signal) {
	case SIGSTOP:
		if (a->expired)
			return gone_by_itself(a, err);
		a->journal.stopped = 1;
		rc = note(a, err);
		if (rc == 0)
			rc = bo_pidfd_kill(a->target.pidfd, SIGSTOP, err);
		/* The journal may go on saying so: to continue what is not stopped is nothing. */
		if (rc < 0)
			a->journal.stopped = was_stopped;
		break;
	case SIGCONT:
		rc = go_on(a, err);
		if (rc == 0 && a->journal.fd >= 0)
			rc = bo_attach_journal_write(&a->journal, err);
		break;
	case SIGTERM:
	case SIGKILL:
		if (!(a->conf->spec.allow & BO_ATTACH_ALLOW_KILL))
			return bo_err_set(err, EPERM, BO_SUBSYS_LAB,
					  "%s: not without allow = { \"kill\" }", a->conf->name);
		return bo_pidfd_kill(a->target.pidfd, signal, err);
	default:
		return bo_err_set(err, EBADMSG, BO_SUBSYS_LAB, "signal %d", signal);
	}
	settle(a);
	return rc;
}

static int state(const struct attachment *a, struct bo_node_state *ret)
{
	struct pollfd p = { .fd = a->target.pidfd, .events = POLLIN };
	struct bo_process_id now;
	bool stopped = false;

	*ret = (struct bo_node_state){ .running = true, .pid = a->target.process.pid };
	if (a->target.pidfd < 0)
		return 0;
	ret->running = poll(&p, 1, 0) == 0;
	if (ret->running && bo_process_id_of(a->target.process.pid, &now, &stopped, NULL) == 0 &&
	    now.start_ticks == a->target.process.start_ticks)
		ret->paused = stopped;
	return 0;
}

/* --- the conversation ------------------------------------------------------------------------------ */

static int carry_out(struct attachment *a, const struct bo_attach_question *q,
		     struct bo_attach_reply *rep, int *ret_fd, struct bo_err *err)
{
	size_t lane = (size_t)q->peer * BO_DIR_COUNT + (size_t)q->dir;

	if ((q->op == OP_IMPAIR || q->op == OP_SAMPLES) &&
	    (q->peer < 0 || (uint32_t)q->peer >= a->conf->npeers || q->dir < 0 ||
	     q->dir >= BO_DIR_COUNT))
		return bo_err_set(err, EBADMSG, BO_SUBSYS_LAB, "there is no peer %d", q->peer);
	switch (q->op) {
	case OP_IMPAIR:
		return impair(a, lane, q, rep, err);
	case OP_SAMPLES:
		/* One that cannot be had says less, and is no reason to say nothing. */
		(void)!bo_tcp_rtt(&a->conf->peers[q->peer], &rep->rtt, NULL);
		return samples_of(a, lane, q, rep, ret_fd, err);
	case OP_SIGNAL:
		return signal_service(a, q->signal, err);
	case OP_STATE:
		return state(a, &rep->state);
	default:
		return bo_err_set(err, EBADMSG, BO_SUBSYS_LAB, "operation %u", q->op);
	}
}

/** answer() - @fd: goes along, -1 for none */
static void answer(int sock, struct bo_attach_reply *rep, int fd, int rc, const struct bo_err *err)
{
	const struct bo_fds fds = { .fd = { fd }, .n = fd >= 0 };

	if (rc < 0) {
		rep->code = err->code ? err->code : -rc;
		memcpy(rep->msg, err->msg, sizeof(rep->msg));
	}
	(void)!bo_fdpass_send(sock, rep, sizeof(*rep), &fds, NULL);
}

/** converse() - one question;  Return: false at the end of the socket */
static bool converse(struct attachment *a, int sock)
{
	static struct bo_attach_question q;
	struct bo_attach_reply rep = { 0 };
	struct bo_err err = { 0 };
	bo_auto_fd int fd = -1;
	ssize_t n = bo_fdpass_recv(sock, &q, sizeof(q), NULL, NULL, 0, NULL);
	int rc;

	if (n <= 0)
		return false;
	if (n != (ssize_t)sizeof(q))
		rc = bo_err_set(&err, EBADMSG, BO_SUBSYS_LAB, "too short");
	else
		rc = carry_out(a, &q, &rep, &fd, &err);
	answer(sock, &rep, fd, rc, &err);
	return true;
}

static int expire(struct attachment *a, struct bo_err *err)
{
	if (bo_now_ns() < a->expires_ns)
		return 0;
	a->expired = true;
	a->expires_ns = INT64_MAX;
	return take_back(a, err);
}

/** new_warden() - somebody killed the other one */
static int new_warden(struct attachment *a, struct bo_err *err)
{
	int rc;

	bo_attach_warden_end(&a->warden);
	rc = bo_attach_warden_start(&a->warden, a->journal.table, err);
	if (rc == 0)
		bo_attach_warden_tell(&a->warden, a->expires_ns);
	return rc;
}

/** netem_work() - when it has let go of all, the journal goes, or has that much less to say */
static int netem_work(struct attachment *a, struct bo_err *err)
{
	bool was = a->netem.up;
	int rc = bo_attach_netem_work(&a->netem, err);

	if (rc < 0 || !was || a->netem.up)
		return rc;
	forget_netem(a);
	if (in_force(a))
		return bo_attach_journal_write(&a->journal, err);
	bo_attach_journal_close(&a->journal);
	return 0;
}

/** serve() - until the conductor, the keeper or the queue is gone */
static void serve(struct attachment *a, int sock, int lifeline)
{
	struct bo_err err = { 0 };

	for (;;) {
		struct pollfd p[] = { { .fd = sock, .events = POLLIN },
				      { .fd = lifeline, .events = POLLIN },
				      { .fd = a->warden.pidfd, .events = POLLIN },
				      { .fd = a->queue.nfq ? bo_nfq_fd(a->queue.nfq) : -1,
					.events = POLLIN } };
		int64_t until = bo_attach_queue_due(&a->queue), now = bo_now_ns();
		int64_t netem = bo_attach_netem_due(&a->netem);
		struct timespec ts;

		until = until < a->expires_ns ? until : a->expires_ns;
		until = until < netem ? until : netem;
		ts = bo_ns_to_timespec(until > now ? until - now : 0);
		if (ppoll(p, 4, until == INT64_MAX ? NULL : &ts, NULL) < 0 && errno != EINTR)
			return;
		if (p[1].revents)
			return;
		if ((p[2].revents && new_warden(a, &err) < 0) ||
		    bo_attach_queue_work(&a->queue, &err) < 0 || netem_work(a, &err) < 0) {
			(void)!take_back(a, &err);
			a->expired = true;
		}
		if (p[0].revents && !converse(a, sock))
			return;
		if (expire(a, &err) < 0)
			return; /* taken back once more below; the journal remembers if that fails, too */
	}
}

/* --- the beginning ----------------------------------------------------------------------------------- */

static int enter(struct attachment *a, struct bo_err *err)
{
	static const cap_value_t keep[] = { CAP_NET_ADMIN, CAP_KILL };
	const struct bo_attach_spec *spec = &a->conf->spec;
	struct bo_process_id self;
	const struct bo_err *missing = NULL;
	char ifb[BO_DIVERT_NAME_MAX + 1];
	int rc = bo_netns_enter(a->target.netns, err);

	snprintf(ifb, sizeof(ifb), "bo-%d", getpid());
	/* Its packet sockets take a capability that goes now. */
	if (rc == 0)
		(void)!bo_attach_netem_init(&a->netem, a->conf, &a->queue, ifb, &a->no_netem);
	if (rc == 0)
		rc = bo_caps_keep(keep, sizeof(keep) / sizeof(*keep), err);
	for (uint32_t i = 0; rc == 0 && i < a->conf->npeers; i++)
		rc = bo_attach_guard_routes(&a->conf->peers[i], spec->allow, err);
	if (rc == 0)
		rc = bo_process_id_self(&self, err);
	if (rc < 0)
		return rc;
	a->journal = (struct bo_attach_journal){ .fd = -1,
						 .netns_dev = a->target.netns_dev,
						 .netns_ino = a->target.netns_ino,
						 .process = a->target.process };
	memcpy(a->journal.netns, spec->netns, sizeof(a->journal.netns));
	/* Used once on this machine: the number of a process and when it was started. */
	snprintf(a->journal.table, sizeof(a->journal.table), "brownout-%d-%" PRIx64, self.pid,
		 self.start_ticks);
	(void)!bo_attach_queue_init(&a->queue, a->conf, a->journal.table, &a->no_queue);
	if (a->conf->driver == BO_DRIVER_NETEM)
		missing = &a->no_netem;
	else if (a->conf->driver == BO_DRIVER_QUEUE || a->no_netem.code)
		missing = &a->no_queue;
	if (missing && missing->code) {
		*err = *missing;
		return -err->code;
	}
	return bo_attach_warden_start(&a->warden, a->journal.table, err);
}

static void live(struct attachment *a, int sock, int lifeline) __attribute__((noreturn));

static void live(struct attachment *a, int sock, int lifeline)
{
	struct bo_attach_reply rep = { 0 };
	struct bo_err err = { 0 };
	int rc;

	prctl(PR_SET_NAME, "bo-attach");
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_TIMERSLACK, 1);
	rc = enter(a, &err);
	answer(sock, &rep, -1, rc, &err);
	if (rc < 0)
		_exit(0);
	serve(a, sock, lifeline);
	rc = take_back(a, &err);
	bo_attach_warden_end(&a->warden);
	_exit(-rc & 0x7f);
}

static int guard(const struct bo_attach_conf *conf, const struct bo_attach_target *target,
		 const struct bo_attach_session *session, struct bo_err *err)
{
	struct stat own;
	int rc = 0;

	if (conf->npeers > BO_ATTACH_PEERS_MAX || conf->spec.ttl_ns <= 0 ||
	    conf->spec.ttl_ns > BO_ATTACH_TTL_MAX_NS)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB,
				  "attachment: peers or ttl out of range");
	for (uint32_t i = 0; rc == 0 && i < conf->npeers; i++)
		rc = bo_attach_guard_peer(&conf->peers[i], conf->spec.allow, session, err);
	if (rc < 0 || (conf->spec.allow & BO_ATTACH_ALLOW_HOST))
		return rc;
	if (stat("/proc/self/ns/net", &own) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "/proc/self/ns/net");
	if (own.st_dev == target->netns_dev && own.st_ino == target->netns_ino)
		return bo_err_set(
			err, EPERM, BO_SUBSYS_LAB,
			"refused: %s shares the network namespace of this shell, so a fault on its "
			"peers is one for every process of this host that talks to them; if that is "
			"meant, say allow = { \"host\" }",
			conf->name);
	return 0;
}

/** greet() - what the attachment says of its beginning */
static int greet(int sock, const struct bo_attach_conf *conf, struct bo_err *err)
{
	struct bo_attach_reply rep = { 0 };
	ssize_t n = bo_fdpass_recv(sock, &rep, sizeof(rep), NULL, NULL, 0, err);

	if (n != (ssize_t)sizeof(rep))
		return n < 0 ? (int)n
			     : bo_err_set(err, EIO, BO_SUBSYS_LAB, "%s: its attachment ended",
					  conf->name);
	rep.msg[sizeof(rep.msg) - 1] = '\0';
	return rep.code ? bo_err_set(err, rep.code, BO_SUBSYS_LAB, "%s", rep.msg) : 0;
}

static int spawn(struct attachment *a, struct bo_attachment *out, int *ret_sock, struct bo_err *err)
{
	int pair[2], pipes[2];
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "socketpair");
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		rc = bo_err_errno(err, BO_SUBSYS_LAB, "pipe");
		close(pair[0]);
		close(pair[1]);
		return rc;
	}
	fflush(NULL);
	out->pid = bo_process_clone(0, &out->pidfd, err);
	if (out->pid == 0) {
		/* Only these: not the keeper's socket, whose end others wait for. */
		int fds[] = { pair[1], pipes[0], a->target.netns, a->target.pidfd };

		for (int i = 0; i < 4; i++)
			fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 200);
		for (int i = 0; i < 4; i++)
			if (fds[i] >= 0 && dup3(fds[i], 10 + i, O_CLOEXEC) != 10 + i)
				_exit(1);
		a->target.netns = 12;
		a->target.pidfd = fds[3] < 0 ? -1 : 13;
		for (int fd = 3; fd < 10; fd++)
			close(fd);
		bo_fds_close_from(14);
		live(a, 10, 11);
	}
	close(pair[1]);
	close(pipes[0]);
	out->lifeline = pipes[1];
	*ret_sock = pair[0];
	return out->pid < 0 ? (int)out->pid : greet(pair[0], a->conf, err);
}

int bo_attach_start(const struct bo_attach_conf *conf, const struct bo_attach_session *session,
		    struct bo_attachment *ret, int *ret_sock, struct bo_err *err)
{
	struct bo_attachment out = { .pidfd = -1, .lifeline = -1 };
	struct bo_err ignored = { 0 };
	struct attachment *a = calloc(1, sizeof(*a));
	int sock = -1, rc;

	if (!a)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	*a = (struct attachment){ .conf = conf,
				  .target = { .netns = -1, .pidfd = -1 },
				  .journal = { .fd = -1 },
				  .warden = { .pidfd = -1, .pipe = -1 },
				  .expires_ns = INT64_MAX };
	rc = bo_attach_find(&conf->spec, &a->target, err);
	if (rc == 0)
		rc = guard(conf, &a->target, session, err);
	if (rc == 0)
		rc = spawn(a, &out, &sock, err);
	out.process = a->target.process;
	bo_attach_target_done(&a->target);
	free(a);
	if (rc < 0) {
		(void)!bo_attach_end(&out, &ignored);
		bo_close(&sock);
		return rc;
	}
	*ret = out;
	*ret_sock = sock;
	return 0;
}

int bo_attach_end(struct bo_attachment *attachment, struct bo_err *err)
{
	int status = 0, rc = 0;

	bo_close(&attachment->lifeline);
	if (attachment->pidfd < 0)
		return 0;
	rc = bo_pidfd_wait_exit(attachment->pidfd, END_TIMEOUT_NS, err);
	if (rc == 0)
		rc = bo_pidfd_reap(attachment->pidfd, &status, err);
	bo_close(&attachment->pidfd);
	if (rc == 0 && status)
		rc = bo_err_set(
			err, WIFEXITED(status) ? WEXITSTATUS(status) : EIO, BO_SUBSYS_LAB,
			"an attachment could not take everything back; see " BO_ATTACH_RUN_DIR);
	return rc;
}

const char *bo_attach_unable(enum bo_driver driver, const struct bo_impair *im)
{
	if (im->trace)
		return "a running service cannot follow a trace";
	if (driver == BO_DRIVER_NETEM)
		return bo_attach_netem_cannot(im);
	if (im->duplicate.ppm)
		return "the kernel lets a held packet go once, so that it cannot be duplicated";
	return NULL;
}
