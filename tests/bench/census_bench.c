/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/census_bench.c — what looking costs, us and the one that is looked at.
 * A Go service with 1 000, 100 000 and 1 000 000 parked goroutines, asked in four ways: not at all, by census (ten a
 * second), by pprof debug=1 and debug=2 (one after the other).  Meanwhile one client asks for a tiny page, and one goroutine
 * watches the clock for gaps.
 *   census_bench [--full]     --full: debug=2 at a million, too, which takes more than a minute
 * Owns: the zoo.  Threads: main and the client's.  Privilege: none. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/census.h"
#include "zookit.h"

#define MIN_NS (2 * BO_NSEC_PER_SEC)
#define LATENCIES_MAX 200000

static struct sockaddr_in server;

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server))) {
		perror("census_bench: connect");
		exit(1);
	}
	return fd;
}

/* One GET on a connection of its own; the body is thrown away.  Return: its bytes, headers included */
static uint64_t get(const char *path, char *tail, size_t size)
{
	static char buf[1 << 16];
	int fd = dial();
	uint64_t sum = 0;
	ssize_t n;

	dprintf(fd, "GET %s HTTP/1.0\r\nHost: zoo\r\n\r\n", path);
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		sum += (uint64_t)n;
		buf[n] = 0;
		if (tail)
			snprintf(tail, size, "%s",
				 strstr(buf, "\r\n\r\n") ? strstr(buf, "\r\n\r\n") + 4 : buf);
	}
	close(fd);
	return sum;
}

struct client {
	pthread_t thread;
	atomic_bool stop;
	int64_t latencies[LATENCIES_MAX];
	size_t n;
};

static void *run_client(void *arg)
{
	static const char request[] = "GET /hello HTTP/1.1\r\nHost: zoo\r\n\r\n";
	struct client *c = arg;
	int fd = dial();
	char buf[1024];

	while (!atomic_load(&c->stop) && c->n < LATENCIES_MAX) {
		int64_t t0 = bo_now_ns();

		if (write(fd, request, sizeof(request) - 1) < 0 || read(fd, buf, sizeof(buf)) <= 0)
			break;
		c->latencies[c->n++] = bo_now_ns() - t0;
		/* About a thousand requests a second: a light load. */
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	close(fd);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

struct mode {
	const char *name;
	void (*once)(struct bo_census *census);
};

static struct bo_census_snapshot snap;

static void once_idle(struct bo_census *census)
{
	(void)census;
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
}

static void once_census(struct bo_census *census)
{
	struct bo_err err = { 0 };

	if (bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err)) {
		fprintf(stderr, "census_bench: %s\n", err.msg);
		exit(1);
	}
}

static void once_debug1(struct bo_census *census)
{
	(void)census;
	(void)get("/debug/pprof/goroutine?debug=1", NULL, 0);
}

static void once_debug2(struct bo_census *census)
{
	(void)census;
	(void)get("/debug/pprof/goroutine?debug=2", NULL, 0);
}

static void measure(struct bo_census *census, const struct mode *mode, uint64_t n)
{
	static struct client client;
	static int64_t took[4096];
	int64_t end, gap;
	size_t looks = 0;
	char answer[64] = "";

	memset(&client, 0, sizeof(client));
	(void)get("/gap", NULL, 0);
	if (pthread_create(&client.thread, NULL, run_client, &client))
		exit(1);
	end = bo_now_ns() + MIN_NS;
	do {
		int64_t t0 = bo_now_ns();

		mode->once(census);
		took[looks++] = bo_now_ns() - t0;
		if (mode->once == once_census)
			once_idle(census);
	} while (bo_now_ns() < end && looks < 4096);
	atomic_store(&client.stop, true);
	pthread_join(client.thread, NULL);
	(void)get("/gap", answer, sizeof(answer));
	gap = atoll(answer);
	qsort(took, looks, sizeof(*took), by_value);
	qsort(client.latencies, client.n, sizeof(*client.latencies), by_value);
	printf("%9" PRIu64 "  %-8s  %10.2f ms  %10.2f ms  %10.2f ms\n", n, mode->name,
	       mode->once == once_idle ? 0.0 : (double)took[looks / 2] / 1e6, (double)gap / 1e6,
	       client.n ? (double)client.latencies[client.n * 99 / 100] / 1e6 : 0.0);
	fflush(stdout);
}

static void count_cost(struct bo_census *census, uint64_t n)
{
	static int64_t took[10000];
	struct bo_err err = { 0 };
	int64_t count = 0;

	for (size_t i = 0; i < 10000; i++) {
		int64_t t0 = bo_now_ns();

		if (bo_census_count(census, &count, &err))
			exit(1);
		took[i] = bo_now_ns() - t0;
	}
	qsort(took, 10000, sizeof(*took), by_value);
	printf("%9" PRIu64 "  count     %10.2f us  (p99 %.2f us), attach %.1f ms\n", n,
	       (double)took[5000] / 1e3, (double)took[9900] / 1e3,
	       (double)bo_census_info(census)->attach_ns / 1e6);
}

static void bench(uint64_t n, bool full)
{
	static const struct mode modes[] = { { "idle", once_idle },
					     { "census", once_census },
					     { "debug=1", once_debug1 },
					     { "debug=2", once_debug2 } };
	char many[32];
	const char *args[] = { "-bulk", many, "-http", "127.0.0.1:0", NULL };
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };
	struct rusage usage;
	struct zoo zoo;
	int port = 0;

	snprintf(many, sizeof(many), "%" PRIu64, n);
	if (!zoo_start(&zoo, ZOO, args) || sscanf(zoo.address, "127.0.0.1:%d", &port) != 1) {
		fprintf(stderr, "census_bench: %s does not start\n", ZOO);
		exit(1);
	}
	server = (struct sockaddr_in){ .sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr = { htonl(INADDR_LOOPBACK) } };
	if (bo_census_attach(&census, zoo.pid, 0, &err)) {
		fprintf(stderr, "census_bench: %s\n", err.msg);
		exit(1);
	}
	count_cost(census, n);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (modes[i].once == once_debug2 && n > 200000 && !full)
			continue;
		measure(census, &modes[i], n);
	}
	getrusage(RUSAGE_SELF, &usage);
	printf("%9" PRIu64 "  memory of this program at its peak: %.1f MiB\n\n", n,
	       (double)usage.ru_maxrss / 1024);
	bo_census_free(census);
	zoo_stop(&zoo);
}

int main(int argc, char **argv)
{
	bool full = argc > 1 && !strcmp(argv[1], "--full");
	long pages = sysconf(_SC_AVPHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	printf("goroutines  how       one look (median)  longest pause   HTTP p99 of the service\n");
	bench(1000, full);
	bench(100000, full);
	if ((double)pages * (double)page > 6e9)
		bench(1000000, full);
	else
		printf("a million goroutines need 6 GiB of free memory: left out\n");
	bo_census_snapshot_done(&snap);
	return 0;
}
