/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/base/cleanup.h — scope-bound release of process-local resources.
 * Kernel state that outlives the process is not cleanup: it goes through base/undo.h.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#pragma once
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void bo_cleanup_free(void *p)
{
	free(*(void **)p);
}

/* close(2) may be interrupted on Linux, but the descriptor is gone either way: never retry. */
static inline void bo_cleanup_fd(const int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
}

static inline void bo_cleanup_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

#define bo_auto_free __attribute__((cleanup(bo_cleanup_free)))
#define bo_auto_fd __attribute__((cleanup(bo_cleanup_fd)))
#define bo_auto_file __attribute__((cleanup(bo_cleanup_file)))
/** bo_auto(fn) - call fn(&variable) when the variable leaves its scope */
#define bo_auto(fn) __attribute__((cleanup(fn)))

/** bo_steal_fd() - hand a descriptor over: returns it and disarms bo_auto_fd */
static inline int bo_steal_fd(int *fd)
{
	int out = *fd;

	*fd = -1;
	return out;
}

/** bo_steal_ptr(p) - hand a pointer over: evaluates to it and sets the variable to NULL */
#define bo_steal_ptr(p)                         \
	__extension__({                         \
		__typeof__(p) bo_stolen_ = (p); \
		(p) = NULL;                     \
		bo_stolen_;                     \
	})

/** bo_close() - close *fd if open and set it to -1; keeps errno */
static inline void bo_close(int *fd)
{
	bo_cleanup_fd(fd);
	*fd = -1;
}
