/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/lab/linkprobe.h — is the link really impaired?  UDP probes on a reserved port, sent at one end of a link and
 * received at the other end, on one clock, so delay and loss of each direction are measured one-way.
 * The sockets were opened inside the two nodes' network namespaces by the keeper; sending on them needs nothing more.
 * Owns: both sockets and one thread for all links.  Threads: one.  Privilege: none. */
#pragma once
#include <netinet/in.h>
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/lab/hands.h"

#define BO_LINKPROBE_PORT 47007
#define BO_LINKPROBE_RATE_PER_S 200

struct bo_linkprobe;

/** struct bo_linkprobe_end - one end: a UDP socket bound to its device and port, and the address it is reached at */
struct bo_linkprobe_end {
	int fd;
	struct sockaddr_storage addr;
	socklen_t addr_len;
};

/** bo_linkprobe_new() - and its thread; nothing is sent before bo_linkprobe_run()
 * @nlinks: links are 0 … @nlinks - 1;  -ENOMEM, -errno of epoll_create1(2), timerfd_create(2), pthread_create(3) */
BO_NODISCARD int bo_linkprobe_new(struct bo_linkprobe **ret, size_t nlinks, struct bo_err *err);
/** bo_linkprobe_add() - @a, @b: descriptors [consumed] */
BO_NODISCARD int bo_linkprobe_add(struct bo_linkprobe *lp, int link,
				  const struct bo_linkprobe_end *a,
				  const struct bo_linkprobe_end *b, struct bo_err *err);
/** bo_linkprobe_run() - start or stop probing one direction of a link */
BO_NODISCARD int bo_linkprobe_run(struct bo_linkprobe *lp, int link, enum bo_dir dir, bool on,
				  struct bo_err *err);
/** bo_linkprobe_tell() - the link is now said to do @bps (0: anything), so that probing takes little of that */
void bo_linkprobe_tell(struct bo_linkprobe *lp, int link, enum bo_dir dir, int64_t bps);
/** bo_linkprobe_measure() - see bo_hands.link_measure; probes sent in the window and not seen by now count as lost */
BO_NODISCARD int bo_linkprobe_measure(struct bo_linkprobe *lp, int link, enum bo_dir dir,
				      int64_t from_ns, int64_t to_ns, struct bo_link_measure *ret,
				      struct bo_err *err);
/** bo_linkprobe_samples() - see bo_hands.link_samples */
BO_NODISCARD int bo_linkprobe_samples(struct bo_linkprobe *lp, int link, enum bo_dir dir,
				      int64_t from_ns, int64_t to_ns, struct bo_link_samples *ret,
				      struct bo_err *err);
/** bo_link_samples_done() - NULL-safe in what it holds */
void bo_link_samples_done(struct bo_link_samples *samples);
/** bo_link_summarise() - what samples come to; -ENOMEM */
BO_NODISCARD int bo_link_summarise(const struct bo_link_samples *samples,
				   struct bo_link_measure *ret);
/** bo_link_train_goodput() - bits per second seen at the receiving end; 0 when too little arrived to tell */
int64_t bo_link_train_goodput(const struct bo_link_train *train);
void bo_linkprobe_free(struct bo_linkprobe *lp);
