/* SPDX-License-Identifier: Apache-2.0 */
/* tests/bench/hop.h — ways to take packets from one network namespace to another, without doing anything to them: what
 * a link in user space could be made of.  Each is as bare as it can be, and all wait alike.
 * Every function ends the program with a message when something fails that ought to work.
 * Owns: its namespaces, sockets and threads.  Threads: one per hop, or one per direction.  Privilege: as
 * wire_netns.h. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire_netns.h"

/* Frames per visit to one direction. */
#define HOP_BATCH 64
/* The largest frame, with headers of any kind. */
#define HOP_FRAME_MAX 69632

struct hop;

/**
 * struct hop_lane - one direction
 * @wait_fd: readable when there is something to do
 * @move: take what there is, without waiting, up to about HOP_BATCH;  Return: how many frames
 * @in, @out, @own: of the mechanism
 */
struct hop_lane {
	int wait_fd;
	size_t (*move)(struct hop_lane *lane);
	int in;
	int out;
	void *own;
};

/**
 * struct hop_kind - a mechanism;  those without @up are the plain veth pair that the others are compared with
 * @middle: needs a third namespace, joined to either end by a veth pair: `w0` at the end, `m0` and `m1` there
 * @veth: needs the ends joined by a veth pair;  neither: each end has a TUN device `w0`
 * @threads: of ours: 0, 1, or 2 for one per direction
 * @up: fill the lanes; false with @hop->why when this kernel cannot
 */
struct hop_kind {
	const char *name;
	bool middle;
	bool veth;
	int threads;
	bool (*up)(struct hop *hop);
	void (*down)(struct hop *hop);
};

struct hop {
	const struct hop_kind *kind;
	struct wire_netns ends;
	int middle; /* namespace, or -1 */
	struct hop_lane lanes[2];
	pthread_t threads[2];
	atomic_bool stop;
	int bell;
	char why[160];
};

/** hop_up() - false with @hop->why when this machine cannot; what it had got by then goes with the process */
bool hop_up(struct hop *hop, const struct hop_kind *kind);
void hop_down(struct hop *hop);
/** hop_cpu_ns() - CPU time of its threads so far */
int64_t hop_cpu_ns(const struct hop *hop);

extern const struct hop_kind hop_veth, hop_wire, hop_tun, hop_tun_two, hop_packet, hop_packet_two,
	hop_queue;
#ifdef HAVE_URING
extern const struct hop_kind hop_uring;
#endif
#ifdef HAVE_XDP
extern const struct hop_kind hop_xdp;
#endif
