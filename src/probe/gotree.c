/* SPDX-License-Identifier: Apache-2.0 */
/* probe/gotree.c — the Go program among a node's processes.
 * A process is Go when its executable says so, which takes a look at its section headers; executables that come again
 * (a hundred shells) are looked at once.  Who listens on a port is found as ss(8) does it: the socket's inode in
 * /proc/PID/net/tcp, then among the process's descriptors.
 * Owns: nothing.  Threads: any.  Privilege: see gotree.h. */
#include "brownout/probe/gotree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "brownout/base/cleanup.h"
#include "brownout/census.h"
#include "probe-internal.h"

#define PIDS_MAX 1024
#define SEEN_MAX 16
#define SOCKETS_MAX 16
#define TCP_LISTEN 10 /* include/net/tcp_states.h */

/** struct seen - executables that were looked at */
struct seen {
	struct {
		dev_t dev;
		ino_t ino;
		bool is_go;
	} items[SEEN_MAX];
	size_t n;
};

static void plain(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || (unsigned char)*s > 126)
			*s = '?';
}

/* What it calls itself: "sh", though the file be dash. */
static void read_comm(pid_t pid, char *buf, size_t size)
{
	char path[64];
	bo_auto_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	f = fopen(path, "re");
	if (!f || !fgets(buf, (int)size, f))
		snprintf(buf, size, "?");
	buf[strcspn(buf, "\n")] = '\0';
	plain(buf);
}

/* Of its executable, in full; comm has 15 bytes. */
static void read_name(pid_t pid, char *buf, size_t size)
{
	char path[64], target[4096];
	const char *base;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0) {
		read_comm(pid, buf, size);
		return;
	}
	target[n] = '\0';
	base = strrchr(target, '/');
	snprintf(buf, size, "%.*s", (int)size - 1, base ? base + 1 : target);
	plain(buf);
}

static bool is_go(pid_t pid, struct seen *seen, const struct bo_gotree_opener *opener)
{
	char path[64];
	bo_auto_fd int fd = -1;
	struct stat st;
	bool go;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == EACCES || errno == EPERM) && opener && opener->open)
		fd = opener->open(opener->self, pid);
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < seen->n; i++)
		if (seen->items[i].dev == st.st_dev && seen->items[i].ino == st.st_ino)
			return seen->items[i].is_go;
	go = bo_census_is_go(fd);
	if (seen->n < SEEN_MAX) {
		seen->items[seen->n].dev = st.st_dev;
		seen->items[seen->n].ino = st.st_ino;
		seen->items[seen->n++].is_go = go;
	}
	return go;
}

/* ---- who listens ---- */

struct sockets {
	uint64_t inodes[SOCKETS_MAX];
	size_t n;
};

/* Columns of /proc/PID/net/tcp (proc_pid_net(5)): number, local and remote address:port, state, …, inode. */
static void read_sockets(pid_t pid, const char *family, int port, struct sockets *ret)
{
	char path[64], line[512];
	bo_auto_file FILE *f = NULL;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, family);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		unsigned int local, state;
		uint64_t inode;

		if (sscanf(line,
			   " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*d %" SCNu64,
			   &local, &state, &inode) == 3 &&
		    local == (unsigned int)port && state == TCP_LISTEN && ret->n < SOCKETS_MAX)
			ret->inodes[ret->n++] = inode;
	}
}

static void cleanup_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool listens(pid_t pid, int port)
{
	struct sockets sockets = { 0 };
	char path[64];

	read_sockets(pid, "tcp", port, &sockets);
	read_sockets(pid, "tcp6", port, &sockets);
	if (!sockets.n)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	bo_auto(cleanup_dir) DIR *dir = opendir(path);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		char target[64];
		uint64_t inode;
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%" SCNu64 "]", &inode) != 1)
			continue;
		for (size_t i = 0; i < sockets.n; i++)
			if (sockets.inodes[i] == inode)
				return true;
	}
	return false;
}

/* ---- the tree ---- */

static int by_start(const void *a, const void *b)
{
	const struct bo_goproc *x = a, *y = b;

	if (x->start_ticks != y->start_ticks)
		return x->start_ticks < y->start_ticks ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

void bo_gotree_list(struct bo_gotree *ret, pid_t root, int port,
		    const struct bo_gotree_opener *opener)
{
	pid_t pids[PIDS_MAX];
	size_t n = bo_proc_tree(root, pids, PIDS_MAX), first;
	struct seen seen = { 0 };

	ret->n = 0;
	read_comm(root, ret->root_name, sizeof(ret->root_name));
	for (size_t i = 0; i < n && ret->n < BO_GOTREE_MAX; i++) {
		struct bo_goproc *p = &ret->procs[ret->n];
		struct bo_proc_stat stat;

		/* A zombie has no program any more. */
		if (bo_proc_read_stat(pids[i], &stat) < 0 || stat.state == 'Z' ||
		    !is_go(pids[i], &seen, opener))
			continue;
		*p = (struct bo_goproc){ .pid = pids[i], .start_ticks = stat.start_ticks };
		read_name(pids[i], p->name, sizeof(p->name));
		ret->n++;
	}
	first = ret->n && ret->procs[0].pid == root;
	qsort(ret->procs + first, ret->n - first, sizeof(*ret->procs), by_start);
	for (size_t i = 0; port > 0 && ret->n > 1 && i < ret->n; i++)
		ret->procs[i].listens = listens(ret->procs[i].pid, port);
}

void bo_gotree_choose(pid_t root, int port, const struct bo_gotree_opener *opener,
		      struct bo_gochoice *ret)
{
	const struct bo_goproc *chosen;
	struct bo_gotree tree;
	char why[128], below[96] = "";
	size_t i = 0;

	bo_gotree_list(&tree, root, port, opener);
	*ret = (struct bo_gochoice){ .pid = root };
	read_name(root, ret->name, sizeof(ret->name));
	if (!tree.n || (tree.n == 1 && tree.procs[0].pid == root))
		return;
	while (i < tree.n && !tree.procs[i].listens)
		i++;
	chosen = &tree.procs[i < tree.n ? i : 0];
	ret->pid = chosen->pid;
	ret->wrapped = chosen->pid != root;
	memcpy(ret->name, chosen->name, sizeof(ret->name));
	if (tree.n == 1)
		snprintf(why, sizeof(why), "the only Go program");
	else if (i < tree.n)
		snprintf(why, sizeof(why), "of %zu Go programs the one that listens on port %d",
			 tree.n, port);
	else if (!ret->wrapped)
		snprintf(why, sizeof(why), "of %zu Go programs the node's own command", tree.n);
	else
		snprintf(why, sizeof(why), "the first of %zu Go programs to start", tree.n);
	if (ret->wrapped)
		snprintf(below, sizeof(below), " below %s (pid %d)", tree.root_name, (int)root);
	snprintf(ret->why, sizeof(ret->why), "%s (pid %d)%s: %s", chosen->name, (int)chosen->pid,
		 below, why);
}
