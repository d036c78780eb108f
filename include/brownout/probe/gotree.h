/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/probe/gotree.h — which process of a tree is the Go program?  A node's command may be a wrapper: a shell, timeout(1),
 * env(1), a supervisor.
 * Owns: nothing.  Threads: any.  Privilege: PTRACE_MODE_READ over the processes, else an opener that has it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "brownout/base/err.h"

#define BO_GOTREE_MAX 64

/** struct bo_gotree_opener - /proc/PID/exe of a process that the caller may not look into; @open NULL: there is none */
struct bo_gotree_opener {
	void *self;
	int (*open)(void *self, pid_t pid); /* descriptor or -errno */
};

/** struct bo_goproc - a Go process; @name: of its executable, else what it calls itself, as plain text */
struct bo_goproc {
	pid_t pid;
	uint64_t start_ticks; /* proc_pid_stat(5) */
	bool listens;
	char name[64];
};

/** struct bo_gotree - Go processes of a tree by start, the root of the tree first if it is one */
struct bo_gotree {
	struct bo_goproc procs[BO_GOTREE_MAX];
	size_t n;
	char root_name[64];
};
/** bo_gotree_list() - @opener may be NULL; @port: 0, or the TCP port for @listens */
void bo_gotree_list(struct bo_gotree *ret, pid_t root, int port,
		    const struct bo_gotree_opener *opener);

/**
 * struct bo_gochoice - the process whose goroutines are the node's
 * @wrapped: it is not the root of the tree
 * @why: for a person: "orders (pid 4712) below sh (pid 4711): the only Go program"; "" when the root alone came into question
 */
struct bo_gochoice {
	pid_t pid;
	bool wrapped;
	char name[64];
	char why[256];
};
/**
 * bo_gotree_choose() - of several the one that listens on @port (the root, if that is one of them), else the root if
 * it is one, else the first started
 * Nothing in the tree that is known to be Go: the root, so that whoever tries it says what is wrong with it.
 */
void bo_gotree_choose(pid_t root, int port, const struct bo_gotree_opener *opener,
		      struct bo_gochoice *ret);
