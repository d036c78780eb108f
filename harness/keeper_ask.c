/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper_ask.c — what the conductor has the keeper do to nodes and links.
 * Owns: nothing.  Threads: any, one at a time (BO_KP_LOCK()).  Privilege: none. */
#include <errno.h>
#include <string.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/strbuf.h"
#include "harness/keeper_client.h"

static void put_string(struct bo_strbuf *msg, const char *s)
{
	bo_strbuf_add(msg, s ? s : "", s ? strlen(s) + 1 : 1);
}

static uint32_t count_strings(const char *const *list)
{
	uint32_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

int bo_keeper_node_start(struct bo_keeper *k, const struct bo_plan *plan, int node, const char *exe,
			 int log_fd, pid_t *ret_pid, struct bo_err *err)
{
	BO_KP_LOCK(k);
	const struct bo_node_spec *spec;
	struct bo_strbuf msg = { 0 };
	struct kp_start head;
	struct kp_rep rep;
	int rc;

	if (node < 0 || (size_t)node >= plan->nodes.len)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "there is no node %d", node);
	spec = &plan->nodes.items[node];
	memset(&head, 0, sizeof(head));
	head.is_stub = spec->kind == BO_NODE_STUB;
	head.argc = head.is_stub ? 0 : count_strings(spec->argv);
	head.envc = count_strings(spec->env);
	head.stub_proto = spec->stub.proto;
	head.stub_mode = spec->stub.mode;
	head.stub_port = spec->stub.port;
	head.stub_status = spec->stub.status;
	head.stub_delay_ns = spec->stub.delay_ns;
	bo_strbuf_add(&msg, (const char *)&head, sizeof(head));
	put_string(&msg, head.is_stub ? NULL : exe);
	put_string(&msg, spec->cwd);
	put_string(&msg, plan->scenario_dir);
	put_string(&msg, spec->stub.body);
	for (uint32_t i = 0; i < head.argc; i++)
		put_string(&msg, spec->argv[i]);
	for (uint32_t i = 0; i < head.envc; i++)
		put_string(&msg, spec->env[i]);
	rc = bo_strbuf_ok(&msg)
		     ? bo_kp_ask(k, (struct kp_req){ .op = KP_NODE_START, .index = node }, msg.buf,
				 msg.len, log_fd, err)
		     : bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	bo_strbuf_done(&msg);
	if (rc == 0)
		rc = bo_kp_await(k, &rep, err);
	if (rc == 0)
		*ret_pid = rep.pid;
	return rc;
}

int bo_keeper_node_exec(struct bo_keeper *k, int node, const char *const *argv, int64_t timeout_ns,
			int *ret_status, struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct bo_strbuf msg = { 0 };
	struct kp_rep rep;
	int rc;

	for (size_t i = 0; argv[i]; i++)
		put_string(&msg, argv[i]);
	rc = bo_strbuf_ok(&msg)
		     ? bo_kp_ask(k,
				 (struct kp_req){
					 .op = KP_NODE_EXEC, .index = node, .value = timeout_ns },
				 bo_strbuf_str(&msg), msg.len, -1, err)
		     : bo_err_set(err, ENOMEM, BO_SUBSYS_HARNESS, "out of memory");
	bo_strbuf_done(&msg);
	if (rc == 0)
		rc = bo_kp_await(k, &rep, err);
	if (rc == 0)
		*ret_status = rep.status;
	return rc;
}

int bo_keeper_node_kill(struct bo_keeper *k, int node, struct bo_err *err)
{
	return bo_kp_simple(k, (struct kp_req){ .op = KP_NODE_KILL, .index = node }, err);
}

int bo_keeper_node_term(struct bo_keeper *k, int node, struct bo_err *err)
{
	return bo_kp_simple(k, (struct kp_req){ .op = KP_NODE_TERM, .index = node }, err);
}

int bo_keeper_node_pause(struct bo_keeper *k, int node, bool frozen, struct bo_err *err)
{
	return bo_kp_simple(k, (struct kp_req){ .op = KP_NODE_PAUSE, .index = node, .arg = frozen },
			    err);
}

int bo_keeper_link_impair(struct bo_keeper *k, int link, enum bo_dir dir,
			  const struct bo_impair *im, struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct {
		struct bo_impair im;
		struct bo_dist_table table;
	} payload = { .im = *im };
	bool table = im->dist == BO_DIST_TABLE && im->table;
	struct kp_rep rep;
	int rc;

	if (table)
		payload.table = *im->table;
	rc = bo_kp_ask(k, (struct kp_req){ .op = KP_LINK_IMPAIR, .index = link, .arg = dir },
		       &payload, table ? sizeof(payload) : sizeof(payload.im), -1, err);
	return rc < 0 ? rc : bo_kp_await(k, &rep, err);
}

int bo_keeper_memory_limit(struct bo_keeper *k, int node, enum bo_mem_knob knob, int64_t bytes,
			   struct bo_err *err)
{
	return bo_kp_simple(
		k,
		(struct kp_req){
			.op = KP_MEMORY_LIMIT, .index = node, .arg = knob, .value = bytes },
		err);
}

/* A request whose answer is @n descriptors; close what is left in @fds. */
static int ask_fds(struct bo_keeper *k, struct kp_req req, size_t n, struct bo_fds *fds,
		   struct bo_err *err)
{
	struct kp_rep rep;
	int rc = bo_kp_ask(k, req, NULL, 0, -1, err);

	if (rc == 0)
		rc = bo_kp_await_fds(k, &rep, fds, err);
	if (rc == 0 && fds->n != n)
		rc = bo_err_set(err, EPROTO, BO_SUBSYS_HARNESS, "the keeper sent %zu descriptors",
				fds->n);
	return rc;
}

int bo_keeper_open_process(struct bo_keeper *k, int node, pid_t pid, struct bo_process_files *ret,
			   struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct bo_fds fds = { 0 };
	int rc = ask_fds(k,
			 (struct kp_req){ .op = KP_PROCESS_OPEN,
					  .index = bo_kp_attachment_number(k, node),
					  .value = pid },
			 3, &fds, err);

	if (rc == 0)
		*ret = (struct bo_process_files){ bo_fds_take(&fds, 0), bo_fds_take(&fds, 1),
						  bo_fds_take(&fds, 2) };
	bo_fds_close(&fds);
	return rc;
}

int bo_keeper_open_root(struct bo_keeper *k, int node, struct bo_root_files *ret,
			struct bo_err *err)
{
	BO_KP_LOCK(k);
	struct bo_fds fds = { 0 };
	int rc = ask_fds(k, (struct kp_req){ .op = KP_ROOT_OPEN, .index = node }, 2, &fds, err);

	if (rc == 0)
		*ret = (struct bo_root_files){ bo_fds_take(&fds, 0), bo_fds_take(&fds, 1) };
	bo_fds_close(&fds);
	return rc;
}
