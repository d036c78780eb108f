/* SPDX-License-Identifier: Apache-2.0 */
/* sys/caps.c — dropping capabilities and identities.
 * Owns: nothing.  Threads: single-threaded callers.  Privilege: CAP_SETPCAP to cut the bounding set,
 * CAP_SETUID and CAP_SETGID to become another user. */
#include "brownout/sys/caps.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static bool listed(const cap_value_t *keep, size_t n, cap_value_t cap)
{
	for (size_t i = 0; i < n; i++)
		if (keep[i] == cap)
			return true;
	return false;
}

/* The bounding set is what an execve(2) of a root-owned or set-user-ID file could still bring back, so
 * it goes first, while CAP_SETPCAP is still there.  Without CAP_SETPCAP it cannot be cut; no_new_privs
 * then does the same job alone. */
static int cut_bounding_set(const cap_value_t *keep, size_t n, struct bo_err *err)
{
	cap_value_t last = (cap_value_t)cap_max_bits();
	cap_flag_value_t can = CAP_CLEAR;
	cap_t now = cap_get_proc();

	if (!now)
		return bo_err_errno(err, BO_SUBSYS_SYS, "reading capabilities");
	cap_get_flag(now, CAP_SETPCAP, CAP_EFFECTIVE, &can);
	cap_free(now);
	if (can != CAP_SET)
		return 0;
	for (cap_value_t cap = 0; cap < last; cap++) {
		if (listed(keep, n, cap) || cap_get_bound(cap) <= 0)
			continue;
		if (cap_drop_bound(cap) < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS,
					    "dropping capability %d from the bounding set", cap);
	}
	return 0;
}

static int set_permitted(const cap_value_t *keep, size_t n, struct bo_err *err)
{
	cap_t now = cap_get_proc();
	cap_t want = cap_init();
	int rc = 0;

	if (!now || !want) {
		rc = bo_err_errno(err, BO_SUBSYS_SYS, "reading capabilities");
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		cap_flag_value_t have = CAP_CLEAR;

		/* In a container some may be missing; what needs them says so by name later. */
		cap_get_flag(now, keep[i], CAP_PERMITTED, &have);
		if (have != CAP_SET)
			continue;
		cap_set_flag(want, CAP_PERMITTED, 1, &keep[i], CAP_SET);
		cap_set_flag(want, CAP_EFFECTIVE, 1, &keep[i], CAP_SET);
	}
	if (cap_set_proc(want) < 0)
		rc = bo_err_errno(err, BO_SUBSYS_SYS, "setting capabilities");
out:
	cap_free(now);
	cap_free(want);
	return rc;
}

static int seal(struct bo_err *err)
{
	/* EINVAL: a kernel without ambient capabilities (before 4.3) has none to clear. */
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return bo_err_errno(err, BO_SUBSYS_SYS, "clearing ambient capabilities");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return bo_err_errno(err, BO_SUBSYS_SYS, "setting no_new_privs");
	return 0;
}

int bo_caps_keep(const cap_value_t *keep, size_t n, struct bo_err *err)
{
	int rc = cut_bounding_set(keep, n, err);

	if (rc < 0)
		return rc;
	rc = set_permitted(keep, n, err);
	if (rc < 0)
		return rc;
	return seal(err);
}

bool bo_caps_is_effective(cap_value_t cap)
{
	cap_t now = cap_get_proc();
	cap_flag_value_t set = CAP_CLEAR;

	if (now)
		cap_get_flag(now, cap, CAP_EFFECTIVE, &set);
	cap_free(now);
	return set == CAP_SET;
}

int bo_caps_effective(cap_value_t cap, bool on, struct bo_err *err)
{
	cap_t caps = cap_get_proc();
	int rc = 0;

	if (!caps || cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, on ? CAP_SET : CAP_CLEAR) < 0 ||
	    cap_set_proc(caps) < 0)
		rc = bo_err_errno(err, BO_SUBSYS_SYS, "%s capability %d",
				  on ? "raising" : "lowering", cap);
	cap_free(caps);
	return rc;
}

static int parse_id(const char *name, const char *text, unsigned int *ret, struct bo_err *err)
{
	char *end = NULL;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v >= UINT_MAX)
		return bo_err_set(err, EINVAL, BO_SUBSYS_SYS, "%s is \"%s\", expected a number",
				  name, text);
	*ret = (unsigned int)v;
	return 0;
}

int bo_user_from_sudo(struct bo_user *ret, struct bo_err *err)
{
	const char *uid = getenv("SUDO_UID");
	const char *gid = getenv("SUDO_GID");
	struct bo_user user = { .have = true };
	int rc;

	if (geteuid() != 0 || !uid || !gid) {
		*ret = (struct bo_user){ 0 };
		return 0;
	}
	rc = parse_id("SUDO_UID", uid, &user.uid, err);
	if (rc == 0)
		rc = parse_id("SUDO_GID", gid, &user.gid, err);
	if (rc < 0)
		return rc;
	user.have = user.uid != 0; /* root through sudo is root */
	*ret = user;
	return 0;
}

int bo_user_become(const struct bo_user *user, struct bo_err *err)
{
	int rc = cut_bounding_set(NULL, 0, err);

	if (rc < 0)
		return rc;
	if (user->have) {
		const struct passwd *pw = getpwuid(user->uid);
		int groups = pw ? initgroups(pw->pw_name, user->gid) : setgroups(1, &user->gid);

		if (groups < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "setting the groups of uid %u",
					    user->uid);
		if (setresgid(user->gid, user->gid, user->gid) < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "becoming gid %u", user->gid);
		if (setresuid(user->uid, user->uid, user->uid) < 0)
			return bo_err_errno(err, BO_SUBSYS_SYS, "becoming uid %u", user->uid);
	}
	rc = set_permitted(NULL, 0, err);
	if (rc < 0)
		return rc;
	return seal(err);
}
