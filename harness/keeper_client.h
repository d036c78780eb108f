/* SPDX-License-Identifier: Apache-2.0 */
/* harness/keeper_client.h — how the conductor's side speaks to the keeper: for the files that ask it for something.
 * Owns: see keeper.h.  Threads: everything under BO_KP_LOCK(), from a request to its answer.  Privilege: none. */
#pragma once
#include <pthread.h>

#include "brownout/base/vec.h"
#include "brownout/sys/fdpass.h"
#include "harness/keeper.h"
#include "harness/keeper_proto.h"

struct bo_attached {
	int node;
	int sock; /* [owned] until it is taken */
	pid_t pid;
};

struct bo_keeper {
	int sock;
	int pidfd;
	int epoll;  /* sock and queued */
	int queued; /* eventfd: readable while events are queued */
	pthread_mutex_t lock;
	uint32_t seq;
	bool silent; /* it did not answer once, and is not asked again */
	BO_VEC(struct bo_keeper_event) events;
	BO_VEC(struct bo_attached) attached; /* in the keeper's order */
};

static inline void bo_kp_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

static inline pthread_mutex_t *bo_kp_lock(struct bo_keeper *k)
{
	pthread_mutex_lock(&k->lock);
	return &k->lock;
}
#define BO_KP_LOCK(k) \
	bo_auto(bo_kp_unlock) pthread_mutex_t *held __attribute__((unused)) = bo_kp_lock(k)

/** bo_kp_ask() - @payload: of @len bytes behind the request;  @fd: goes along, -1: none
 * Return: 0, -E2BIG, -ENOMEM, -EPIPE: it is gone, -ETIMEDOUT: it was silent before */
BO_NODISCARD int bo_kp_ask(struct bo_keeper *k, struct kp_req req, const void *payload, size_t len,
			   int fd, struct bo_err *err);
/** bo_kp_await() - the final answer to the last request;  Return: 0, what the keeper says, or as bo_kp_ask() */
BO_NODISCARD int bo_kp_await(struct bo_keeper *k, struct kp_rep *rep, struct bo_err *err);
/** bo_kp_await_fds() - the same;  @fds: of that answer, or NULL */
BO_NODISCARD int bo_kp_await_fds(struct bo_keeper *k, struct kp_rep *rep, struct bo_fds *fds,
				 struct bo_err *err);
/** bo_kp_simple() - ask and await, under the lock */
BO_NODISCARD int bo_kp_simple(struct bo_keeper *k, struct kp_req req, struct bo_err *err);
/** bo_kp_attachment_number() - as the keeper counts them; the node itself in a lab */
int bo_kp_attachment_number(const struct bo_keeper *k, int node);
