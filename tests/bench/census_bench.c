/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/census_bench.c — what looking costs, us and the one that is looked at.
 * A Go service with 1 000, 100 000 and 1 000 000 parked goroutines is looked at by census, by pprof debug=1 and by debug=2.  One
 * client asks it for a tiny page a thousand times a second, measured from when each request was due; one thread of the
 * service measures how late it wakes up.  A look has a window of its own, and each window has a twin of the same length
 * without a look, right before or behind it: the pause is the difference of the two.  All ways take turns, so that what
 * else the machine does hits all of them.  Two controls: "read once" is what no census can be faster than, "spin" takes a CPU
 * for as long as a census, but reads nobody's memory.
 *   census_bench [--rounds N] [--full] [--depth CALLS] [GOROUTINES...]
 *     --full   debug=2 at a million, too, which takes minutes
 *     --depth  calls on the stack of each goroutine of the sizes that follow; 4 when it is not given.  An idle keep-alive
 *              connection of net/http has 13, a handler that waits for its database some 25.
 * The output is Markdown.
 * Owns: the zoo.  Threads: main and the client's.  Privilege: none. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/census.h"
#include "brownout/model/hist.h"
#include "census_floor.h"
#include "zookit.h"

#define ROUNDS_MAX 1000
#define WINDOW_NS (100 * BO_NSEC_PER_MSEC)
/* What a way may take of all, twins included; and how often it runs at least. */
#define BUDGET_NS (15 * BO_NSEC_PER_SEC)
#define ROUNDS_MIN 5
#define COUNTS 10000
#define DEPTH 4u
#define DEPTH_OF_SERVICES 16u
#define DEPTH_MAX 100u
#define REQUEST_EVERY_NS BO_NSEC_PER_MSEC

enum way { CENSUS, READ, SPIN, DEBUG1, DEBUG2, WAYS };
static const char *const way_names[] = { "census", "read once", "spin", "debug=1", "debug=2" };

/* What one window says about the service, in ns: its latest wake-up, and the 99th percentile of its answers. */
struct felt {
	int64_t late, p99;
};

struct way_figures {
	int64_t look_ns[ROUNDS_MAX], cpu_ns[ROUNDS_MAX];
	/* With a look, without, and the difference window by window. */
	int64_t late[3][ROUNDS_MAX], p99[3][ROUNDS_MAX];
	size_t n, want;
	int64_t last_ns, last_cpu_ns;
};

static struct {
	struct zoo zoo;
	struct sockaddr_in server;
	struct bo_census *census;
	struct bo_census_snapshot snap;
	struct census_floor *floor;
	struct way_figures ways[WAYS];
	struct bo_hist latency;
	_Atomic(struct bo_hist *) into; /* where the client notes a latency; NULL: nowhere */
	_Atomic int64_t client_due_ns;
	atomic_bool stop;
} bench;

static void die(const char *what)
{
	fprintf(stderr, "census_bench: %s\n", what);
	exit(1);
}

static int dial(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&bench.server, sizeof(bench.server)))
		die("cannot connect to the zoo");
	return fd;
}

/* One GET on a connection of its own.  @body: where the end of the answer goes, or NULL */
static void get(const char *path, char *body, size_t size)
{
	static char buf[1 << 16];
	int fd = dial();
	ssize_t n;

	dprintf(fd, "GET %s HTTP/1.0\r\nHost: zoo\r\n\r\n", path);
	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		const char *end;

		buf[n] = 0;
		end = strstr(buf, "\r\n\r\n");
		if (body)
			snprintf(body, size, "%s", end ? end + 4 : buf);
	}
	close(fd);
}

static void sleep_until(int64_t t_ns)
{
	struct timespec t = { .tv_sec = t_ns / BO_NSEC_PER_SEC, .tv_nsec = t_ns % BO_NSEC_PER_SEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

/* An open loop: who is kept waiting keeps all that come after him waiting. */
static void *run_client(void *arg)
{
	static const char request[] = "GET /hello HTTP/1.1\r\nHost: zoo\r\n\r\n";
	int64_t due = bo_now_ns();
	int fd = dial();
	char buf[1024];

	(void)arg;
	while (!atomic_load(&bench.stop)) {
		struct bo_hist *into;
		size_t len = 0;
		ssize_t n;

		due += REQUEST_EVERY_NS;
		atomic_store(&bench.client_due_ns, due);
		sleep_until(due);
		into = atomic_load(&bench.into);
		if (write(fd, request, sizeof(request) - 1) < 0)
			die("the zoo is gone");
		do {
			n = read(fd, buf + len, sizeof(buf) - 1 - len);
			if (n <= 0)
				die("the zoo is gone");
			len += (size_t)n;
			buf[len] = 0;
		} while (!strstr(buf, "\r\n\r\nhello\n"));
		/* The histogram has one writer at a time: main touches it only while @into is NULL. */
		if (into)
			bo_hist_record(into, bo_now_ns() - due);
	}
	close(fd);
	return NULL;
}

static void look(enum way way)
{
	struct bo_err err = { 0 };
	int64_t end;

	switch (way) {
	case CENSUS:
		if (bo_census_snapshot(bench.census, BO_CENSUS_ALL, &bench.snap, &err))
			die(err.msg);
		break;
	case READ:
		census_floor_read(bench.floor);
		break;
	case SPIN:
		end = bo_now_ns() + bench.ways[CENSUS].last_ns;
		while (bo_now_ns() < end)
			;
		break;
	case DEBUG1:
		get("/debug/pprof/goroutine?debug=1", NULL, 0);
		break;
	default:
		get("/debug/pprof/goroutine?debug=2", NULL, 0);
		break;
	}
}

/* CPU time so far of this thread and of the service, the answers to the client included. */
static int64_t cpu_now(void)
{
	struct timespec own, service;
	clockid_t clock;

	if (clock_getcpuclockid(bench.zoo.pid, &clock) || clock_gettime(clock, &service) ||
	    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own))
		die("no CPU time");
	return (own.tv_sec + service.tv_sec) * BO_NSEC_PER_SEC + own.tv_nsec + service.tv_nsec;
}

/* One window of *@len_ns, or longer; @way: WAYS for no look */
static struct felt window(enum way way, int64_t *len_ns)
{
	char answer[64] = "";
	int64_t t0, cpu0, end;

	bo_hist_reset(&bench.latency);
	get("/late", NULL, 0);
	atomic_store(&bench.into, &bench.latency);
	cpu0 = cpu_now();
	t0 = bo_now_ns();
	if (way != WAYS) {
		look(way);
		bench.ways[way].last_ns = bo_now_ns() - t0;
		bench.ways[way].last_cpu_ns = cpu_now() - cpu0;
	}
	end = bo_now_ns() > t0 + *len_ns ? bo_now_ns() : t0 + *len_ns;
	sleep_until(end);
	*len_ns = end - t0;
	/* Requests that were due in this window belong to it, however late they are. */
	while (atomic_load(&bench.client_due_ns) <= end)
		sleep_until(bo_now_ns() + REQUEST_EVERY_NS);
	atomic_store(&bench.into, NULL);
	get("/late", answer, sizeof(answer));
	return (struct felt){ atoll(answer), bo_hist_quantile(&bench.latency, 0.99) };
}

static void measure_once(enum way way)
{
	struct way_figures *f = &bench.ways[way];
	int64_t len = WINDOW_NS;
	struct felt with, without = { 0 };
	size_t i = f->n++;

	if (i % 2) {
		len = f->last_ns > len ? f->last_ns : len;
		without = window(WAYS, &len);
	}
	with = window(way, &len);
	if (i % 2 == 0)
		without = window(WAYS, &len);
	f->look_ns[i] = f->last_ns;
	f->cpu_ns[i] = f->last_cpu_ns;
	f->late[0][i] = with.late;
	f->late[1][i] = without.late;
	f->late[2][i] = with.late - without.late;
	f->p99[0][i] = with.p99;
	f->p99[1][i] = without.p99;
	f->p99[2][i] = with.p99 - without.p99;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void sort(int64_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
}

/*
 * Index of the lower end of the 95 % confidence interval of the median, by the binomial distribution's normal approximation
 * (n/2 - 1.96·√n/2); the upper end is as far from the other end.  Below six values it is all of them.
 */
static size_t median_low(size_t n)
{
	double low = ((double)n - 1.96 * sqrt((double)n)) / 2;

	return low > 0 ? (size_t)low : 0;
}

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/* Medians with and without, and of the difference with its confidence interval. */
static void print_felt(int64_t felt[3][ROUNDS_MAX], size_t n)
{
	size_t low = median_low(n);

	for (size_t i = 0; i < 3; i++)
		sort(felt[i], n);
	printf(" | %.2f / %.2f | %+.2f [%+.2f, %+.2f]", ms(felt[0][n / 2]), ms(felt[1][n / 2]),
	       ms(felt[2][n / 2]), ms(felt[2][low]), ms(felt[2][n - 1 - low]));
}

static void print_way(uint64_t n, unsigned int depth, enum way way)
{
	struct way_figures *f = &bench.ways[way];

	if (!f->n)
		return;
	printf("| %" PRIu64 " | %u | %s | %.3g [%.3g, %.3g] | %.3g | %zu", n, depth, way_names[way],
	       ms(f->look_ns[f->n / 2]), ms(f->look_ns[f->n / 4]), ms(f->look_ns[f->n * 3 / 4]),
	       ms(f->cpu_ns[f->n / 2]), f->n);
	for (enum way to = DEBUG1; to <= DEBUG2; to++) {
		const struct way_figures *other = &bench.ways[to];

		if (way == SPIN || way >= to || !other->n)
			printf(" | ");
		else
			printf(" | %.3g× (%.3g×)",
			       ms(other->look_ns[other->n / 2]) / ms(f->look_ns[f->n / 2]),
			       ms(other->cpu_ns[other->n / 2]) / ms(f->cpu_ns[f->n / 2]));
	}
	print_felt(f->late, f->n);
	print_felt(f->p99, f->n);
	printf(" |\n");
	fflush(stdout);
}

static void print_count(uint64_t n)
{
	static int64_t took[COUNTS];
	struct bo_err err = { 0 };
	int64_t count = 0;

	for (size_t i = 0; i < COUNTS; i++) {
		int64_t t0 = bo_now_ns();

		if (bo_census_count(bench.census, &count, &err))
			die(err.msg);
		took[i] = bo_now_ns() - t0;
	}
	sort(took, COUNTS);
	printf("| %" PRIu64 " | | count | %.2g [%.2g, %.2g] | | %d | | | | | | |\n", n,
	       ms(took[COUNTS / 2]), ms(took[COUNTS / 4]), ms(took[COUNTS * 3 / 4]), COUNTS);
	fflush(stdout);
}

/* Private pages of this program that are in memory. */
static double resident_mib(void)
{
	long pages = 0, shared = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%*d %ld %ld", &pages, &shared) != 2)
		die("no /proc/self/statm");
	fclose(f);
	return (double)(pages - shared) * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static double start(uint64_t n, unsigned int depth)
{
	char many[32], calls[32];
	const char *args[] = { "-bulk", many, "-depth", calls, "-http", "127.0.0.1:0", NULL };
	struct bo_err err = { 0 };
	double before;
	int port = 0;

	snprintf(many, sizeof(many), "%" PRIu64, n);
	snprintf(calls, sizeof(calls), "%u", depth);
	if (!zoo_start(&bench.zoo, ZOO, args) ||
	    sscanf(bench.zoo.address, "127.0.0.1:%d", &port) != 1)
		die(ZOO " does not start");
	bench.server = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_port = htons((uint16_t)port),
					     .sin_addr = { htonl(INADDR_LOOPBACK) } };
	before = resident_mib();
	if (bo_census_attach(&bench.census, bench.zoo.pid, 0, &err))
		die(err.msg);
	for (int i = 0; i < 3; i++)
		look(CENSUS);
	return resident_mib() - before;
}

/* How often each way will run; the first look of each is for that, and for nothing else. */
static void plan(uint64_t n, size_t rounds, bool full)
{
	for (enum way way = CENSUS; way < WAYS; way++) {
		struct way_figures *f = &bench.ways[way];
		int64_t t0 = bo_now_ns(), each;

		f->n = f->want = 0;
		if (way == DEBUG2 && n > 200000 && !full)
			continue;
		look(way);
		f->last_ns = bo_now_ns() - t0;
		each = 2 * (f->last_ns > WINDOW_NS ? f->last_ns : WINDOW_NS);
		f->want = (size_t)(BUDGET_NS / each);
		f->want = f->want < ROUNDS_MIN ? ROUNDS_MIN : f->want > rounds ? rounds : f->want;
	}
}

static void run(uint64_t n, unsigned int depth, size_t rounds, bool full)
{
	double engine_mib = start(n, depth);
	pthread_t client;

	bench.floor = census_floor_new(bench.zoo.pid);
	plan(n, rounds, full);
	atomic_store(&bench.stop, false);
	if (pthread_create(&client, NULL, run_client, NULL))
		die("no thread");
	/* Whoever runs less often than others still runs from the beginning to the end. */
	for (size_t i = 0; i < rounds; i++)
		for (enum way way = CENSUS; way < WAYS; way++)
			if ((i + 1) * bench.ways[way].want / rounds >
			    i * bench.ways[way].want / rounds)
				measure_once(way);
	atomic_store(&bench.stop, true);
	pthread_join(client, NULL);
	/* Sorted before they are printed, since each is printed beside others. */
	for (enum way way = CENSUS; way < WAYS; way++) {
		sort(bench.ways[way].look_ns, bench.ways[way].n);
		sort(bench.ways[way].cpu_ns, bench.ways[way].n);
	}
	print_count(n);
	for (enum way way = CENSUS; way < WAYS; way++)
		print_way(n, depth, way);
	printf("\n%" PRIu64
	       " goroutines: attach %.0f ms, engine %.1f MiB; a look reads %.1f MB in %zu system "
	       "calls; read once: %.1f MB, %.1f GB/s.\n\n",
	       n, ms(bo_census_info(bench.census)->attach_ns), engine_mib,
	       (double)bench.floor->bytes / 1e6, bench.floor->calls,
	       (double)bench.floor->once_bytes / 1e6,
	       (double)bench.floor->once_bytes /
		       (double)bench.ways[READ].look_ns[bench.ways[READ].n / 2]);
	census_floor_free(bench.floor);
	bo_census_free(bench.census);
	bench.census = NULL;
	zoo_stop(&bench.zoo);
}

int main(int argc, char **argv)
{
	static const struct {
		uint64_t n;
		unsigned int depth;
	} usual[] = {
		{ 1000, DEPTH },
		{ 100000, DEPTH },
		{ 100000, DEPTH_OF_SERVICES },
		{ 1000000, DEPTH },
	};
	unsigned int depth = DEPTH;
	bool full = false, asked = false;
	struct bo_err err = { 0 };
	size_t rounds = 40;

	if (bo_hist_init(&bench.latency, &err))
		die(err.msg);
	printf("Milliseconds. One look: median [quartiles] of n. CPU: of the look and of the service meanwhile; its ratio in brackets. Late: the latest wake-up of the service in a window "
	       "of %d ms, or as long as the look, with a look / without; p99: of its HTTP answers there: medians, "
	       "and the median of the differences [95 %% confidence].\n\n"
	       "| goroutines | calls | | one look | CPU | n | debug=1 takes | debug=2 takes | late | difference | p99 | difference |\n"
	       "|-|-|-|-|-|-|-|-|-|-|-|-|\n",
	       (int)(WINDOW_NS / BO_NSEC_PER_MSEC));
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--full")) {
			full = true;
		} else if (!strcmp(argv[i], "--rounds") && i + 1 < argc) {
			rounds = strtoul(argv[++i], NULL, 10);
			if (rounds < ROUNDS_MIN || rounds > ROUNDS_MAX)
				die("--rounds: 5 to 1000");
		} else if (!strcmp(argv[i], "--depth") && i + 1 < argc) {
			depth = (unsigned int)strtoul(argv[++i], NULL, 10);
			if (depth < 1 || depth > DEPTH_MAX)
				die("--depth: 1 to 100");
		} else {
			run(strtoull(argv[i], NULL, 10), depth, rounds, full);
			asked = true;
		}
	}
	for (size_t i = 0; !asked && i < sizeof(usual) / sizeof(*usual); i++) {
		if (usual[i].n > 500000 &&
		    (double)sysconf(_SC_AVPHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) < 6e9)
			printf("A million goroutines need 6 GB of free memory: left out.\n");
		else
			run(usual[i].n, usual[i].depth, rounds, full);
	}
	bo_census_snapshot_done(&bench.snap);
	bo_hist_done(&bench.latency);
	return 0;
}
