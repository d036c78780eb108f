/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/caps.h — give capabilities up, and become an ordinary user (capabilities(7), libcap).
 * Everything here but bo_caps_effective() is one-way: nothing that was dropped can be had again, not even by execve(2) of a
 * set-user-ID program, because the bounding set and no_new_privs are part of it.
 * Owns: nothing.  Threads: call before any thread exists (credentials are per thread in the kernel).
 * Privilege: works with whatever the caller still has. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/types.h>

#include "brownout/base/err.h"

/**
 * bo_caps_keep() - keep only the named capabilities: permitted and effective hold @keep (as far as they are there
 * now), inheritable and ambient are emptied, and the bounding set is cut to @keep.  no_new_privs is set
 * @n: 0 keeps none
 */
BO_NODISCARD int bo_caps_keep(const cap_value_t *keep, size_t n, struct bo_err *err);

/**
 * bo_caps_effective() - put a capability to use, or away again; it stays permitted
 * Return: 0; -EPERM when it is not permitted (any more)
 */
BO_NODISCARD int bo_caps_effective(cap_value_t cap, bool on, struct bo_err *err);

/** bo_caps_is_effective() - is it in use now? */
bool bo_caps_is_effective(cap_value_t cap);

/** struct bo_user - who a process should become; have is false for "stay who you are" */
struct bo_user {
	bool have;
	uid_t uid;
	gid_t gid;
};

/**
 * bo_user_from_sudo() - SUDO_UID and SUDO_GID of the environment, when running as root
 * Return: 0; -EINVAL when they are there but are not numbers (better refused than run as root)
 */
BO_NODISCARD int bo_user_from_sudo(struct bo_user *ret, struct bo_err *err);

/**
 * bo_user_become() - drop every capability and, when @user->have, become that user for good
 * Supplementary groups become those of the user database, or the one gid where it is not listed there.
 * The parent-death signal is cleared by the change of credentials (prctl(2)): set it again afterwards.
 */
BO_NODISCARD int bo_user_become(const struct bo_user *user, struct bo_err *err);
