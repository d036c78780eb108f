/* SPDX-License-Identifier: Apache-2.0 */
/* lab/node_helper.c — a well-behaved (or not) program to run in a node.
 *   listen PORT          accept and echo on the wildcard address of both families
 *   ask HOST PORT FAMILY resolve HOST, connect by family 4 or 6, send a line, expect it back; exit 0 when all went well
 *   hog MIB              touch that much memory, print "full", wait
 *   tree                 fork children that fork children, print "grown", wait
 *   vfork                fork a child by vfork(2) that waits: while it is stopped, so does this process, in state D
 *   hold HOST PORT       connect, print "connected", and say how the connection ends: "fin" or "rst"
 *   dark                 become unreadable for its own user (PR_SET_DUMPABLE), print "dark", wait
 *   caps                 exit 0 when there is no capability in any set, and no_new_privs
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int wait_in_vfork(void)
{
	if (vfork() == 0)
		for (;;)
			pause();
	return 0;
}

static int serve(int port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;
	int v6 = fd >= 0; /* a kernel may be without IPv6 */

	if (!v6)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, v6 ? (void *)&in6 : (void *)&in4, v6 ? sizeof(in6) : sizeof(in4)) < 0 ||
	    listen(fd, 64) < 0) {
		perror("listen");
		return 1;
	}
	dprintf(1, "listening\n");
	for (;;) {
		int c = accept(fd, NULL, NULL);
		char buf[4096];
		ssize_t n;

		if (fork() != 0) {
			close(c);
			continue;
		}
		while ((n = read(c, buf, sizeof(buf))) > 0)
			if (write(c, buf, (size_t)n) != n)
				break;
		_exit(0);
	}
}

static int dial(const char *host, const char *port, int family)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM }, *list = NULL;
	int rc = getaddrinfo(host, port, &hints, &list);
	int fd;

	if (rc != 0) {
		dprintf(2, "%s: %s\n", host, gai_strerror(rc));
		return -1;
	}
	fd = socket(list->ai_family, SOCK_STREAM, 0);
	if (connect(fd, list->ai_addr, list->ai_addrlen) < 0) {
		dprintf(2, "%s: %s\n", host, strerror(errno));
		fd = -1;
	}
	freeaddrinfo(list);
	return fd;
}

static int ask(const char *host, const char *port, const char *family)
{
	int fd = dial(host, port, *family == '6' ? AF_INET6 : AF_INET);
	char buf[16] = "";

	if (fd < 0 || write(fd, "hello\n", 6) != 6 || read(fd, buf, sizeof(buf)) != 6)
		return 1;
	return memcmp(buf, "hello\n", 6) != 0;
}

static int hold(const char *host, const char *port)
{
	int fd = dial(host, port, AF_INET);
	char c;
	ssize_t n;

	if (fd < 0)
		return 1;
	dprintf(1, "connected\n");
	n = read(fd, &c, 1);
	dprintf(1, n == 0 ? "fin\n" : errno == ECONNRESET ? "rst\n" : "odd\n");
	pause();
	return 0;
}

static int hog(size_t mib)
{
	for (size_t i = 0; i < mib; i++) {
		char *p = malloc(1 << 20);

		if (!p)
			return 1;
		for (size_t at = 0; at < 1 << 20; at += 4096)
			((volatile char *)p)[at] = 1;
	}
	dprintf(1, "full\n");
	pause();
	return 0;
}

static void tree(void) __attribute__((noreturn));
static void tree(void)
{
	for (int i = 0; i < 3; i++)
		if (fork() == 0) {
			setsid();
			if (fork() == 0)
				setsid();
			for (;;)
				pause();
		}
	dprintf(1, "grown\n");
	for (;;)
		pause();
}

static int dark(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	dprintf(1, "dark\n");
	pause();
	return 0;
}

static int caps(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long long v, all = 0;
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Cap%*3s: %llx", &v) == 1) {
			all |= v;
			n++;
		}
	return n == 5 && all == 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "listen") == 0)
		return serve(atoi(argv[2]));
	if (argc == 5 && strcmp(argv[1], "ask") == 0)
		return ask(argv[2], argv[3], argv[4]);
	if (argc == 4 && strcmp(argv[1], "hold") == 0)
		return hold(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "hog") == 0)
		return hog((size_t)atoi(argv[2]));
	if (argc == 2 && strcmp(argv[1], "tree") == 0)
		tree();
	if (argc == 2 && strcmp(argv[1], "vfork") == 0)
		return wait_in_vfork();
	if (argc == 2 && strcmp(argv[1], "dark") == 0)
		return dark();
	if (argc == 2 && strcmp(argv[1], "caps") == 0)
		return caps();
	dprintf(2, "usage: see the source\n");
	return 2;
}
