/* SPDX-License-Identifier: Apache-2.0 */
/* base/wake.c — see the header.
 * Owns: nothing.  Threads: one per record.  Privilege: none needed. */
#include "brownout/base/wake.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "brownout/base/clock.h"

#define ALL_PPM 1000000
#define TOGETHER_POLL_PPM 125000     /* per CPU of the machine */
#define TOGETHER_REALTIME_PPM 250000 /* the same */
/* A step down per wake-up, several up when it came too late: this settles where as many are late as that allows. */
#define STEP_NS 100
#define LATE_STEPS 9

void bo_wake_allow_realtime(void)
{
	const struct rlimit lowest = { .rlim_cur = 1, .rlim_max = 1 };
	struct rlimit now;

	if (getrlimit(RLIMIT_RTPRIO, &now) == 0 && now.rlim_cur < 1)
		(void)setrlimit(RLIMIT_RTPRIO, &lowest);
}

static int64_t share(int64_t together_ppm, unsigned int threads, unsigned int cpus)
{
	int64_t one_ppm = together_ppm * cpus / (threads ? threads : 1);

	return one_ppm < BO_WAKE_ONE_PPM ? one_ppm : BO_WAKE_ONE_PPM;
}

void bo_wake_share(struct bo_wake *wake, unsigned int threads, unsigned int cpus)
{
	wake->poll_ppm = cpus > 2 ? share(TOGETHER_POLL_PPM, threads, cpus) : 0;
	wake->realtime_ppm = share(TOGETHER_REALTIME_PPM, threads, cpus);
}

unsigned int bo_wake_cpus(void)
{
	cpu_set_t set;

	/* Fails on machines of more than 1024 CPUs: there are enough then. */
	return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned int)CPU_COUNT(&set)
							    : CPU_SETSIZE;
}

bool bo_wake_judge(const struct bo_wake *wake, int64_t now_ns, int64_t passed_ns, int64_t cpu_ns)
{
	double ppm = (double)cpu_ns * ALL_PPM / (double)passed_ns;

	return now_ns < wake->realtime_until_ns && now_ns - wake->timed_ns < BO_WAKE_TIMED_NS &&
	       ppm < (double)wake->realtime_ppm / (wake->realtime ? 1 : 2);
}

static int64_t thread_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

/* Who makes a thread real-time that may not do it itself. */
static struct {
	pthread_mutex_t lock;
	void (*ask)(void *arg, pid_t tid);
	void *arg;
} helper = { .lock = PTHREAD_MUTEX_INITIALIZER };

void bo_wake_realtime_by(void (*ask)(void *arg, pid_t tid), void *arg)
{
	pthread_mutex_lock(&helper.lock);
	helper.ask = ask;
	helper.arg = arg;
	pthread_mutex_unlock(&helper.lock);
}

static bool ask_helper(void)
{
	bool asked;

	pthread_mutex_lock(&helper.lock);
	asked = helper.ask != NULL;
	if (asked)
		helper.ask(helper.arg, gettid());
	pthread_mutex_unlock(&helper.lock);
	return asked;
}

static void reschedule(struct bo_wake *wake, int64_t now_ns, bool realtime)
{
	struct sched_param param = { .sched_priority = realtime ? 1 : 0 };
	int policy = (realtime ? SCHED_FIFO : SCHED_OTHER) | SCHED_RESET_ON_FORK;

	/* No real-time thread needs a privilege to become an ordinary one. */
	if (sched_setscheduler(0, policy, &param) == 0) {
		wake->realtime = realtime;
	} else if (!wake->asked_ns || now_ns - wake->asked_ns >= BO_WAKE_ASK_NS) {
		wake->refused = !ask_helper();
		wake->asked_ns = now_ns;
	}
}

void bo_wake_tick(struct bo_wake *wake, int64_t now_ns)
{
	int64_t passed_ns = now_ns - wake->at_ns;
	int64_t cpu_ns;
	bool realtime;

	/* More than a second's worth is never saved. */
	if (passed_ns > BO_NSEC_PER_SEC)
		passed_ns = BO_NSEC_PER_SEC;
	wake->at_ns = now_ns;
	wake->saved_ns += passed_ns * wake->poll_ppm / ALL_PPM;
	if (wake->saved_ns > BO_WAKE_SAVED_MAX_NS)
		wake->saved_ns = BO_WAKE_SAVED_MAX_NS;

	if (wake->refused || now_ns - wake->window_ns < BO_WAKE_WINDOW_NS)
		return;
	cpu_ns = thread_cpu_ns();
	realtime = bo_wake_judge(wake, now_ns, now_ns - wake->window_ns,
				 cpu_ns - wake->window_cpu_ns);
	/* Who was asked does it in its own time, if at all. */
	if (wake->asked_ns)
		wake->realtime = (sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO;
	if (realtime != wake->realtime)
		reschedule(wake, now_ns, realtime);
	wake->window_ns = now_ns;
	wake->window_cpu_ns = cpu_ns;
}

int64_t bo_wake_at(struct bo_wake *wake, int64_t due_ns)
{
	wake->timed_ns = wake->at_ns;
	return wake->saved_ns > 0 ? due_ns - wake->early_ns : due_ns;
}

void bo_wake_learn(struct bo_wake *wake, int64_t armed_ns, int64_t now_ns)
{
	bool late = now_ns - armed_ns > wake->early_ns;

	if (now_ns - armed_ns > BO_WAKE_LATE_NS && now_ns >= wake->realtime_until_ns) {
		bool soon = now_ns < wake->realtime_until_ns + wake->realtime_for_ns;

		wake->realtime_for_ns = soon ? wake->realtime_for_ns * 2 : 0;
		if (wake->realtime_for_ns < BO_WAKE_REALTIME_MIN_NS)
			wake->realtime_for_ns = BO_WAKE_REALTIME_MIN_NS;
		if (wake->realtime_for_ns > BO_WAKE_REALTIME_MAX_NS)
			wake->realtime_for_ns = BO_WAKE_REALTIME_MAX_NS;
		wake->realtime_until_ns = now_ns + wake->realtime_for_ns;
	}
	if (late)
		wake->early_ns += (wake->late_steps ? wake->late_steps : LATE_STEPS) * STEP_NS;
	else
		wake->early_ns -= STEP_NS;
	if (wake->early_ns < 0)
		wake->early_ns = 0;
	if (wake->early_ns > BO_WAKE_EARLY_MAX_NS)
		wake->early_ns = BO_WAKE_EARLY_MAX_NS;
}

int64_t bo_wake_linger(const struct bo_wake *wake)
{
	return wake->saved_ns > 0 ? wake->linger_ns : 0;
}

void bo_wake_came(struct bo_wake *wake, int64_t waited_ns)
{
	if (waited_ns <= wake->linger_ns)
		return;
	if (waited_ns > BO_WAKE_LINGER_MAX_NS)
		wake->linger_ns = 0;
	else if (wake->linger_ns < BO_WAKE_LINGER_MIN_NS)
		wake->linger_ns = BO_WAKE_LINGER_MIN_NS;
	else if (wake->linger_ns < BO_WAKE_LINGER_MAX_NS / 2)
		wake->linger_ns *= 2;
	else
		wake->linger_ns = BO_WAKE_LINGER_MAX_NS;
}

void bo_wake_spend(struct bo_wake *wake, int64_t ns)
{
	wake->saved_ns -= ns;
}
