/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/process.h — processes by descriptor (pidfd_open(2)), so that a recycled pid is never hit.
 * Owns: nothing.  Threads: any, except bo_process_clone() (single-threaded callers).
 * Privilege: CAP_SYS_ADMIN for new namespaces, CAP_KILL for other users' processes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"

/**
 * bo_process_clone() - fork(2) into new namespaces (clone3(2), Linux 5.3)
 * @namespaces: CLONE_NEW* flags
 * @ret_pidfd: [out, owned] in the parent;  Return: the child's pid, 0 in the child, or -errno
 */
BO_NODISCARD pid_t bo_process_clone(uint64_t namespaces, int *ret_pidfd, struct bo_err *err);
/** bo_pidfd_open() - [owned] a descriptor of a process; -ESRCH when it is gone */
BO_NODISCARD int bo_pidfd_open(pid_t pid, int *ret_fd, struct bo_err *err);
/** bo_pidfd_kill() - send @signal; a process that is gone already is not an error */
BO_NODISCARD int bo_pidfd_kill(int pidfd, int signal, struct bo_err *err);
/** bo_pidfd_wait_exit() - wait until the process has ended (not reaped); -ETIMEDOUT */
BO_NODISCARD int bo_pidfd_wait_exit(int pidfd, int64_t timeout_ns, struct bo_err *err);
/** bo_pidfd_reap() - collect a child that has ended; @ret_status as waitpid(2), may be NULL */
BO_NODISCARD int bo_pidfd_reap(int pidfd, int *ret_status, struct bo_err *err);

/** struct bo_process_id - tells a process from a later one with the same pid, on this machine since boot
 * @pidns: inode of the pid namespace in which @pid counts;  @start_ticks: field 22 of /proc/PID/stat (proc(5)) */
struct bo_process_id {
	uint64_t pidns;
	pid_t pid;
	uint64_t start_ticks;
};
BO_NODISCARD int bo_process_id_self(struct bo_process_id *ret, struct bo_err *err);
/** bo_process_id_alive() - does that very process still run?  A zombie does not; one of another pid namespace counts as
 * alive, because nothing can be known about it from here */
bool bo_process_id_alive(const struct bo_process_id *id);

/** bo_process_grace() - wait until every processor has been through a quiescent state of RCU: what the kernel began before
 * is over (membarrier(2), MEMBARRIER_CMD_GLOBAL; some milliseconds) */
void bo_process_grace(void);

/** bo_process_id_of() - of another process;  -ESRCH;  @ret_stopped: by a signal, may be NULL */
BO_NODISCARD int bo_process_id_of(pid_t pid, struct bo_process_id *ret, bool *ret_stopped,
				  struct bo_err *err);

/** bo_fds_close_from() - close every descriptor >= @first (close_range(2), or /proc/self/fd before 5.9) */
void bo_fds_close_from(int first);
/** bo_thread_realtime() - make thread @tid SCHED_FIFO of the lowest priority; what it forks is ordinary
 * @pid: the process that it must be of, else -ESRCH.  Privilege: CAP_SYS_NICE, and CAP_KILL for another user's */
BO_NODISCARD int bo_thread_realtime(pid_t pid, pid_t tid, struct bo_err *err);
/** bo_thread_slice() - ask the fair scheduler for turns of @slice_ns (0.1 … 100 ms) for the calling thread: it gets its
 * share in smaller pieces, hence sooner (sched_setattr(2), Linux 6.12; without effect before).  Needs no privilege */
void bo_thread_slice(int64_t slice_ns);

/** bo_fds_limit_raise() - take all the descriptors that getrlimit(2)'s hard limit allows; no privilege is needed */
void bo_fds_limit_raise(void);
/** bo_fds_limit_restore() - back to the soft limit that bo_fds_limit_raise() found, for a program that is not ours */
void bo_fds_limit_restore(void);
/** bo_signals_default() - every disposition SIG_DFL, nothing blocked: what a freshly started program expects */
void bo_signals_default(void);
