/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper.c — the privileged process.
 * A loop over two descriptors: the conductor's socket and the lab's events.  Every request is checked, carried out, and
 * answered; the end of the socket, at any moment and for any reason, means: take everything back and exit.
 *
 * Privilege goes in stages, each of which is a dead end for what came before:
 *   1  serving       make namespaces and mounts (SYS_ADMIN), devices and qdiscs in them (NET_ADMIN), become the
 *                    conductor's user in nodes (SETUID, SETGID, SETPCAP), signal them (KILL), and make groups in cgroup
 *                    mounts, whose top directory nobody may write to by its mode (DAC_OVERRIDE); the latter also reaches
 *                    folders of that user to keep them visible; and open the memory of nodes' processes for the census,
 *                    and their root directory (SYS_PTRACE, effective only while it does); packet sockets of
 *                    attachments (NET_RAW, likewise).  It must not load modules, change the clock, own
 *                    files of others or reach raw devices.
 *   2  lab is up, links are wires, impaired by the conductor: NET_ADMIN goes.  It can restart nodes but not change any network.
 *   3  taking back   KILL and DAC_OVERRIDE remain: end nodes, remove cgroups.  It must not be able to start, mount or
 *                    enter anything.
 *
 * Owns: the lab.  Threads: single-threaded.  Privilege: as above. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/log.h"
#include "brownout/lab/machine.h"
#include "brownout/lab/sweep.h"
#include "brownout/sys/fdpass.h"
#include "brownout/sys/netns.h"
#include "brownout/sys/process.h"
#include "harness/keeper_attach.h"
#include "harness/keeper_proto.h"

#define EXEC_TIMEOUT_MAX_NS (INT64_C(600) * 1000 * 1000 * 1000)

static const cap_value_t stage_serving[] = { CAP_SYS_ADMIN,    CAP_NET_ADMIN,  CAP_SETUID,
					     CAP_SETGID,       CAP_SETPCAP,    CAP_KILL,
					     CAP_DAC_OVERRIDE, CAP_SYS_PTRACE, CAP_SYS_NICE,
					     CAP_NET_RAW };
static const cap_value_t stage_wired[] = { CAP_SYS_ADMIN,  CAP_SETUID,  CAP_SETGID,
					   CAP_SETPCAP,    CAP_KILL,    CAP_DAC_OVERRIDE,
					   CAP_SYS_PTRACE, CAP_SYS_NICE };
static const cap_value_t stage_undo[] = { CAP_KILL, CAP_DAC_OVERRIDE };
#define KEEP(stage, err) bo_caps_keep((stage), sizeof(stage) / sizeof((stage)[0]), (err))

/* SYS_PTRACE and NET_RAW sleep: permitted, and effective only where a process is opened, and where a service is attached.
 * Without them, in a container, that will say so. */
static int keep_serving(const cap_value_t *stage, size_t n, struct bo_err *err)
{
	int rc = bo_caps_keep(stage, n, err);

	if (rc == 0)
		rc = bo_caps_effective(CAP_SYS_PTRACE, false, err);
	return rc < 0 ? rc : bo_caps_effective(CAP_NET_RAW, false, err);
}

struct keeper {
	int sock;
	int client_netns;
	struct bo_user user;
	bool machine_known;
	struct bo_machine machine;
	struct bo_cgroups cgroups;
	struct bo_lab *lab;
	size_t nnodes;
	uint32_t *exec_seq; /* per node: the EXEC request that is still to be answered */
	bool stopping;
	struct bo_keeper_attachments attached; /* instead of a lab */
};

/* A request as it came, with a cursor over its payload. */
struct request {
	struct kp_req head;
	const char *at;
	size_t left;
	struct bo_fds fds;
};

/* ---- payload: nothing is believed ---------------------------------------------------------------------- */

static int bad(struct bo_err *err, const char *what)
{
	return bo_err_set(err, EBADMSG, BO_SUBSYS_HARNESS, "keeper: a malformed request (%s)",
			  what);
}

static int take(struct request *r, void *to, size_t len, struct bo_err *err)
{
	if (r->left < len)
		return bad(err, "too short");
	memcpy(to, r->at, len);
	r->at += len;
	r->left -= len;
	return 0;
}

static const char *take_string(struct request *r)
{
	const char *s = r->at;
	size_t len = r->left ? strnlen(s, r->left) : 0;

	if (len >= r->left)
		return NULL; /* no NUL before the end */
	r->at += len + 1;
	r->left -= len + 1;
	return s;
}

/* @n strings as a NULL-terminated array that points into the message; free the array alone. */
static int take_strings(struct request *r, uint32_t n, const char ***ret, struct bo_err *err)
{
	const char **list;

	if (n > r->left) /* each takes a byte at least; also bounds the allocation */
		return bad(err, "too many strings");
	list = calloc((size_t)n + 1, sizeof(*list));
	if (!list)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		list[i] = take_string(r);
		if (!list[i]) {
			free(list);
			return bad(err, "an unterminated string");
		}
	}
	*ret = list;
	return 0;
}

/* ---- answers --------------------------------------------------------------------------------------------- */

/* A conductor that does not take its answer is gone, or would wait for ever for one that cannot be sent (no memory): the
 * end of the socket is the answer, and the main loop sees it, too. */
static void answer(struct keeper *k, const struct kp_rep *rep, const struct bo_fds *fds)
{
	if (bo_fdpass_send(k->sock, rep, sizeof(*rep), fds, NULL) < 0)
		(void)shutdown(k->sock, SHUT_RDWR);
}

static void answer_result(struct keeper *k, uint32_t seq, int rc, const struct bo_err *err)
{
	struct kp_rep rep = { .kind = KP_REPLY, .seq = seq };

	if (rc < 0) {
		rep.code = err->code ? err->code : -rc;
		memcpy(rep.msg, err->msg, sizeof(rep.msg));
	}
	answer(k, &rep, NULL);
}

/* Send those of @n descriptors that are open, with a mask that tells which; all are closed here. */
static void answer_fds(struct keeper *k, struct kp_rep *rep, const int *fd, size_t n)
{
	struct bo_fds fds = { 0 };

	for (size_t i = 0; i < n; i++) {
		if (fd[i] < 0)
			continue;
		fds.fd[fds.n++] = fd[i];
		rep->fdmask |= 1u << i;
	}
	answer(k, rep, &fds);
	bo_fds_close(&fds);
}

/* ---- requests -------------------------------------------------------------------------------------------- */

static int hello(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct bo_sweep_report swept = { 0 };
	int rc;

	if (k->client_netns >= 0 || r->fds.n != 1)
		return bad(err, "hello");
	rc = bo_netns_enter(r->fds.fd[0], err);
	if (rc < 0)
		return rc;
	k->client_netns = bo_fds_take(&r->fds, 0);
	rc = bo_cgroups_find(&k->cgroups, 0, err);
	/* What an earlier run left behind and cannot be removed now (another user's) is no reason not to start. */
	if (rc == 0)
		rc = bo_sweep(false, &swept, err);
	bo_vec_foreach(s, &swept.found)
		if (s->code == 0)
			bo_log(BO_LOG_INFO, "removed %s, left behind by an earlier run", s->path);
	bo_sweep_report_done(&swept);
	return rc;
}

static int know_machine(struct keeper *k, struct bo_err *err)
{
	int rc = 0;

	if (k->client_netns < 0)
		return bad(err, "no hello");
	if (!k->machine_known)
		rc = bo_machine_probe(&k->machine, k->client_netns, &k->cgroups, err);
	k->machine_known |= rc == 0;
	return rc;
}

static int choose_driver(const struct keeper *k, int asked, enum bo_driver *ret, struct bo_err *err)
{
	const struct bo_machine *m = &k->machine;

	switch (asked) {
	case BO_DRIVER_AUTO:
		*ret = m->driver;
		break;
	case BO_DRIVER_NETEM:
	case BO_DRIVER_WIRE:
		*ret = (enum bo_driver)asked;
		break;
	default:
		return bad(err, "driver");
	}
	if (*ret == BO_DRIVER_NETEM && !m->netem)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "links cannot use netem here: %s", m->why_not_netem);
	if ((*ret == BO_DRIVER_WIRE || !m->veth) && !m->tun)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "links cannot use the wire here: %s", m->why_not_tun);
	if (*ret == BO_DRIVER_AUTO)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_HARNESS,
				  "neither netem (%.140s) nor the wire (%.140s)", m->why_not_netem,
				  m->why_not_tun);
	return 0;
}

static void send_view(struct keeper *k, const struct kp_lab *head, uint32_t seq)
{
	for (uint32_t i = 0; i < head->nnodes; i++) {
		struct kp_rep rep = { .kind = KP_NODE, .seq = seq, .index = (int32_t)i };
		struct bo_cgroup_memory_files m = { 0, -1, -1, -1, -1, -1 };
		int fd[9];

		if (i != BO_NODE_CLIENT)
			bo_lab_open_memory(k->lab, (int)i, &m);
		fd[0] = m.usage;
		fd[1] = m.limit;
		fd[2] = m.events;
		fd[3] = m.failcnt;
		fd[4] = m.high;
		bo_lab_take_management(k->lab, (int)i, &fd[5], &fd[6]);
		bo_lab_take_dns(k->lab, (int)i, &fd[7], &fd[8]);
		bo_lab_address(k->lab, (int)i, &rep.address);
		rep.version = m.version;
		answer_fds(k, &rep, fd, 9);
	}
	for (uint32_t i = 0; i < head->nlinks; i++) {
		struct kp_rep rep = { .kind = KP_LINK, .seq = seq, .index = (int32_t)i };
		struct bo_lab_link_fds l;

		bo_lab_take_link(k->lab, (int)i, &l);
		answer_fds(k, &rep,
			   (const int[]){ l.tun_a, l.tun_b, l.probe_a, l.probe_b, l.stamps_a,
					  l.stamps_b },
			   6);
	}
}

static int build_lab(struct keeper *k, struct request *r, const struct kp_lab *head,
		     enum bo_driver driver, struct bo_err *err)
{
	bo_auto_free struct kp_lab_node *names = calloc((size_t)head->nnodes + 1, sizeof(*names));
	bo_auto_free struct bo_lab_node_conf *nodes = calloc((size_t)head->nnodes + 1,
							     sizeof(*nodes));
	bo_auto_free struct bo_link_spec *links = calloc((size_t)head->nlinks + 1, sizeof(*links));
	struct bo_lab_conf conf = {
		.nodes = nodes,
		.nnodes = head->nnodes,
		.links = links,
		.nlinks = head->nlinks,
		.driver = driver,
		.management_wire = !k->machine.veth,
		.client_netns = k->client_netns,
		.hangup_fd = k->sock,
		.user = k->user,
		.cgroups = k->cgroups,
		.seed = head->seed,
	};
	int rc = 0;

	if (!names || !nodes || !links)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	for (uint32_t i = 0; rc == 0 && i < head->nnodes; i++) {
		rc = take(r, &names[i], sizeof(names[i]), err);
		names[i].name[BO_LAB_NAME_MAX] = '\0';
		nodes[i] = (struct bo_lab_node_conf){ .name = names[i].name,
						      .memory_bytes = names[i].memory_bytes,
						      .cpus_milli = names[i].cpus_milli,
						      .pids = names[i].pids,
						      .dns = names[i].dns != 0 };
	}
	for (uint32_t i = 0; rc == 0 && i < head->nlinks; i++) {
		struct kp_lab_link link = { 0 };

		rc = take(r, &link, sizeof(link), err);
		links[i] = (struct bo_link_spec){ .a = link.a, .b = link.b };
	}
	if (rc == 0)
		rc = bo_lab_new(&k->lab, &conf, err);
	return rc < 0 ? rc : bo_lab_up(k->lab, err);
}

/* Return: 1 when the answer has been sent */
static int lab_up(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct kp_rep rep = { .kind = KP_REPLY, .seq = r->head.seq };
	enum bo_driver driver = BO_DRIVER_AUTO;
	struct kp_lab head = { 0 };
	int rc = take(r, &head, sizeof(head), err);

	if (rc == 0)
		rc = know_machine(k, err);
	if (rc < 0)
		return rc;
	if (k->lab || k->attached.n)
		return bo_err_set(err, EBUSY, BO_SUBSYS_HARNESS, "there is a lab already");
	if (head.nnodes < 1 || head.nnodes > BO_LAB_MAX_NODES || head.nlinks > BO_LAB_MAX_LINKS)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS,
				  "a lab of %u nodes and %u links; at most %d and %d", head.nnodes,
				  head.nlinks, BO_LAB_MAX_NODES, BO_LAB_MAX_LINKS);
	rc = choose_driver(k, head.driver, &driver, err);
	if (rc < 0)
		return rc;
	k->exec_seq = calloc(head.nnodes, sizeof(*k->exec_seq));
	if (!k->exec_seq)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	rc = build_lab(k, r, &head, driver, err);
	if (rc == 0 && driver == BO_DRIVER_WIRE)
		rc = keep_serving(stage_wired, sizeof(stage_wired) / sizeof(*stage_wired), err);
	if (rc < 0) {
		/* Half a lab is none: what was made goes before the conductor hears of the failure. */
		bo_lab_free(k->lab);
		k->lab = NULL;
		free(k->exec_seq);
		k->exec_seq = NULL;
		return rc;
	}
	k->nnodes = head.nnodes;
	send_view(k, &head, r->head.seq);
	rep.driver = driver;
	answer(k, &rep, NULL);
	return 1;
}

static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

/* Return: 1 when the answer has been sent */
static int node_start(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct kp_rep rep = { .kind = KP_REPLY, .seq = r->head.seq };
	bo_auto_free const char **fixed = NULL, **argv = NULL, **env = NULL;
	struct bo_node_start how = { .log_fd = r->fds.n ? r->fds.fd[0] : -1 };
	struct bo_stub_spec stub;
	struct kp_start head = { 0 };
	pid_t pid = 0;
	int rc = take(r, &head, sizeof(head), err);

	if (rc == 0)
		rc = take_strings(r, 4, &fixed, err);
	if (rc == 0)
		rc = take_strings(r, head.argc, &argv, err);
	if (rc == 0)
		rc = take_strings(r, head.envc, &env, err);
	if (rc < 0)
		return rc;
	how.exe = or_null(fixed[0]);
	how.cwd = or_null(fixed[1]);
	how.keep_dir = or_null(fixed[2]);
	how.argv = argv;
	how.env = env;
	stub = (struct bo_stub_spec){ .proto = head.stub_proto == BO_STUB_HTTP ? BO_STUB_HTTP
									       : BO_STUB_TCP,
				      .mode = (enum bo_stub_mode)head.stub_mode,
				      .port = head.stub_port,
				      .status = head.stub_status,
				      .delay_ns = head.stub_delay_ns,
				      .body = fixed[3] };
	if (head.is_stub) {
		if (stub.port < 1 || stub.port > 65535 || stub.mode > BO_STUB_STALL)
			return bad(err, "stub");
		how.stub = &stub;
	}
	rc = bo_lab_node_start(k->lab, r->head.index, &how, &pid, err);
	if (rc < 0)
		return rc;
	rep.pid = pid;
	answer(k, &rep, NULL);
	return 1;
}

/* Return: 1: the answer comes with the command's end */
static int node_exec(struct keeper *k, struct request *r, struct bo_err *err)
{
	bo_auto_free const char **argv = NULL;
	uint32_t n = 0;
	int rc;

	for (size_t i = 0; i < r->left; i++)
		n += r->at[i] == '\0';
	if (r->head.value <= 0 || r->head.value > EXEC_TIMEOUT_MAX_NS)
		return bad(err, "timeout");
	rc = take_strings(r, n, &argv, err);
	if (rc == 0)
		rc = bo_lab_node_exec(k->lab, r->head.index, argv, r->head.value, err);
	if (rc < 0)
		return rc;
	k->exec_seq[r->head.index] = r->head.seq;
	return 1;
}

/* A bool that is neither 0 nor 1 must not even be read as a bool. */
static bool are_bools(const struct bo_impair *im)
{
	static const size_t at[] = { offsetof(struct bo_impair, in_order),
				     offsetof(struct bo_impair, blackhole) };

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		if (((const unsigned char *)im)[at[i]] > 1)
			return false;
	return true;
}

static int link_impair(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct bo_dist_table table;
	struct bo_impair im;
	int rc = take(r, &im, sizeof(im), err);

	if (rc < 0)
		return rc;
	if (r->head.arg < 0 || r->head.arg >= BO_DIR_COUNT)
		return bad(err, "direction");
	if (!are_bools(&im))
		return bad(err, "impairment");
	/* Pointers of another process mean nothing here: the table travels behind, a trace not at all. */
	im.table = NULL;
	if (im.trace)
		return bad(err, "trace");
	if (im.dist == BO_DIST_TABLE) {
		rc = take(r, &table, sizeof(table), err);
		if (rc < 0)
			return rc;
		im.table = &table;
	}
	if (r->left)
		return bad(err, "too long");
	if (bo_impair_check(&im, err) < 0)
		return bad(err, "impairment");
	return bo_lab_link_impair(k->lab, r->head.index, (enum bo_dir)r->head.arg, &im, err);
}

/* Return: 1 when the answer has been sent */
static int process_open(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct kp_rep rep = { .kind = KP_REPLY, .seq = r->head.seq };
	struct bo_process_files files;
	int rc;

	if (r->head.value <= 0 || r->head.value > INT32_MAX)
		return bad(err, "pid");
	rc = k->lab ? bo_lab_open_process(k->lab, r->head.index, (pid_t)r->head.value, &files, err)
		    : bo_keeper_attachments_open(&k->attached, r->head.index, (pid_t)r->head.value,
						 &files, err);
	if (rc < 0)
		return rc;
	answer_fds(k, &rep, (const int[]){ files.mem, files.exe, files.auxv }, 3);
	return 1;
}

/* Return: 1 when the answer has been sent */
static int root_open(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct kp_rep rep = { .kind = KP_REPLY, .seq = r->head.seq };
	struct bo_root_files files;
	int rc = bo_lab_open_root(k->lab, r->head.index, &files, err);

	if (rc < 0)
		return rc;
	answer_fds(k, &rep, (const int[]){ files.root, files.mounts }, 2);
	return 1;
}

static int attach(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct kp_rep rep = { .kind = KP_REPLY, .seq = r->head.seq };
	struct bo_attach_conf conf;
	int sock = -1, rc = take(r, &conf, sizeof(conf), err);

	if (rc == 0 && k->client_netns < 0)
		rc = bad(err, "no hello");
	if (rc == 0 && k->lab)
		rc = bo_err_set(err, EBUSY, BO_SUBSYS_HARNESS, "there is a lab already");
	if (rc == 0)
		rc = bo_keeper_attachments_add(&k->attached, &conf, &sock, err);
	if (rc < 0)
		return rc;
	rep.pid = k->attached.list[k->attached.n - 1].process.pid;
	answer_fds(k, &rep, (const int[]){ sock }, 1);
	return 1;
}

/* What needs a lab.  Return: 0, 1 when answered, -errno */
static int on_lab(struct keeper *k, struct request *r, struct bo_err *err)
{
	int index = r->head.index;

	if (k->attached.n && r->head.op == KP_PROCESS_OPEN)
		return process_open(k, r, err);
	if (!k->lab)
		return bo_err_set(err, ENOTCONN, BO_SUBSYS_HARNESS, "there is no lab");
	switch (r->head.op) {
	case KP_NODE_START:
		return node_start(k, r, err);
	case KP_NODE_EXEC:
		return node_exec(k, r, err);
	case KP_NODE_KILL:
		return bo_lab_node_kill(k->lab, index, err);
	case KP_NODE_TERM:
		return bo_lab_node_term(k->lab, index, err);
	case KP_NODE_PAUSE:
		return bo_lab_node_pause(k->lab, index, r->head.arg != 0, err);
	case KP_LINK_IMPAIR:
		return link_impair(k, r, err);
	case KP_PROCESS_OPEN:
		return process_open(k, r, err);
	case KP_ROOT_OPEN:
		return root_open(k, r, err);
	case KP_MEMORY_LIMIT:
		if ((r->head.arg != BO_MEM_MAX && r->head.arg != BO_MEM_HIGH) ||
		    r->head.index <= BO_NODE_CLIENT)
			return bad(err, "memory limit");
		return bo_lab_memory_limit(k->lab, index, (enum bo_mem_knob)r->head.arg,
					   r->head.value, err);
	default:
		return bad(err, "operation");
	}
}

static int take_back(struct keeper *k, struct bo_err *err)
{
	struct bo_err caps = { 0 };
	int rc = 0;

	/* Even if this failed there would be no reason to leave the lab standing. */
	if (KEEP(stage_undo, &caps) < 0)
		bo_log(BO_LOG_WARN, "%s", caps.msg);
	rc = bo_keeper_attachments_end(&k->attached, err);
	if (k->lab)
		rc = bo_lab_down(k->lab, err);
	return rc;
}

/* A thread of the wires, or of whoever else keeps time, says that the machine keeps it waiting.  Of the conductor alone:
 * that is who made the socket. */
static int realtime(struct keeper *k, struct request *r, struct bo_err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (r->head.value <= 0 || r->head.value > INT32_MAX)
		return bad(err, "thread");
	if (getsockopt(k->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return bo_err_errno(err, BO_SUBSYS_HARNESS, "SO_PEERCRED");
	return bo_thread_realtime(peer.pid, (pid_t)r->head.value, err);
}

static void dispatch(struct keeper *k, struct request *r)
{
	struct kp_rep machine = { .kind = KP_REPLY, .seq = r->head.seq };
	struct bo_err err = { 0 };
	int rc;

	switch (r->head.op) {
	case KP_HELLO:
		rc = hello(k, r, &err);
		break;
	case KP_MACHINE:
		rc = know_machine(k, &err);
		if (rc == 0) {
			machine.machine = k->machine;
			answer(k, &machine, NULL);
			rc = 1;
		}
		break;
	case KP_REALTIME:
		rc = realtime(k, r, &err);
		break;
	case KP_LAB_UP:
		rc = lab_up(k, r, &err);
		break;
	case KP_ATTACH:
		rc = attach(k, r, &err);
		break;
	case KP_STOP:
		rc = take_back(k, &err);
		k->stopping = true;
		break;
	default:
		rc = on_lab(k, r, &err);
		break;
	}
	if (rc <= 0)
		answer_result(k, r->head.seq, rc, &err);
}

/* ---- the loop ---------------------------------------------------------------------------------------------- */

/* Return: false at the end of the socket */
static bool serve_one(struct keeper *k)
{
	static _Alignas(max_align_t) char buf[KP_MSG_MAX];
	struct request r = { 0 };
	ssize_t n = bo_fdpass_recv(k->sock, buf, sizeof(buf), &r.fds, NULL, 0, NULL);

	if (n <= 0)
		return n ==
		       -EMSGSIZE; /* one that is too long was not from our own client: drop it */
	if (n >= (ssize_t)sizeof(r.head)) {
		memcpy(&r.head, buf, sizeof(r.head));
		r.at = buf + sizeof(r.head);
		r.left = (size_t)n - sizeof(r.head);
		dispatch(k, &r);
	}
	bo_fds_close(&r.fds);
	return true;
}

static void tell_events(struct keeper *k)
{
	struct bo_lab_event ev;

	while (bo_lab_next_event(k->lab, &ev) == 1) {
		struct kp_rep rep = { .kind = KP_EVENT,
				      .index = ev.node,
				      .pid = ev.pid,
				      .status = ev.status,
				      .t_ns = ev.t_ns };

		if (ev.kind == BO_LAB_EXEC_DONE) {
			struct bo_err err = { 0 };

			rep.kind = KP_REPLY;
			rep.seq = k->exec_seq[ev.node];
			rep.code = ev.code;
			if (ev.code) {
				bo_err_set(&err, ev.code, BO_SUBSYS_HARNESS, "the command: %s",
					   strerror(ev.code));
				memcpy(rep.msg, err.msg, sizeof(rep.msg));
			}
		}
		answer(k, &rep, NULL);
	}
}

static void become_keeper(int *sock)
{
	static const int ignored[] = {
		SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGUSR1, SIGUSR2
	};
	struct sigaction ign = { .sa_handler = SIG_IGN };

	bo_signals_default();
	/* What ends the conductor ends the keeper through the socket, after the undoing, never before it. */
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &ign, NULL);
	setsid(); /* out of the terminal's process group: Ctrl-C and Ctrl-Z are the conductor's business */
	prctl(PR_SET_NAME, "bo-keeper");
	bo_log_setup(BO_LOG_WARN, "keeper");
	/* Only stderr, for warnings, and the socket: nothing else of the conductor's may be kept open by this process or
	 * by nodes. */
	if (*sock != 3 && dup3(*sock, 3, O_CLOEXEC) == 3)
		*sock = 3;
	bo_fds_close_from(4);
	close(0);
	close(1);
	if (open("/dev/null", O_RDWR) != 0 || dup(0) != 1 || chdir("/") < 0)
		_exit(1);
}

void bo_keeper_main(int sock, const struct bo_user *user)
{
	static struct keeper k = { .client_netns = -1 };
	struct bo_err err = { 0 };

	k.user = *user;
	become_keeper(&sock);
	k.sock = sock;
	if (keep_serving(stage_serving, sizeof(stage_serving) / sizeof(*stage_serving), &err) < 0) {
		answer_result(&k, 0, -err.code, &err);
		_exit(1);
	}
	while (!k.stopping) {
		struct pollfd p[] = { { .fd = sock, .events = POLLIN },
				      { .fd = k.lab ? bo_lab_fd(k.lab) : -1, .events = POLLIN } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[0].revents && !serve_one(&k))
			break;
		if (k.lab && !k.stopping)
			tell_events(&k);
	}
	if (!k.stopping && take_back(&k, &err) < 0)
		bo_log(BO_LOG_WARN, "%s", err.msg);
	bo_lab_free(k.lab);
	free(k.exec_seq);
	_exit(0);
}
