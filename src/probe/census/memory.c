/* SPDX-License-Identifier: Apache-2.0 */
/* census/memory.c — readers of another process's memory, and a cache for the parts of it that never change.
 * Owns: see memory.h.  Threads: one at a time per reader.  Privilege: see memory.h. */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "brownout/base/cleanup.h"

/* The pid stands in for the pointer: this reader has no state to allocate. */
static ssize_t vm_batch(pid_t pid, const struct bo_census_piece *pieces, size_t n)
{
	struct iovec local[BO_GOMEM_BATCH], remote[BO_GOMEM_BATCH];
	size_t nlocal = 0, want = 0, got, done = 0;
	ssize_t r;

	for (size_t i = 0; i < n; i++) {
		remote[i] = (struct iovec){ (void *)(uintptr_t)pieces[i].addr, pieces[i].len };
		want += pieces[i].len;
		/* Pieces that land side by side need one local vector only. */
		if (nlocal && (char *)local[nlocal - 1].iov_base + local[nlocal - 1].iov_len ==
				      pieces[i].into)
			local[nlocal - 1].iov_len += pieces[i].len;
		else
			local[nlocal++] = (struct iovec){ pieces[i].into, pieces[i].len };
	}
	r = process_vm_readv(pid, local, nlocal, remote, n, 0);
	if (r < 0)
		return errno == EFAULT || errno == EINVAL ? 0 : -errno;
	if ((size_t)r == want)
		return (ssize_t)n;
	for (got = (size_t)r; done < n && pieces[done].len <= got; done++)
		got -= pieces[done].len;
	return (ssize_t)done;
}

static ssize_t vm_read(void *self, const struct bo_census_piece *pieces, size_t n)
{
	pid_t pid = (pid_t)(intptr_t)self;
	size_t done = 0;

	while (done < n) {
		size_t k = n - done < BO_GOMEM_BATCH ? n - done : BO_GOMEM_BATCH;
		ssize_t r = vm_batch(pid, pieces + done, k);

		if (r < 0)
			return r;
		done += (size_t)r;
		if ((size_t)r < k)
			break;
	}
	return (ssize_t)done;
}

void bo_gomem_vm(struct bo_census_memory *ret, pid_t pid)
{
	*ret = (struct bo_census_memory){ .self = (void *)(intptr_t)pid, .read = vm_read };
}

static ssize_t fd_read(void *self, const struct bo_census_piece *pieces, size_t n)
{
	int fd = (int)(intptr_t)self;

	for (size_t i = 0; i < n; i++) {
		size_t done = 0;

		while (done < pieces[i].len) {
			ssize_t r = pread(fd, (char *)pieces[i].into + done, pieces[i].len - done,
					  (off_t)(pieces[i].addr + done));

			if (r < 0 && errno == EINTR)
				continue;
			if (r < 0)
				return errno == EIO || errno == EFAULT || errno == EINVAL
					       ? (ssize_t)i
					       : -errno;
			/* End of file: the address space is gone, and with it the process (proc(5)). */
			if (r == 0)
				return -ESRCH;
			done += (size_t)r;
		}
	}
	return (ssize_t)n;
}

static void fd_close(void *self)
{
	close((int)(intptr_t)self);
}

void bo_gomem_fd(struct bo_census_memory *ret, int fd)
{
	*ret = (struct bo_census_memory){ .self = (void *)(intptr_t)fd,
					  .read = fd_read,
					  .close = fd_close };
}

void bo_gomem_close(struct bo_census_memory *memory)
{
	if (memory->close)
		memory->close(memory->self);
	*memory = (struct bo_census_memory){ 0 };
}

int bo_gomem_read_many(const struct bo_census_memory *memory, const struct bo_census_piece *pieces,
		       size_t n)
{
	ssize_t r;

	for (size_t i = 0; i < n; i++)
		if (pieces[i].addr >= BO_GOMEM_TOP || pieces[i].len >= BO_GOMEM_TOP)
			return -EFAULT;
	r = memory->read(memory->self, pieces, n);
	return r < 0 ? (int)r : (size_t)r < n ? -EFAULT : 0;
}

int bo_gomem_read(const struct bo_census_memory *memory, uint64_t addr, void *into, size_t len)
{
	struct bo_census_piece piece = { addr, into, len };

	return bo_gomem_read_many(memory, &piece, 1);
}

int bo_gomem_cache_init(struct bo_gomem_cache *cache, const struct bo_census_memory *memory)
{
	*cache = (struct bo_gomem_cache){ .memory = memory };
	cache->tags = calloc(BO_GOMEM_PAGES, sizeof(*cache->tags));
	cache->pages = malloc((size_t)BO_GOMEM_PAGES * BO_GOMEM_PAGE);
	return cache->tags && cache->pages ? 0 : -ENOMEM;
}

void bo_gomem_cache_done(struct bo_gomem_cache *cache)
{
	free(cache->tags);
	free(cache->pages);
	*cache = (struct bo_gomem_cache){ 0 };
}

static const uint8_t *cached_page(struct bo_gomem_cache *cache, uint64_t number)
{
	size_t slot = number % BO_GOMEM_PAGES;
	uint8_t *page = cache->pages + slot * BO_GOMEM_PAGE;
	int r;

	if (cache->tags[slot] == number + 1)
		return page;
	cache->tags[slot] = 0;
	r = bo_gomem_read(cache->memory, number * BO_GOMEM_PAGE, page, BO_GOMEM_PAGE);
	if (r) {
		if (r != -EFAULT)
			cache->error = r;
		return NULL;
	}
	cache->tags[slot] = number + 1;
	return page;
}

int bo_gomem_cached(struct bo_gomem_cache *cache, uint64_t addr, void *into, size_t len)
{
	uint8_t *out = into;

	if (addr >= BO_GOMEM_TOP || len >= BO_GOMEM_TOP)
		return -EFAULT;
	while (len) {
		size_t at = addr % BO_GOMEM_PAGE;
		size_t k = BO_GOMEM_PAGE - at < len ? BO_GOMEM_PAGE - at : len;
		const uint8_t *page = cached_page(cache, addr / BO_GOMEM_PAGE);

		if (!page)
			return -EFAULT;
		memcpy(out, page + at, k);
		out += k;
		addr += k;
		len -= k;
	}
	return 0;
}

int bo_gomem_cached_str(struct bo_gomem_cache *cache, uint64_t addr, char *into, size_t size)
{
	size_t len = 0;

	if (addr >= BO_GOMEM_TOP)
		return -EFAULT;
	while (len + 1 < size) {
		size_t at = addr % BO_GOMEM_PAGE;
		size_t k = BO_GOMEM_PAGE - at < size - 1 - len ? BO_GOMEM_PAGE - at
							       : size - 1 - len;
		const uint8_t *page = cached_page(cache, addr / BO_GOMEM_PAGE);
		const uint8_t *end;

		if (!page)
			return -EFAULT;
		end = memchr(page + at, 0, k);
		if (end)
			k = (size_t)(end - (page + at));
		memcpy(into + len, page + at, k);
		len += k;
		addr += k;
		if (end)
			break;
	}
	into[len] = 0;
	return 0;
}
