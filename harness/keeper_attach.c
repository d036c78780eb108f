/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper_attach.c — see the header. */
#include "harness/keeper_attach.h"

#include <errno.h>
#include <string.h>

#include "brownout/sys/caps.h"

static int find_and_start(struct bo_keeper_attachments *all, const struct bo_attach_conf *conf,
			  int *ret_sock, struct bo_err *err)
{
	if (!all->session_known)
		bo_attach_session_find(&all->session);
	all->session_known = true;
	return bo_attach_start(conf, &all->session, &all->list[all->n], ret_sock, err);
}

int bo_keeper_attachments_add(struct bo_keeper_attachments *all, struct bo_attach_conf *conf,
			      int *ret_sock, struct bo_err *err)
{
	struct bo_err lowering = { 0 }, ignored = { 0 };
	int rc;

	if (all->n == BO_KEEPER_ATTACHMENTS_MAX)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "more than %d attached services",
				  BO_KEEPER_ATTACHMENTS_MAX);
	conf->name[sizeof(conf->name) - 1] = '\0';
	conf->spec.netns[sizeof(conf->spec.netns) - 1] = '\0';
	conf->spec.container[sizeof(conf->spec.container) - 1] = '\0';
	conf->spec.interface[sizeof(conf->spec.interface) - 1] = '\0';
	conf->spec.address[sizeof(conf->spec.address) - 1] = '\0';
	if (conf->npeers > BO_ATTACH_PEERS_MAX)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_HARNESS, "keeper: a malformed request");
	rc = bo_caps_effective(CAP_SYS_PTRACE, true, err);
	if (rc < 0)
		return rc;
	/* Without it there is no netem, and the attachment says why. */
	(void)!bo_caps_effective(CAP_NET_RAW, true, &ignored);
	rc = find_and_start(all, conf, ret_sock, err);
	all->n += rc == 0;
	(void)!bo_caps_effective(CAP_NET_RAW, false, &ignored);
	if (bo_caps_effective(CAP_SYS_PTRACE, false, &lowering) < 0 && rc == 0)
		rc = bo_err_set(err, lowering.code, BO_SUBSYS_HARNESS, "%s", lowering.msg);
	return rc;
}

int bo_keeper_attachments_end(struct bo_keeper_attachments *all, struct bo_err *err)
{
	struct bo_err later = { 0 };
	int first = 0;

	for (size_t i = 0; i < all->n; i++) {
		int rc = bo_attach_end(&all->list[i], first ? &later : err);

		first = first ? first : rc;
	}
	all->n = 0;
	return first;
}

int bo_keeper_attachments_open(const struct bo_keeper_attachments *all, int index, pid_t pid,
			       struct bo_process_files *ret, struct bo_err *err)
{
	if (index < 0 || (size_t)index >= all->n)
		return bo_err_set(err, EINVAL, BO_SUBSYS_HARNESS, "there is no attachment %d",
				  index);
	return bo_attach_open_process(&all->list[index], pid, ret, err);
}
