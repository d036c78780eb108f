/* SPDX-License-Identifier: Apache-2.0 */
/* census/memory.h — reading the target's memory, through process_vm_readv(2), /proc/PID/mem or whatever stands in.
 * Owns: a reader owns its descriptor; a cache owns its pages.  Threads: one at a time.
 * Privilege: PTRACE_MODE_ATTACH for process_vm_readv(2); none with a descriptor. */
#pragma once
#include "brownout/census.h"

/* What the kernel takes in one process_vm_readv(2) (UIO_MAXIOV). */
#define BO_GOMEM_BATCH 1024
/* No user address of amd64 or arm64 (48-bit) is beyond; keeps sums of hostile numbers from wrapping. */
#define BO_GOMEM_TOP (UINT64_C(1) << 56)

/** bo_gomem_vm() - process_vm_readv(2) of @pid */
void bo_gomem_vm(struct bo_census_memory *ret, pid_t pid);
/** bo_gomem_fd() - pread(2) of /proc/PID/mem; @fd: [consumed] */
void bo_gomem_fd(struct bo_census_memory *ret, int fd);
void bo_gomem_close(struct bo_census_memory *memory);

/** bo_gomem_read() - all of it or -EFAULT, -ESRCH, -EPERM … */
BO_NODISCARD int bo_gomem_read(const struct bo_census_memory *memory, uint64_t addr, void *into,
			       size_t len);
/** bo_gomem_read_many() - every piece or an error, any number of pieces */
BO_NODISCARD int bo_gomem_read_many(const struct bo_census_memory *memory,
				    const struct bo_census_piece *pieces, size_t n);

#define BO_GOMEM_PAGE 4096
#define BO_GOMEM_PAGES 512

/**
 * struct bo_gomem_cache - pages of the target that never change: text, read-only data, pclntab
 * Direct-mapped, 2 MiB.  Not for anything that the target writes to.
 */
struct bo_gomem_cache {
	const struct bo_census_memory *memory; /* [borrowed] */
	uint64_t *tags;                        /* page number + 1, 0 for none */
	uint8_t *pages;
	int error; /* last failure of the reader itself (-ESRCH …), 0 when only single pages were not readable */
};
BO_NODISCARD int bo_gomem_cache_init(struct bo_gomem_cache *cache,
				     const struct bo_census_memory *memory);
void bo_gomem_cache_done(struct bo_gomem_cache *cache);
/** bo_gomem_cached() - all of it or -EFAULT */
BO_NODISCARD int bo_gomem_cached(struct bo_gomem_cache *cache, uint64_t addr, void *into,
				 size_t len);
/** bo_gomem_cached_str() - a string of at most @size - 1 bytes; longer ones are cut.  -EFAULT when it is not readable */
BO_NODISCARD int bo_gomem_cached_str(struct bo_gomem_cache *cache, uint64_t addr, char *into,
				     size_t size);

static inline uint64_t bo_gomem_u64(const uint8_t *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t bo_gomem_u32(const uint8_t *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}
