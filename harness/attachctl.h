/* SPDX-License-Identifier: Apache-2.0 */
/* harness/attachctl.h — running services in the conductor's hands, where labctl.h has a lab.
 * Owns: sockets of the attachments, descriptors of the services' processes.  Threads: the conductor's main thread.
 * Privilege: none. */
#pragma once
#include "brownout/lab/hands.h"
#include "brownout/model/run.h"
#include "harness/keeper.h"
#include "harness/labctl.h"

struct bo_attachctl;

/** bo_attachctl_new() - take over what bo_keeper_attach_all() started; @ret_view: addresses, to be freed by the caller */
BO_NODISCARD int bo_attachctl_new(struct bo_attachctl **ret, struct bo_keeper *keeper,
				  const struct bo_plan *plan, const struct bo_machine *machine,
				  struct bo_lab_view *ret_view, struct bo_err *err);
const struct bo_hands *bo_attachctl_hands(const struct bo_attachctl *ctl);
/** bo_attachctl_poll() - has a service ended?  Tells @hooks */
void bo_attachctl_poll(struct bo_attachctl *ctl, const struct bo_labctl_hooks *hooks);
/** bo_attachctl_words() - of a fault that has been judged: what was counted here were packets, and no probes; and what
 * TCP made of it */
void bo_attachctl_words(const struct bo_attachctl *ctl, const struct bo_fault_spec *spec,
			struct bo_fault_record *record);
void bo_attachctl_free(struct bo_attachctl *ctl);
