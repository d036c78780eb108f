/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/census_floor.c — see census_floor.h.  The census takes its memory from a reader that notes what it is asked for.
 * Owns: the notes.  Threads: one.  Privilege: PTRACE_MODE_ATTACH over the process. */
#include "census_floor.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brownout/base/vec.h"
#include "brownout/census.h"

#define BATCH 1024
/* As in the census: what is read stays in the second-level cache. */
#define BYTES_MAX (512u << 10)

struct recorder {
	pid_t pid;
	bool on;
	size_t bytes, calls;
	BO_VEC(struct iovec) pieces;
};

static void die(const char *what)
{
	fprintf(stderr, "census_bench: %s\n", what);
	exit(1);
}

static ssize_t read_and_note(void *self, const struct bo_census_piece *pieces, size_t n)
{
	struct recorder *rec = self;

	for (size_t done = 0; done < n;) {
		struct iovec local[BATCH], remote[BATCH];
		size_t k = n - done < BATCH ? n - done : BATCH, bytes = 0;

		for (size_t i = 0; i < k; i++) {
			const struct bo_census_piece *p = &pieces[done + i];

			local[i] = (struct iovec){ p->into, p->len };
			remote[i] = (struct iovec){ (void *)(uintptr_t)p->addr, p->len };
			bytes += p->len;
			if (rec->on && !bo_vec_push(&rec->pieces, remote[i]))
				die("out of memory");
		}
		rec->calls += rec->on;
		rec->bytes += rec->on ? bytes : 0;
		if (process_vm_readv(rec->pid, local, k, remote, k, 0) != (ssize_t)bytes)
			return (ssize_t)done;
		done += k;
	}
	return (ssize_t)n;
}

static int by_address(const void *a, const void *b)
{
	const struct iovec *x = a, *y = b;

	if (x->iov_base != y->iov_base)
		return x->iov_base < y->iov_base ? -1 : 1;
	return x->iov_len < y->iov_len ? 1 : -(x->iov_len > y->iov_len);
}

static char *end_of(const struct iovec *v)
{
	return (char *)v->iov_base + v->iov_len;
}

/* Each stretch once.  Return: bytes */
static size_t make_unique(struct recorder *rec)
{
	size_t n = 0, bytes = 0;

	qsort(rec->pieces.items, rec->pieces.len, sizeof(*rec->pieces.items), by_address);
	for (size_t i = 0; i < rec->pieces.len; i++)
		if (!n || end_of(&rec->pieces.items[i]) > end_of(&rec->pieces.items[n - 1])) {
			rec->pieces.items[n++] = rec->pieces.items[i];
			bytes += rec->pieces.items[i].iov_len;
		}
	rec->pieces.len = n;
	return bytes;
}

void census_floor_read(const struct census_floor *floor)
{
	static char buf[BYTES_MAX];
	const struct iovec *v = floor->pieces;

	for (size_t i = 0, k; i < floor->npieces; i += k) {
		size_t bytes = 0;

		for (k = 0; i + k < floor->npieces && k < BATCH; k++) {
			if (bytes + v[i + k].iov_len > sizeof(buf))
				break;
			bytes += v[i + k].iov_len;
		}
		if (!k)
			die("one piece is larger than the buffer");
		if (process_vm_readv(floor->pid, &(struct iovec){ buf, bytes }, 1, v + i, k, 0) !=
		    (ssize_t)bytes)
			die("what was readable is not any more");
	}
}

static int open_of(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path);
	return fd;
}

struct census_floor *census_floor_new(pid_t pid)
{
	struct recorder rec = { .pid = pid };
	const struct bo_census_memory memory = { .self = &rec, .read = read_and_note };
	const struct bo_census_source source = { .pid = pid,
						 .mem_fd = -1,
						 .exe_fd = open_of(pid, "exe"),
						 .auxv_fd = open_of(pid, "auxv"),
						 .memory = &memory };
	struct census_floor *floor = calloc(1, sizeof(*floor));
	struct bo_census_snapshot snap = { 0 };
	struct bo_census *census = NULL;
	struct bo_err err = { 0 };

	if (!floor)
		die("out of memory");
	if (bo_census_attach_source(&census, &source, 0, &err))
		die(err.msg);
	/* The first look also reads the function table; it is the second that tells what a look reads. */
	for (int i = 0; i < 2; i++) {
		rec.on = i == 1;
		if (bo_census_snapshot(census, BO_CENSUS_ALL, &snap, &err))
			die(err.msg);
	}
	bo_census_snapshot_done(&snap);
	bo_census_free(census);
	*floor = (struct census_floor){ .pid = pid, .bytes = rec.bytes, .calls = rec.calls };
	floor->once_bytes = make_unique(&rec);
	floor->pieces = rec.pieces.items;
	floor->npieces = rec.pieces.len;
	return floor;
}

void census_floor_free(struct census_floor *floor)
{
	if (floor)
		free(floor->pieces);
	free(floor);
}
