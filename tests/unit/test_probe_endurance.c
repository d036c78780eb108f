/* SPDX-License-Identifier: Apache-2.0 */
/* The census over a long time, beside a Go program that never stops starting goroutines: the harness's memory grows by what
 * the run keeps and by nothing else, and counting allocates nothing.
 * Shortened in the suite (500 counts a second for some seconds).  BROWNOUT_ENDURANCE_S=3600 runs it for an hour with a
 * hundred counts a second, as in a run.
 * Owns: the zoo.  Threads: the sampler's.  Privilege: PTRACE_MODE_ATTACH over the zoo. */
#include "sampler_kit.h"

#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "zookit.h"

#define SHORT_S 8
/* Vectors double: of what is added between two looks as much again may be room. */
#define ROOM 2
#define SLACK_BYTES (256 * 1024)

/* ---- malloc(3), counted ---- */

static atomic_llong live_bytes;
static atomic_ullong sampler_calls, census_calls;

/* gcc has macros, clang a feature test. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COUNTED false
#else
#define COUNTED true

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void __libc_free(void *p);

enum who { NOT_KNOWN, SAMPLER, CENSUS, OTHER };

static void note(const void *p)
{
	static _Thread_local enum who who;

	/* A thread takes its name first of all. */
	if (who == NOT_KNOWN) {
		char name[16] = "";

		prctl(PR_GET_NAME, name);
		who = !strcmp(name, "bo-sampler")  ? SAMPLER
		      : !strcmp(name, "bo-census") ? CENSUS
						   : OTHER;
	}
	if (who == SAMPLER)
		atomic_fetch_add(&sampler_calls, 1);
	else if (who == CENSUS)
		atomic_fetch_add(&census_calls, 1);
	if (p)
		atomic_fetch_add(&live_bytes, (long long)malloc_usable_size((void *)(uintptr_t)p));
}

static void forget(void *p)
{
	if (p)
		atomic_fetch_sub(&live_bytes, (long long)malloc_usable_size(p));
}

void *malloc(size_t size)
{
	void *p = __libc_malloc(size);

	note(p);
	return p;
}

void *calloc(size_t n, size_t size)
{
	void *p = __libc_calloc(n, size);

	note(p);
	return p;
}

void *realloc(void *old, size_t size)
{
	size_t had = old ? malloc_usable_size(old) : 0;
	void *p = __libc_realloc(old, size);

	if (p || !size)
		atomic_fetch_sub(&live_bytes, (long long)had);
	note(p);
	return p;
}

void free(void *p)
{
	forget(p);
	__libc_free(p);
}
#endif

/* ---- */

static int64_t resident_bytes(void)
{
	FILE *in = fopen("/proc/self/statm", "re");
	long long size, resident;

	assert_non_null(in);
	assert_int_equal(fscanf(in, "%lld %lld", &size, &resident), 2);
	fclose(in);
	return resident * sysconf(_SC_PAGESIZE);
}

struct mark {
	int64_t t_ns;
	long long live;
	unsigned long long sampler, census;
	int64_t resident;
};

static struct mark mark(void)
{
	return (struct mark){ bo_now_ns(), atomic_load(&live_bytes), atomic_load(&sampler_calls),
			      atomic_load(&census_calls), resident_bytes() };
}

/* What the run got from @a to @b; @walks: of /proc, each of which opens a folder. */
struct crop {
	size_t samples, counts, walks, snapshots, groups;
};

static struct crop harvest(const struct kit *k, int64_t t0_ns, const struct mark *a,
			   const struct mark *b)
{
	struct crop c = { 0 };

	bo_vec_foreach(s, &k->run->series) {
		bo_vec_foreach(it, &(*s)->samples) {
			bool within = it->t_ns >= a->t_ns - t0_ns && it->t_ns < b->t_ns - t0_ns;

			c.samples += within;
			c.counts += within && !strcmp((*s)->name, BO_SERIES_GOROUTINES);
			c.walks += within && !strcmp((*s)->name, BO_SERIES_RSS);
		}
	}
	bo_vec_foreach(s, &k->run->snapshots) {
		if (s->t_ns < a->t_ns - t0_ns || s->t_ns >= b->t_ns - t0_ns)
			continue;
		c.snapshots++;
		c.groups += s->ngroups + 1;
	}
	return c;
}

static void endure(struct kit *k, int node, int64_t ns)
{
	int64_t until_ns = bo_now_ns() + ns;

	while (bo_now_ns() < until_ns) {
		poll(NULL, 0, 50);
		kit_wait(k, BO_SERIES_GOROUTINES, node, kit_any, 0);
	}
}

static void test_memory_does_not_grow(void **state)
{
	static const char *const args[] = { "-kinds", "5", "-churn", "2", "-quiet=false", NULL };
	const char *asked = getenv("BROWNOUT_ENDURANCE_S");
	int64_t seconds = asked ? atoll(asked) : SHORT_S, t0_ns;
	struct kit *k = kit_new();
	int node = kit_node(k, "orders", BO_ROLE_SUBJECT);
	struct mark a, b;
	struct crop c;
	int64_t room;
	struct zoo zoo;

	(void)state;
	assert_true(zoo_start(&zoo, ZOO_DIR "/zoo", args));
	kit_spec(k, node)->probe.interval_ns = (asked ? 10 : 2) * BO_NSEC_PER_MSEC;
	kit_sampler(k);
	bo_sampler_set_pid(k->sampler, node, zoo.pid);
	kit_detect(k);
	t0_ns = bo_now_ns();
	kit_start(k);
	/* What is made once is made in the beginning. */
	endure(k, node, 3 * BO_NSEC_PER_SEC);
	a = mark();
	endure(k, node, seconds * BO_NSEC_PER_SEC);
	b = mark();
	bo_sampler_stop(k->sampler);
	c = harvest(k, t0_ns, &a, &b);
	room = (int64_t)(c.samples * sizeof(struct bo_sample) +
			 c.snapshots * sizeof(struct bo_group_snapshot) +
			 c.groups * sizeof(struct bo_group)) *
		       ROOM +
	       SLACK_BYTES;
	print_message(
		"%" PRId64
		" s: %zu counts, %zu samples, %zu walks of /proc, %zu snapshots of %zu groups; "
		"%lld KiB more in use, %" PRId64 " KiB allowed; resident %" PRId64 " KiB more; "
		"calls of malloc: %llu by the sampler, %llu by the census\n",
		seconds, c.counts, c.samples, c.walks, c.snapshots,
		c.snapshots ? c.groups / c.snapshots - 1 : 0, (b.live - a.live) / 1024, room / 1024,
		(b.resident - a.resident) / 1024, b.sampler - a.sampler, b.census - a.census);
	/* The test has seen what it is about: at a tenth of the pace at least. */
	assert_true((int64_t)c.counts > seconds * (asked ? 10 : 50));
	assert_true((int64_t)c.snapshots >= 2);
	/* A sanitizer keeps for a while what was freed. */
	if (COUNTED) {
		assert_true(b.resident - a.resident < room + 8 * 1024 * 1024);
		assert_true(b.live - a.live < room);
		/* Each series' vector grows now and then, and that is all. */
		assert_true(b.sampler - a.sampler < c.walks + 40 + c.counts / 200);
		assert_true(b.census - a.census < 100 * c.snapshots);
	}
	kit_free(k);
	zoo_stop(&zoo);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_memory_does_not_grow) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
