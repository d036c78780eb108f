/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/wire_peer.c — see the header. */
#include "wire_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "wire_flows.h"

#define API_PORT 8474
#define TRIES 500

/** ask() - one request to its API;  false when it did not answer, or not with 2xx */
static bool ask(const struct wire_netns *net, const char *path, const char *body)
{
	bo_auto_fd int fd = wire_netns_socket(net, 1, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(API_PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	char text[600], answer[64] = "";
	int len;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return false;
	len = snprintf(text, sizeof(text),
		       "POST %s HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		       "Content-Length: %zu\r\n\r\n%s",
		       path, strlen(body), body);
	return send(fd, text, (size_t)len, MSG_NOSIGNAL) == len &&
	       recv(fd, answer, sizeof(answer) - 1, 0) > 12 && answer[9] == '2';
}

static void child(const struct wire_netns *net, const char *program)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!wire_netns_switch(net, 1) || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0)
		_exit(1);
	execl(program, program, (char *)NULL);
	_exit(127);
}

bool peer_start(const struct wire_netns *net, const char *dir, pid_t *ret)
{
	static const char *const names[] = { "toxiproxy-server", "server" };
	char program[4096] = "", proxy[300];

	for (size_t i = 0; dir && i < 2; i++) {
		snprintf(program, sizeof(program), "%s/%s", dir, names[i]);
		if (access(program, X_OK) == 0)
			break;
		program[0] = '\0';
	}
	if (!program[0])
		return false;
	*ret = fork();
	if (*ret < 0)
		flows_die("fork");
	if (*ret == 0)
		child(net, program);
	snprintf(proxy, sizeof(proxy),
		 "{\"name\": \"p\", \"listen\": \"%s:%d\", \"upstream\": \"%s:%d\", "
		 "\"enabled\": true}",
		 WIRE_NETNS_ADDR4_B, PEER_PORT, WIRE_NETNS_ADDR4_B, FLOWS_PORT);
	for (int i = 0; i < TRIES; i++) {
		if (ask(net, "/proxies", proxy))
			return true;
		usleep(10000);
	}
	peer_stop(*ret);
	flows_die("toxiproxy does not answer");
}

void peer_delay(const struct wire_netns *net, int ms)
{
	char body[200];

	snprintf(body, sizeof(body),
		 "{\"name\": \"l\", \"type\": \"latency\", \"stream\": \"upstream\", "
		 "\"attributes\": {\"latency\": %d}}",
		 ms);
	if (!ask(net, "/proxies/p/toxics/l", body) && !ask(net, "/proxies/p/toxics", body))
		flows_die("toxiproxy takes no toxic");
}

void peer_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
