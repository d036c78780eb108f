/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/sys/netns.h — user and network namespaces (namespaces(7), user_namespaces(7)).
 * A network namespace lives as long as a process is in it or a descriptor refers to it; with it die its devices,
 * addresses, routes and qdiscs, so holding it by descriptor alone leaves nothing behind.
 * Owns: nothing.  Threads: single-threaded callers (a namespace is a property of the calling thread).
 * Privilege: CAP_SYS_ADMIN in the user namespace that owns the network namespace. */
#pragma once
#include "brownout/base/err.h"

/** bo_userns_enter() - a new user namespace in which the caller is uid 0; setgroups(2) is denied in it
 * Return: 0; -ENOTSUP where unprivileged user namespaces are switched off, with the usual switches in @err */
BO_NODISCARD int bo_userns_enter(struct bo_err *err);
/** bo_netns_current() - a descriptor of the network namespace that the caller is in; [owned] */
BO_NODISCARD int bo_netns_current(int *ret_fd, struct bo_err *err);
/** bo_netns_new() - create a network namespace and move into it; [owned] its descriptor */
BO_NODISCARD int bo_netns_new(int *ret_fd, struct bo_err *err);
/** bo_netns_enter() - move into the namespace of @fd */
BO_NODISCARD int bo_netns_enter(int fd, struct bo_err *err);
/**
 * bo_netns_defaults() - make the *current* namespace fit for a lab node, before it has devices: no duplicate address
 * detection, no router advertisements, no link-local addresses, no reverse path filter, any port for any user
 * Where /proc/sys is read-only it changes nothing: the lab asks for what it needs per address as well.
 */
void bo_netns_defaults(void);
/**
 * bo_netns_all_ports() - let connections out of the *current* namespace take any port from 1024 on, for IPv4 and IPv6
 * (ip_local_port_range in ip(7)): 64,512 to one address and port instead of the usual 28,232.  Nothing changes where
 * /proc/sys is read-only.
 */
void bo_netns_all_ports(void);
