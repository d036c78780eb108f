/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_guard.c — what is refused unless the scenario allows it by name.
 * Owns: nothing.  Threads: single-threaded.  Privilege: CAP_SYS_PTRACE to read the environment of other users' processes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"

#define PARENTS_MAX 64

/* --- the session ------------------------------------------------------------------------------ */

bool bo_attach_session_parse(const char *text, struct bo_attach_session *ret)
{
	struct bo_attach_session s = { .found = true };
	char host[INET6_ADDRSTRLEN + 1];
	unsigned int port;

	if (sscanf(text, "%46s %u", host, &port) != 2 || port > 65535)
		return false;
	host[strcspn(host, "%")] = '\0'; /* fe80::1%eth0 */
	s.client.family = strchr(host, ':') ? AF_INET6 : AF_INET;
	/* A listener for both families shows IPv4 clients like this. */
	if (!strncmp(host, "::ffff:", 7) && strchr(host, '.')) {
		s.client.family = AF_INET;
		memmove(host, host + 7, strlen(host + 7) + 1);
	}
	if (inet_pton(s.client.family, host, s.client.address) != 1)
		return false;
	s.client.prefix = s.client.family == AF_INET ? 32 : 128;
	s.client.protocol = IPPROTO_TCP;
	s.client.port = (uint16_t)port;
	*ret = s;
	return true;
}

static ssize_t read_proc(pid_t pid, const char *file, char *buf, size_t size)
{
	char path[64];
	bo_auto_fd int fd = -1;
	size_t len = 0;
	ssize_t n = 0;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len + 1 < size && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	buf[len] = '\0';
	return fd < 0 ? -1 : (ssize_t)len;
}

static bool search_environment(char *env, size_t len, struct bo_attach_session *ret)
{
	for (size_t at = 0; at < len; at += strlen(env + at) + 1) {
		static const char *const names[] = { "SSH_CONNECTION=", "SSH_CLIENT=" };

		for (size_t i = 0; i < 2; i++)
			if (!strncmp(env + at, names[i], strlen(names[i])) &&
			    bo_attach_session_parse(env + at + strlen(names[i]), ret))
				return true;
	}
	return false;
}

static pid_t parent_of(pid_t pid)
{
	char buf[1024];
	const char *at;
	int parent;

	if (read_proc(pid, "stat", buf, sizeof(buf)) <= 0 || !(at = strrchr(buf, ')')) ||
	    sscanf(at, ") %*c %d", &parent) != 1)
		return 0;
	return parent;
}

void bo_attach_session_find(struct bo_attach_session *ret)
{
	size_t size = 256 * 1024;
	bo_auto_free char *env = malloc(size);
	pid_t pid = getpid();

	*ret = (struct bo_attach_session){ 0 };
	for (int i = 0; env && pid > 0 && i < PARENTS_MAX; i++, pid = parent_of(pid)) {
		ssize_t n = read_proc(pid, "environ", env, size);

		if (n > 0 && search_environment(env, (size_t)n, ret))
			return;
	}
}

/* --- the guard -------------------------------------------------------------------------------- */

/** refuse() - @allow: the one of BO_ATTACH_ALLOW_… that would do */
static int refuse(const struct bo_attach_peer *peer, const char *why, uint32_t allow,
		  struct bo_err *err)
{
	char text[96];

	return bo_err_set(err, EPERM, BO_SUBSYS_LAB,
			  "refused: %s %s; if that is meant, say allow = { \"%s\" }",
			  bo_attach_peer_text(peer, text, sizeof(text)), why,
			  bo_attach_allow_name((unsigned int)__builtin_ctz(allow)));
}

static bool is_session(const struct bo_attach_peer *peer, const struct bo_attach_session *s)
{
	return s->found && bo_attach_peer_has(peer, s->client.family, s->client.address) &&
	       peer->protocol != IPPROTO_UDP && (!peer->port || peer->port == s->client.port);
}

int bo_attach_guard_peer(const struct bo_attach_peer *peer, uint32_t allow,
			 const struct bo_attach_session *session, struct bo_err *err)
{
	/* From another process: with more bits than an address has it would compare unequal to what it is. */
	if ((peer->family != AF_INET && peer->family != AF_INET6) ||
	    peer->prefix > (peer->family == AF_INET ? 32 : 128))
		return bo_err_set(err, EINVAL, BO_SUBSYS_LAB, "attachment: a malformed peer");
	if (is_session(peer, session) && !(allow & BO_ATTACH_ALLOW_SSH))
		return refuse(peer, "holds the other end of the SSH session that runs this",
			      BO_ATTACH_ALLOW_SSH, err);
	if (bo_attach_peer_is_loopback(peer) && !peer->port && !(allow & BO_ATTACH_ALLOW_LOOPBACK))
		return refuse(peer, "is loopback without a port, which is everything on this host",
			      BO_ATTACH_ALLOW_LOOPBACK, err);
	if (peer->prefix < (peer->family == AF_INET ? 32 : 128) && !(allow & BO_ATTACH_ALLOW_WIDE))
		return refuse(peer, "is a network and not one peer", BO_ATTACH_ALLOW_WIDE, err);
	return 0;
}

/** gateway4() - the gateway in a line of /proc/net/route: "eth0\t00000000\t0101A8C0\t…", network byte order in hex */
static bool gateway4(const char *line, uint8_t ret[16])
{
	uint32_t gateway;

	if (sscanf(line, "%*s %*x %x", &gateway) != 1 || !gateway)
		return false;
	memcpy(ret, &gateway, sizeof(gateway));
	return true;
}

/** gateway6() - the next hop in a line of /proc/net/ipv6_route: five fields of hex, the fifth is it */
static bool gateway6(const char *line, uint8_t ret[16])
{
	char hex[33];
	bool any = false;

	if (sscanf(line, "%*32s %*2s %*32s %*2s %32s", hex) != 1 || strlen(hex) != 32)
		return false;
	for (size_t i = 0; i < 16; i++) {
		unsigned int byte;

		if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
			return false;
		ret[i] = (uint8_t)byte;
		any = any || byte;
	}
	return any;
}

int bo_attach_guard_routes(const struct bo_attach_peer *peer, uint32_t allow, struct bo_err *err)
{
	const char *path = peer->family == AF_INET ? "/proc/self/net/route"
						   : "/proc/self/net/ipv6_route";
	bo_auto_file FILE *file = fopen(path, "re");
	char line[512];

	if (allow & BO_ATTACH_ALLOW_GATEWAY)
		return 0;
	/* A kernel without the family has no such file.  What cannot be read may say anything. */
	if (!file && errno != ENOENT)
		return bo_err_errno(err, BO_SUBSYS_LAB, "reading the service's routes: %s", path);
	while (file && fgets(line, sizeof(line), file)) {
		uint8_t gateway[16] = { 0 };
		bool is = peer->family == AF_INET ? gateway4(line, gateway)
						  : gateway6(line, gateway);

		if (is && bo_attach_peer_has(peer, peer->family, gateway))
			return refuse(peer, "is a gateway of the service's routes",
				      BO_ATTACH_ALLOW_GATEWAY, err);
	}
	return 0;
}
