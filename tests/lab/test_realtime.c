/* SPDX-License-Identifier: Apache-2.0 */
/* lab/test_realtime.c — threads of a conductor, which has no privilege left, become SCHED_FIFO by the keeper's hand when
 * the machine keeps them waiting, and are ordinary again by their own.
 * Owns: its keepers.  Threads: as said.  Privilege: root with CAP_SYS_NICE, else 77. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "brownout/base/clock.h"
#include "brownout/base/wake.h"
#include "support/labkit.h"

#define S BO_NSEC_PER_SEC
#define MAX_HOGS 64

/** policy_of() - of a thread of this process, from proc(5)'s stat;  Return: -1 when it has ended
 * @name: its own;  @ret_priority: may be NULL */
static int policy_of(const char *tid, char name[64], int *ret_priority)
{
	char path[64], text[1024] = "", *at;
	int priority = 0, policy = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", tid);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	at = strrchr(text, ')');
	if (!at || sscanf(text, "%*d (%63[^)]", name) != 1)
		return -1;
	/* Field 3 follows the name; 40 is the priority, 41 the policy. */
	for (int field = 2; field < 40 && at; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%d %d", &priority, &policy) != 2)
		return -1;
	if (ret_priority)
		*ret_priority = priority;
	return policy;
}

static bool could; /* when this program began */

static void need_realtime(struct labkit *kit)
{
	struct bo_machine machine;

	OK(bo_keeper_machine(kit->keeper, &machine, &err));
	CHECK(machine.realtime || !could, "this process could, the keeper cannot: %s",
	      machine.why_not_realtime);
	if (!machine.realtime) {
		fprintf(stderr, "cannot run here: %s\n", machine.why_not_realtime);
		exit(77);
	}
}

/* It is late, uses little, and asks; then it burns; then it is late and light again. */
static void *late_light_heavy(void *arg)
{
	struct bo_wake wake = { .realtime_ppm = 200000 };
	int64_t now = bo_now_ns(), deadline = now + 20 * S;
	char tid[24], name[64];
	int priority = -1;

	(void)arg;
	snprintf(tid, sizeof(tid), "%d", (int)gettid());
	bo_wake_learn(&wake, now - S, now);
	for (int round = 0; round < 2; round++) {
		while (!wake.realtime && now < deadline) {
			now = bo_now_ns();
			bo_wake_tick(&wake, now);
			(void)bo_wake_at(&wake, now);
			usleep(500);
		}
		CHECK(wake.realtime && !wake.refused, "never became real-time");
		CHECK(policy_of(tid, name, &priority) == SCHED_FIFO && priority == 1,
		      "policy %d, priority %d", policy_of(tid, name, NULL), priority);
		CHECK(sched_getscheduler(0) & SCHED_RESET_ON_FORK,
		      "what it forks is real-time too");
		while (wake.realtime && now < deadline) {
			now = bo_now_ns();
			bo_wake_tick(&wake, now);
			(void)bo_wake_at(&wake, now);
		}
		CHECK(policy_of(tid, name, NULL) == SCHED_OTHER,
		      "still real-time though it uses a CPU");
	}
	return NULL;
}

static void by_the_keepers_hand(void)
{
	struct bo_plan *plan = labkit_plan();
	struct sched_param lowest = { .sched_priority = 1 };
	struct labkit kit;
	pthread_t thread;

	labkit_open(&kit, plan);
	need_realtime(&kit);
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0)
		fprintf(stderr,
			"RLIMIT_RTPRIO could be set here: this says nothing of the keeper\n");
	CHECK(pthread_create(&thread, NULL, late_light_heavy, NULL) == 0, "no thread");
	pthread_join(thread, NULL);
	labkit_close(&kit);
}

static void *hog_main(void *arg)
{
	const atomic_bool *stop = arg;

	while (!atomic_load_explicit(stop, memory_order_relaxed))
		;
	return NULL;
}

/** wires_realtime() - threads of wires that are SCHED_FIFO now */
static int wires_realtime(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	char name[64];
	int n = 0;

	CHECK(dir, "no /proc/self/task");
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' &&
		     policy_of(entry->d_name, name, NULL) == SCHED_FIFO &&
		     strcmp(name, "bo-wire") == 0;
	closedir(dir);
	return n;
}

static void wires_on_a_busy_machine(void)
{
	const struct bo_impair late = { .delay_ns = 2 * BO_NSEC_PER_MSEC };
	unsigned int nhogs = 2 * bo_wake_cpus();
	struct bo_plan *plan = labkit_plan();
	pthread_t hogs[MAX_HOGS];
	atomic_bool stop = false;
	struct labkit kit;
	int64_t deadline;
	int seen = 0;

	labkit_open(&kit, plan);
	need_realtime(&kit);
	if (!kit.wires[CLIENT_SVC]) {
		fprintf(stderr, "cannot run here: links are not wires\n");
		exit(77);
	}
	CHECK(wires_realtime() == 0, "real-time before anything was due");
	for (int dir = 0; dir < BO_DIR_COUNT; dir++)
		OK(bo_wire_impair(kit.wires[CLIENT_SVC], (enum bo_dir)dir, &late, &err));
	if (nhogs > MAX_HOGS)
		nhogs = MAX_HOGS;
	for (unsigned int i = 0; i < nhogs; i++)
		CHECK(pthread_create(&hogs[i], NULL, hog_main, &stop) == 0, "no thread");
	/* Each refused connection is a packet there and one back. */
	for (deadline = bo_now_ns() + 30 * S; !seen && bo_now_ns() < deadline;
	     seen = wires_realtime())
		(void)!labkit_connect(kit.view.nodes[SVC].address4, 9, S);
	stop = true;
	for (unsigned int i = 0; i < nhogs; i++)
		pthread_join(hogs[i], NULL);
	CHECK(seen > 0, "no wire became real-time in 30 s of %u busy threads", nhogs);
	labkit_close(&kit);
}

int main(int argc, char **argv)
{
	static const struct labkit_test tests[] = {
		{ "by_the_keepers_hand", by_the_keepers_hand },
		{ "wires_on_a_busy_machine", wires_on_a_busy_machine },
	};

	const struct sched_param lowest = { .sched_priority = 1 }, none = { 0 };

	could = sched_setscheduler(0, SCHED_FIFO, &lowest) == 0;
	if (could)
		(void)sched_setscheduler(0, SCHED_OTHER, &none);
	return labkit_main(tests, sizeof(tests) / sizeof(tests[0]), argc, argv);
}
