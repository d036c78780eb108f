/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/wake.h — a thread that is awake when something is due.
 *
 * A timer wakes a thread late: some 5 µs on a bare machine, 50 µs where an idle virtual CPU must be
 * scheduled first.  So the thread has itself woken earlier by about as long as that takes here
 * (learned), and polls for what is left, within a budget.
 *
 * A busy machine wakes a thread late by whole time slices, milliseconds.  When that is seen, and
 * where it may (CAP_SYS_NICE, RLIMIT_RTPRIO as bo_wake_allow_realtime() sets it, or by the hand of whoever
 * bo_wake_realtime_by() names), the thread is
 * SCHED_FIFO for a while, as long as things are due: above all that is not, as the kernel's own queues are.  Not always,
 * because an idle machine is better off without: the fair scheduler wakes a thread on the CPU of
 * whoever it answers, SCHED_FIFO where it last ran, which may be one that must be woken first.  And
 * only while it uses little: what uses more shares its CPU fairly again within 10 ms.
 *
 * Owns: nothing (plain record).  Threads: the one that it is about.  Privilege: see above; none is
 * needed. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** No machine that idles wakes up later than this; one that is busy must not be kept busier. */
#define BO_WAKE_EARLY_MAX_NS INT64_C(128000)
/** What wakes a thread later than this is no idle CPU but another thread on it: real-time for a
 * while, and when it is late again soon after that, for twice as long */
#define BO_WAKE_LATE_NS INT64_C(500000)
#define BO_WAKE_REALTIME_MIN_NS INT64_C(10000000000)
#define BO_WAKE_REALTIME_MAX_NS INT64_C(320000000000)
/** A thread for which nothing was due for so long has nothing to be late for. */
#define BO_WAKE_TIMED_NS INT64_C(100000000)
/** How long to wait for an answer before asking for it once more. */
#define BO_WAKE_ASK_NS INT64_C(2000000000)
/** What one thread may use at most for polling, and as a real-time thread: a quarter of a CPU. */
#define BO_WAKE_ONE_PPM INT64_C(250000)
/** How often the use of the CPU is looked at. */
#define BO_WAKE_WINDOW_NS INT64_C(10000000)

/** How long at most to look for what may come, unannounced; and how long at first.  As KVM's halt_poll_ns. */
#define BO_WAKE_LINGER_MAX_NS INT64_C(100000)
#define BO_WAKE_LINGER_MIN_NS INT64_C(10000)

/**
 * struct bo_wake - zero-initialise;  the first two are set by bo_wake_share(), or by whoever knows better
 * @poll_ppm: how much of a CPU polling may take in the long run; 0: it does not poll
 * @realtime_ppm: how much of a CPU the thread may use and still be SCHED_FIFO
 * @late_steps: by how many steps earlier it is woken after it came too late: with n, one wake-up in n + 1 may.  0 stands
 *         for 9
 * @early_ns: how much earlier than due to be woken, learned
 * @saved_ns, @at_ns: the budget of polling, at most BO_WAKE_SAVED_MAX_NS, and when it was reckoned
 * @linger_ns: how long to look for what may come, learned
 * @timed_ns: when something was last due in the future
 * @realtime_until_ns, @realtime_for_ns: see BO_WAKE_REALTIME_MIN_NS
 * @asked_ns: when it was last asked to be made real-time, 0: never
 * @window_ns, @window_cpu_ns: when the window began, and the thread's CPU time then
 */
#define BO_WAKE_SAVED_MAX_NS INT64_C(2000000)
struct bo_wake {
	int64_t poll_ppm;
	int64_t realtime_ppm;
	int64_t late_steps;
	int64_t early_ns;
	int64_t saved_ns;
	int64_t at_ns;
	int64_t linger_ns;
	int64_t timed_ns;
	int64_t realtime_until_ns;
	int64_t realtime_for_ns;
	int64_t asked_ns;
	int64_t window_ns;
	int64_t window_cpu_ns;
	bool realtime;
	bool refused;
};

/** bo_wake_allow_realtime() - let this process, and what it starts, use the lowest of the real-time
 * priorities; to be called while there is CAP_SYS_RESOURCE, without effect otherwise */
void bo_wake_allow_realtime(void);
/** bo_wake_realtime_by() - who makes a thread of this process SCHED_FIFO, SCHED_RESET_ON_FORK, that may not do so itself
 * @ask: called by such a thread, at most every BO_WAKE_ASK_NS; need not wait until it is done.  NULL: nobody, and on
 * return nobody is in there any more.  What it may do with its CPU, and when it is ordinary again, stays its own affair */
void bo_wake_realtime_by(void (*ask)(void *arg, pid_t tid), void *arg);

/**
 * bo_wake_share() - what one of @threads threads like this may use of @cpus CPUs
 * Polling: together an eighth of the machine, one a quarter of a CPU; nothing with two CPUs or
 * fewer.  SCHED_FIFO: together a quarter of the machine, one a quarter of a CPU.
 */
void bo_wake_share(struct bo_wake *wake, unsigned int threads, unsigned int cpus);
/** bo_wake_cpus() - how many this process may run on, at least 1 */
unsigned int bo_wake_cpus(void);

/** bo_wake_tick() - to be called once per turn: reckons the budget and, at most every
 * BO_WAKE_WINDOW_NS, how the thread is scheduled */
void bo_wake_tick(struct bo_wake *wake, int64_t now_ns);
/** bo_wake_judge() - should a thread that used @cpu_ns in the @passed_ns up to @now_ns be SCHED_FIFO
 * from now on?  One that is not must use less than half as much to become it */
bool bo_wake_judge(const struct bo_wake *wake, int64_t now_ns, int64_t passed_ns, int64_t cpu_ns);
/** bo_wake_at() - when to be woken for what is due at @due_ns; if that is now or over, poll */
int64_t bo_wake_at(struct bo_wake *wake, int64_t due_ns);
/** bo_wake_learn() - the timer alone, set to @armed_ns, woke the thread at @now_ns */
void bo_wake_learn(struct bo_wake *wake, int64_t armed_ns, int64_t now_ns);
/** bo_wake_linger() - how long to look for what may come before going to sleep;  Return: 0: not at all */
int64_t bo_wake_linger(const struct bo_wake *wake);
/** bo_wake_came() - something came, @waited_ns after there was nothing to do any more.  It looks longer next time when
 * looking no longer than BO_WAKE_LINGER_MAX_NS would have found it, and not at all when it would not */
void bo_wake_came(struct bo_wake *wake, int64_t waited_ns);
/** bo_wake_spend() - @ns were spent polling in vain */
void bo_wake_spend(struct bo_wake *wake, int64_t ns);
