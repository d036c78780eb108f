/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/census_floor.h — what no census can be faster than: its own reads, repeated without looking at what they bring.
 * Owns: the list of them.  Threads: one.  Privilege: PTRACE_MODE_ATTACH over the process. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/**
 * struct census_floor - the reads of one look, to be repeated
 * @bytes, @calls: what one look reads, in how many system calls
 * @once_bytes: the same with each stretch counted once: the census reads them twice
 */
struct census_floor {
	pid_t pid;
	size_t bytes, calls, once_bytes;
	struct iovec *pieces;
	size_t npieces;
};
/** census_floor_new() - take a census, and note what it reads; ends the program when @pid cannot be read */
struct census_floor *census_floor_new(pid_t pid);
/** census_floor_read() - read each stretch once, and throw it away */
void census_floor_read(const struct census_floor *floor);
void census_floor_free(struct census_floor *floor);
