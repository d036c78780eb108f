/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper_attach.h — the keeper's attachments to running services.
 * Owns: what it started.  Threads: the keeper's.  Privilege: CAP_SYS_PTRACE and CAP_NET_RAW while it starts one. */
#pragma once
#include "brownout/lab/attach.h"

#define BO_KEEPER_ATTACHMENTS_MAX 64

/** struct bo_keeper_attachments - zero-initialise;  @session: looked for once */
struct bo_keeper_attachments {
	struct bo_attachment list[BO_KEEPER_ATTACHMENTS_MAX];
	size_t n;
	bool session_known;
	struct bo_attach_session session;
};

/** bo_keeper_attachments_add() - @conf: as it came, nothing of it is believed;  @ret_sock: [owned] for the conductor */
BO_NODISCARD int bo_keeper_attachments_add(struct bo_keeper_attachments *all,
					   struct bo_attach_conf *conf, int *ret_sock,
					   struct bo_err *err);
/** bo_keeper_attachments_end() - and wait until each has taken everything back;  Return: 0, or the first failure */
int bo_keeper_attachments_end(struct bo_keeper_attachments *all, struct bo_err *err);
/** bo_keeper_attachments_open() - for a census: the process of attachment @index, and no other (-EPERM) */
BO_NODISCARD int bo_keeper_attachments_open(const struct bo_keeper_attachments *all, int index,
					    pid_t pid, struct bo_process_files *ret,
					    struct bo_err *err);
