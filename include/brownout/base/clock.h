/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/clock.h — one clock for everything that is timed.
 * All instants are CLOCK_MONOTONIC nanoseconds (clock_gettime(2)); records that go into a run are
 * relative to the run's start.  Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <stdint.h>
#include <time.h>

#define BO_NSEC_PER_USEC INT64_C(1000)
#define BO_NSEC_PER_MSEC INT64_C(1000000)
#define BO_NSEC_PER_SEC INT64_C(1000000000)

/** bo_now_ns() - CLOCK_MONOTONIC now, in nanoseconds */
static inline int64_t bo_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * BO_NSEC_PER_SEC + ts.tv_nsec;
}

static inline struct timespec bo_ns_to_timespec(int64_t ns)
{
	if (ns < 0)
		ns = 0;
	return (struct timespec){ .tv_sec = (time_t)(ns / BO_NSEC_PER_SEC),
				  .tv_nsec = (long)(ns % BO_NSEC_PER_SEC) };
}
