/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_census_memory.c — readers of memory and the page cache, on this very process.
 * Owns: nothing.  Threads: one.  Privilege: none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"

/* A page with nothing behind it.  (/proc/PID/mem reads even what is PROT_NONE.) */
static uint8_t *fenced(void)
{
	uint8_t *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(munmap(p + 4096, 4096), 0);
	memset(p, 'x', 4096);
	return p;
}

static void reads(struct bo_census_memory *m)
{
	uint8_t *p = fenced(), a[16] = "", b[16] = "", c[4] = "";
	const struct bo_census_piece pieces[] = { { (uintptr_t)p, a, 16 },
						  { (uintptr_t)p + 4080, b, 16 },
						  { (uintptr_t)p + 4096, c, 4 },
						  { (uintptr_t)p, c, 4 } };

	assert_int_equal(m->read(m->self, pieces, 2), 2);
	assert_memory_equal(a, "xxxxxxxxxxxxxxxx", 16);
	assert_memory_equal(b, "xxxxxxxxxxxxxxxx", 16);
	/* The third is beyond the fence: two are whole, and what comes after it is not read. */
	assert_int_equal(m->read(m->self, pieces, 4), 2);
	assert_int_equal(bo_gomem_read(m, (uintptr_t)p + 4094, c, 4), -EFAULT);
	assert_int_equal(bo_gomem_read(m, UINT64_MAX - 2, c, 4), -EFAULT);
	assert_int_equal(bo_gomem_read(m, 0, c, 4), -EFAULT);
	munmap(p, 4096);
}

static void test_vm(void **state)
{
	struct bo_census_memory m;

	(void)state;
	bo_gomem_vm(&m, getpid());
	reads(&m);
	bo_gomem_close(&m);
}

static void test_fd(void **state)
{
	struct bo_census_memory m;
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	bo_gomem_fd(&m, fd);
	reads(&m);
	bo_gomem_close(&m);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* More pieces than the kernel takes at once, landing side by side and apart. */
static void test_many_pieces(void **state)
{
	static struct bo_census_piece pieces[3000];
	static uint8_t from[3000], into[6000];
	struct bo_census_memory m;

	(void)state;
	for (size_t i = 0; i < 3000; i++) {
		from[i] = (uint8_t)(i * 7);
		pieces[i] = (struct bo_census_piece){ (uintptr_t)&from[i],
						      &into[i % 3 ? i : i + 3000], 1 };
	}
	bo_gomem_vm(&m, getpid());
	assert_int_equal(m.read(m.self, pieces, 3000), 3000);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(into[i % 3 ? i : i + 3000], (uint8_t)(i * 7));
}

static void test_gone(void **state)
{
	struct bo_census_memory vm, fd;
	char path[64];
	pid_t pid = fork();
	uint8_t b[4];
	int mem;

	(void)state;
	if (!pid) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(mem >= 0);
	bo_gomem_vm(&vm, pid);
	bo_gomem_fd(&fd, mem);
	assert_int_equal(bo_gomem_read(&vm, (uintptr_t)path & ~UINT64_C(7), b, 4), 0);
	assert_int_equal(bo_gomem_read(&fd, (uintptr_t)path & ~UINT64_C(7), b, 4), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(bo_gomem_read(&vm, (uintptr_t)path & ~UINT64_C(7), b, 4), -ESRCH);
	assert_int_equal(bo_gomem_read(&fd, (uintptr_t)path & ~UINT64_C(7), b, 4), -ESRCH);
	bo_gomem_close(&fd);
}

static int reads_made;
static ssize_t counting_read(void *self, const struct bo_census_piece *pieces, size_t n)
{
	const uint8_t *memory = self;

	reads_made++;
	for (size_t i = 0; i < n; i++) {
		if (pieces[i].addr + pieces[i].len > 3 * BO_GOMEM_PAGE)
			return (ssize_t)i;
		memcpy(pieces[i].into, memory + pieces[i].addr, pieces[i].len);
	}
	return (ssize_t)n;
}

static void test_cache(void **state)
{
	static uint8_t memory[3 * BO_GOMEM_PAGE];
	struct bo_census_memory m = { .self = memory, .read = counting_read };
	struct bo_gomem_cache cache;
	uint8_t b[BO_GOMEM_PAGE + 2];
	char text[16];

	(void)state;
	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = (uint8_t)(i * 31 >> 3) | 1;
	assert_int_equal(bo_gomem_cache_init(&cache, &m), 0);
	assert_int_equal(bo_gomem_cached(&cache, BO_GOMEM_PAGE - 1, b, sizeof(b)), 0);
	assert_memory_equal(b, memory + BO_GOMEM_PAGE - 1, sizeof(b));
	assert_int_equal(reads_made, 3);
	assert_int_equal(bo_gomem_cached(&cache, 0, b, 100), 0);
	assert_int_equal(reads_made, 3);
	assert_int_equal(bo_gomem_cached(&cache, 3 * BO_GOMEM_PAGE - 1, b, 2), -EFAULT);
	/* A string across pages, one that is cut, one that runs out of memory. */
	memcpy(memory + BO_GOMEM_PAGE - 3, "across", 7);
	bo_gomem_cache_done(&cache);
	assert_int_equal(bo_gomem_cache_init(&cache, &m), 0);
	assert_int_equal(bo_gomem_cached_str(&cache, BO_GOMEM_PAGE - 3, text, sizeof(text)), 0);
	assert_string_equal(text, "across");
	assert_int_equal(bo_gomem_cached_str(&cache, BO_GOMEM_PAGE - 3, text, 4), 0);
	assert_string_equal(text, "acr");
	assert_int_equal(bo_gomem_cached_str(&cache, 3 * BO_GOMEM_PAGE - 4, text, sizeof(text)),
			 -EFAULT);
	bo_gomem_cache_done(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vm),          cmocka_unit_test(test_fd),
		cmocka_unit_test(test_many_pieces), cmocka_unit_test(test_gone),
		cmocka_unit_test(test_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
