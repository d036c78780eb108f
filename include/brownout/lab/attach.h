/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/attach.h — faults on a service that runs already.
 * For each such service the keeper starts a process, the attachment, which enters the service's network namespace and is
 * the only one that ever changes something there.  It speaks with the conductor over a SOCK_SEQPACKET pair (fixed
 * messages, one answer each) and holds the end of a pipe of the keeper's.  Whatever ends first — conductor, keeper, a
 * fault's time to live — it takes everything back by itself.  If it is killed, too, a journal in BO_ATTACH_RUN_DIR says
 * what is left, and bo_attach_sweep() takes that back.
 * Outside of faults nothing of ours is in the service's namespace: neither a rule nor a qdisc.
 * Owns: see each function.  Threads: single-threaded callers.
 * Privilege: the keeper's to start; the attachment keeps CAP_NET_ADMIN and CAP_KILL. */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"
#include "brownout/lab/hands.h"
#include "brownout/lab/lab.h"
#include "brownout/lab/sweep.h"
#include "brownout/model/attach.h"
#include "brownout/model/impair.h"
#include "brownout/model/plan.h"
#include "brownout/sys/sockdiag.h"

#define BO_ATTACH_RUN_DIR "/run/brownout"

/**
 * struct bo_attach_conf - what to attach to
 * @name: of the service, for messages
 * @driver: AUTO, NETEM or QUEUE
 * @seed: of the fates of packets;  @stream: another for each service
 */
struct bo_attach_conf {
	char name[BO_LAB_NAME_MAX + 1];
	struct bo_attach_spec spec;
	int32_t driver;
	uint32_t stream;
	uint64_t seed;
	uint32_t npeers;
	struct bo_attach_peer peers[BO_ATTACH_PEERS_MAX];
};

/** struct bo_attach_session - who must not be cut off: the other end of the SSH session of whoever runs this */
struct bo_attach_session {
	bool found;
	struct bo_attach_peer client; /* address and port */
};
/** bo_attach_session_parse() - SSH_CONNECTION or SSH_CLIENT: "CLIENT PORT …"; false when it is neither */
bool bo_attach_session_parse(const char *text, struct bo_attach_session *ret);
/** bo_attach_session_find() - in this process's environment, then in those of its parents: sudo(8) clears it */
void bo_attach_session_find(struct bo_attach_session *ret);
/** bo_attach_guard_peer() - is this peer the session, loopback as a whole, or a network, and not allowed by name?
 * Return: 0; -EPERM with what to allow; -EINVAL for what is no peer */
BO_NODISCARD int bo_attach_guard_peer(const struct bo_attach_peer *peer, uint32_t allow,
				      const struct bo_attach_session *session, struct bo_err *err);
/** bo_attach_guard_routes() - is it a gateway of the *current* network namespace?  -EPERM */
BO_NODISCARD int bo_attach_guard_routes(const struct bo_attach_peer *peer, uint32_t allow,
					struct bo_err *err);

/**
 * struct bo_attach_target - a service, found; free with bo_attach_target_done()
 * @netns: [owned];  @netns_dev, @netns_ino: its identity
 * @pidfd: [owned], -1 when only a namespace was named;  @pid: 0 then
 */
struct bo_attach_target {
	int netns;
	uint64_t netns_dev;
	uint64_t netns_ino;
	int pidfd;
	struct bo_process_id process;
};
/** bo_attach_find() - -ESRCH, -ENOENT: no such process, namespace or container */
BO_NODISCARD int bo_attach_find(const struct bo_attach_spec *spec, struct bo_attach_target *ret,
				struct bo_err *err);
void bo_attach_target_done(struct bo_attach_target *target);
/** bo_attach_container_pid() - the process 1 of the container whose id begins with @id, by the cgroups in @proc
 * ("/proc") */
BO_NODISCARD int bo_attach_container_pid(const char *proc, const char *id, pid_t *ret,
					 struct bo_err *err);
/** bo_attach_runtime_pid() - the process 1 of the container that docker, podman or nerdctl, whichever is on the PATH, knows
 * by @name (or by a piece of its id);  each has @timeout_ns to answer
 * Return: 0; -EINVAL: no such name can be; -ESRCH: nobody has it, with what each said; -EEXIST: two have it */
BO_NODISCARD int bo_attach_runtime_pid(const char *name, int64_t timeout_ns, pid_t *ret,
				       struct bo_err *err);

/** struct bo_attachment - what the keeper holds of one;  zero is none */
struct bo_attachment {
	pid_t pid;
	int pidfd;                    /* [owned] */
	int lifeline;                 /* [owned] closing it ends the attachment */
	struct bo_process_id process; /* the service's; pid 0 when only a namespace was named */
};
/**
 * bo_attach_start() - find the service, guard, and start its attachment; nothing is changed in the service yet
 * @ret_sock: [owned] the conductor's end
 * Return: 0; -EPERM: the guard refuses; -ESRCH, -ENOENT: there is no such service; -ENOTSUP: no driver works there
 */
BO_NODISCARD int bo_attach_start(const struct bo_attach_conf *conf,
				 const struct bo_attach_session *session, struct bo_attachment *ret,
				 int *ret_sock, struct bo_err *err);
/** bo_attach_end() - end it and wait until everything is taken back;  Return: 0, or what could not be */
BO_NODISCARD int bo_attach_end(struct bo_attachment *attachment, struct bo_err *err);

/** bo_attach_open_process() - for a census: as bo_lab_open_process(), of the service's main process and no other */
BO_NODISCARD int bo_attach_open_process(const struct bo_attachment *attachment, pid_t pid,
					struct bo_process_files *ret, struct bo_err *err);

/* --- what the conductor asks of an attachment: each sends one message over @sock and waits for its answer --- */

/** struct bo_attach_by - the driver that took an impairment;  @why: that it is not netem, when that was to be chosen */
struct bo_attach_by {
	enum bo_driver driver;
	char why[sizeof(((struct bo_err *)0)->msg)];
};
/** bo_attach_impair() - replace the impairment of what the service sends to @peer (A_TO_B) or receives from it
 * @ret_by: [nullable];  Return: 0; -ENOTSUP: no driver does it;  -ETIME: its faults ended by themselves */
BO_NODISCARD int bo_attach_impair(int sock, int peer, enum bo_dir dir, const struct bo_impair *im,
				  struct bo_attach_by *ret_by, struct bo_err *err);
/** bo_attach_samples() - as bo_attach_measure(), packet by packet;  @ret: [out, owned], see bo_link_samples_done() */
BO_NODISCARD int bo_attach_samples(int sock, int peer, enum bo_dir dir, int64_t from_ns,
				   int64_t to_ns, struct bo_link_samples *ret,
				   struct bo_tcp_rtt *ret_rtt, struct bo_err *err);
/** bo_attach_measure() - of the service's own packets that came in [@from_ns, @to_ns): sent is those that came, received
 * those that were let through, delay how long they were held
 * @ret_rtt: what TCP makes of it at this moment, or NULL
 * Return: 0; -ETIME: faults ended by themselves meanwhile; -ENODATA: packets went by unjudged */
BO_NODISCARD int bo_attach_measure(int sock, int peer, enum bo_dir dir, int64_t from_ns,
				   int64_t to_ns, struct bo_link_measure *ret,
				   struct bo_tcp_rtt *ret_rtt, struct bo_err *err);
/** bo_attach_signal() - to the service's main process: SIGSTOP, SIGCONT; SIGTERM and SIGKILL when allowed (-EPERM) */
BO_NODISCARD int bo_attach_signal(int sock, int signal, struct bo_err *err);
/** bo_attach_state() - is the main process there, and is it stopped? */
BO_NODISCARD int bo_attach_state(int sock, struct bo_node_state *ret, struct bo_err *err);

/** bo_attach_unable() - why no attachment can do that with @driver (NETEM, QUEUE), or NULL */
const char *bo_attach_unable(enum bo_driver driver, const struct bo_impair *im);

/** bo_attach_sweep() - take back what attachments that were killed left in their services' namespaces; adds to @ret */
BO_NODISCARD int bo_attach_sweep(bool dry_run, struct bo_sweep_report *ret, struct bo_err *err);

/** bo_attach_queue_supported() - try it in the *current*, scratch namespace: -ENOTSUP with the reason */
BO_NODISCARD int bo_attach_queue_supported(struct bo_err *err);
/** bo_attach_netem_supported() - the same, on a device of it: ifb, clsact, filters, prio, tbf, netem */
BO_NODISCARD int bo_attach_netem_supported(int device, struct bo_err *err);
