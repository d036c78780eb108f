/* SPDX-License-Identifier: Apache-2.0 */
/* probe/attach.c — see attach.h.  The direct way goes first: it reads a thousand stretches of memory in one system call,
 * descriptors one.
 * Owns: nothing.  Threads: any.  Privilege: see attach.h. */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/probe/http.h"

/** struct asking - the opener, for one node */
struct asking {
	const struct bo_sampler_opener *opener;
	int node;
};

static int open_exe(void *self, pid_t pid)
{
	const struct asking *asking = self;
	struct bo_census_source source = { .mem_fd = -1, .exe_fd = -1, .auxv_fd = -1 };
	struct bo_err ignored = { 0 };
	int r = asking->opener->open(asking->opener->self, asking->node, pid, &source, &ignored);

	if (r < 0)
		return r;
	bo_close(&source.mem_fd);
	bo_close(&source.auxv_fd);
	return source.exe_fd;
}

/* The port at which the node says that it is ready; 0 when it says so in another way. */
static int ready_port(const struct bo_node_spec *spec)
{
	char origin[256];
	const char *colon;

	if (spec->ready.kind == BO_READY_TCP)
		return spec->ready.port;
	if (spec->ready.kind != BO_READY_HTTP || spec->ready.socket ||
	    bo_http_origin(spec->ready.url, origin, sizeof(origin), NULL) < 0)
		return 0;
	colon = strrchr(origin, ':');
	return colon ? atoi(colon + 1) : 0;
}

int bo_attach(struct bo_census **ret, const struct bo_node_spec *spec, int node, pid_t root,
	      const struct bo_gochoice *wanted, const struct bo_sampler_opener *opener,
	      struct bo_attached *ret_how, struct bo_err *err)
{
	struct asking asking = { opener, node };
	const struct bo_gotree_opener exe = { &asking, opener->open ? open_exe : NULL };
	struct bo_census_source source = { .mem_fd = -1, .exe_fd = -1, .auxv_fd = -1 };
	struct bo_err refused = { 0 };
	int r;

	ret_how->handed = false;
	bo_gotree_choose(root, ready_port(spec), &exe, &ret_how->choice);
	if (wanted && (wanted->wrapped != ret_how->choice.wrapped ||
		       strcmp(wanted->name, ret_how->choice.name) != 0))
		return bo_err_set(err, EAGAIN, BO_SUBSYS_PROBE, "waiting for %s to run again",
				  wanted->name);
	r = bo_census_attach(ret, ret_how->choice.pid, 0, err);
	if ((r != -EACCES && r != -EPERM) || !opener->open)
		return r;
	r = opener->open(opener->self, node, ret_how->choice.pid, &source, &refused);
	if (r < 0)
		return bo_err_set(err, err->code, BO_SUBSYS_PROBE,
				  "no permission to read %s (pid %d), nor has the keeper: %.100s",
				  ret_how->choice.name, (int)ret_how->choice.pid, refused.msg);
	source.pid = ret_how->choice.pid;
	ret_how->handed = true;
	return bo_census_attach_source(ret, &source, 0, err);
}

const char *bo_attach_describe(const struct bo_attached *how, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", how->choice.why[0] ? "; " : "", how->choice.why,
		 how->handed ? "; its memory was opened by the keeper" : "");
	return buf;
}
