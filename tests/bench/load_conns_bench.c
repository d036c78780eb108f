/* SPDX-License-Identifier: Apache-2.0 */
/* load_conns_bench.c — what a slow connection costs the load generator in memory.
 * usage: load_conns_bench [-n CONNECTIONS] [-r NEW-PER-SECOND] [-w BYTES-PER-SECOND] [-t]
 * -t: over TLS
 * A child accepts everything and answers nothing; the load writes its requests at -w bytes per
 * second (default 1) and waits.  Both live in a network namespace of their own, where 64,000 local ports are free.
 * Owns: the child.  Threads: the load's.  Privilege: root, or user namespaces. */
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/load/load.h"
#include "testcert.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void own_network(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;
	FILE *f;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		die("unshare");
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr))
		die("lo");
	close(fd);
	f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "w");
	if (!f || fprintf(f, "1024 65535") < 0 || fclose(f))
		die("ip_local_port_range");
}

static void raise_fds(long n)
{
	struct rlimit lim = { .rlim_cur = (rlim_t)n + 1000, .rlim_max = (rlim_t)n + 1000 };
	struct rlimit now;

	if (!getrlimit(RLIMIT_NOFILE, &now) && now.rlim_max >= lim.rlim_max)
		return;
	if (setrlimit(RLIMIT_NOFILE, &lim))
		die("RLIMIT_NOFILE");
}

/* Takes every connection and keeps it. */
static _Noreturn void serve(int listen_fd, SSL_CTX *ctx)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		SSL *ssl;

		if (fd < 0)
			die("accept");
		if (!ctx)
			continue;
		ssl = SSL_new(ctx);
		SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) != 1)
			exit(1);
	}
}

static double rss_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%*d %ld", &pages) != 1)
		die("statm");
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* Pages that TCP sockets of the machine hold; those of the namespace alone are not told apart. */
static double tcp_kib(void)
{
	FILE *f = fopen("/proc/net/sockstat", "r");
	char line[200];
	long pages = 0;

	if (!f)
		die("sockstat");
	while (fgets(line, sizeof(line), f)) {
		char *mem = !strncmp(line, "TCP:", 4) ? strstr(line, " mem ") : NULL;

		if (mem)
			pages = strtol(mem + 5, NULL, 10);
	}
	fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static int listen_any(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*addr = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) || listen(fd, 4096) ||
	    getsockname(fd, (struct sockaddr *)addr, &len))
		die("listen");
	return fd;
}

/* Who is not in flight, and why. */
static void say_failures(struct bo_load *load)
{
	struct bo_plan *plan = bo_plan_new();
	struct bo_run *run = plan ? bo_run_new(plan) : NULL;
	size_t counts[BO_REQ_CLASS_COUNT] = { 0 };
	struct bo_err err = { 0 };

	if (!run || bo_load_finish(load, run, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	bo_vec_foreach(r, &run->requests)
		counts[r->cls]++;
	for (int i = 0; i < BO_REQ_CLASS_COUNT; i++)
		if (counts[i] && i != BO_REQ_INFLIGHT)
			printf("  %zu %s\n", counts[i], bo_req_class_name((enum bo_req_class)i));
	bo_vec_foreach(event, &run->events)
		printf("  %s\n", event->text);
	bo_run_free(run);
	bo_plan_free(plan);
}

static void measure(long n, double rate, double write_per_s, const struct sockaddr_in *addr,
		    bool tls)
{
	struct bo_load_window window = { .from_ns = bo_now_ns() };
	struct bo_load_spec spec = {
		.name = "slow",
		.path = "/",
		.method = "GET",
		.rate_per_s = rate,
		.max_inflight = n,
		.keepalive = true,
		.slow = { .write_per_s = write_per_s },
		.tls = { .on = tls, .insecure = true },
	};
	struct bo_load_config config = { .spec = &spec,
					 .addr_len = sizeof(*addr),
					 .host_header = "test",
					 .t0_ns = window.from_ns,
					 .seed = 1,
					 .windows = &window,
					 .nwindows = 1 };
	struct bo_load_live live = { 0 };
	double before = rss_kib(), tcp_before = tcp_kib(), user, kernel;
	struct bo_err err = { 0 };
	struct rusage a, b;
	struct bo_load *load;
	int64_t start;

	window.until_ns = window.from_ns + (int64_t)((double)n / spec.rate_per_s * 1e9) +
			  BO_NSEC_PER_SEC / 1000;
	memcpy(&config.addr, addr, sizeof(*addr));
	if (bo_load_new(&load, &config, &err) || bo_load_start(load, &err)) {
		fprintf(stderr, "%s\n", err.msg);
		exit(1);
	}
	while (live.inflight < (uint64_t)n &&
	       bo_now_ns() < window.until_ns + 120 * BO_NSEC_PER_SEC) {
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		bo_load_live(load, &live);
	}
	sleep(2); /* all of them write */
	bo_load_live(load, &live);
	user = rss_kib() - before;
	kernel = tcp_kib() - tcp_before;
	getrusage(RUSAGE_SELF, &a);
	start = bo_now_ns();
	sleep(2);
	getrusage(RUSAGE_SELF, &b);
	printf("%llu of %ld connections in flight%s: %.2f KiB each in the generator, %.2f KiB each "
	       "in socket buffers of both ends, %.0f%% of a CPU\n",
	       (unsigned long long)live.inflight, n, tls ? " over TLS" : "", user / (double)n,
	       kernel / (double)n,
	       100 *
		       ((double)(b.ru_utime.tv_sec - a.ru_utime.tv_sec + b.ru_stime.tv_sec -
				 a.ru_stime.tv_sec) +
			(double)(b.ru_utime.tv_usec - a.ru_utime.tv_usec + b.ru_stime.tv_usec -
				 a.ru_stime.tv_usec) /
				1e6) /
		       ((double)(bo_now_ns() - start) / 1e9));
	say_failures(load);
	bo_load_free(load);
}

int main(int argc, char **argv)
{
	struct testcert ca, cert;
	struct sockaddr_in addr;
	long n = 10000;
	double rate = 1000, write_per_s = 1;
	bool tls = false;
	int opt, fd;
	pid_t pid;

	while ((opt = getopt(argc, argv, "n:r:w:t")) != -1) {
		if (opt == 'n')
			n = strtol(optarg, NULL, 10);
		else if (opt == 'r')
			rate = strtod(optarg, NULL);
		else if (opt == 'w')
			write_per_s = strtod(optarg, NULL);
		else if (opt == 't')
			tls = true;
		else
			return 2;
	}
	raise_fds(n);
	own_network();
	fd = listen_any(&addr);
	testcert_make(&ca, NULL, "authority", 1);
	testcert_make(&cert, &ca, "test", 1);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		serve(fd, tls ? testcert_server(&cert, NULL) : NULL);
	close(fd);
	measure(n, rate, write_per_s, &addr, tls);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	testcert_done(&ca);
	testcert_done(&cert);
	return 0;
}
