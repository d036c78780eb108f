/* SPDX-License-Identifier: Apache-2.0 */
/* tests/support/labkit.h — a small lab for a test: client - svc - db, driven through the keeper.
 * A process can start a keeper once (it gives its privilege up), so each test runs in a child of its own.
 * Owns: plan, keeper, view, wires.  Threads: one per wire.  Privilege: none after labkit_open(). */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "brownout/lab/wire.h"
#include "brownout/model/plan.h"
#include "harness/keeper.h"

enum { CLIENT, SVC, DB };
enum { CLIENT_SVC, SVC_DB };

struct labkit {
	struct bo_plan *plan;
	struct bo_keeper *keeper;
	struct bo_lab_view view;
	struct bo_wire *wires[8]; /* links, then management links where those are wires */
	int log[2];               /* pipe: what nodes print */
};

/* Say where and stop this child; the parent reports it as a failure. */
#define CHECK(cond, ...)                                                           \
	do {                                                                       \
		if (!(cond)) {                                                     \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #cond); \
			fprintf(stderr, __VA_ARGS__);                              \
			fputc('\n', stderr);                                       \
			exit(1);                                                   \
		}                                                                  \
	} while (0)
#define OK(call)                                         \
	do {                                             \
		struct bo_err err = { 0 };               \
		int rc_ = (call);                        \
		CHECK(rc_ >= 0, "%d: %s", rc_, err.msg); \
	} while (0)

/** labkit_plan() - client, svc and db with their two links; nodes without kind */
struct bo_plan *labkit_plan(void);
/** labkit_open() - keeper, lab and wires; exits 77 where this machine cannot */
void labkit_open(struct labkit *kit, struct bo_plan *plan);
void labkit_close(struct labkit *kit);
/** labkit_command() - start a node with this shell command;  Return: its pid */
pid_t labkit_sh(struct labkit *kit, int node, const char *script);
/** labkit_stub() - start a node as the stub in its plan */
pid_t labkit_stub(struct labkit *kit, int node);
/** labkit_wait_end() - the next end of a node's main process; fails after @timeout_ns */
struct bo_keeper_event labkit_wait_end(struct labkit *kit, int node, int64_t timeout_ns);
/** labkit_read_log() - what nodes printed up to and including @until; fails after 10 s */
const char *labkit_read_log(struct labkit *kit, const char *until);
/** labkit_exec() - exit status of a shell command inside a node */
int labkit_exec(struct labkit *kit, int node, const char *script);
/** labkit_connect() - TCP from the client's namespace; a descriptor or -errno */
int labkit_connect(const char *address, int port, int64_t timeout_ns);
/** labkit_ask() - connect, send @text, read until @enough bytes or the end;  Return: bytes, or -errno */
int labkit_ask(const char *address, int port, const char *text, char *buf, size_t size,
	       int64_t timeout_ns);

/** struct labkit_test - run by labkit_main() in a child each */
struct labkit_test {
	const char *name;
	void (*run)(void);
};
/** labkit_main() - all tests (or those named in argv); also fails a test that leaves a process or a cgroup */
int labkit_main(const struct labkit_test *tests, size_t n, int argc, char **argv);
/** labkit_child_of() - a child of @pid with that name, 0 when there is none */
pid_t labkit_child_of(pid_t pid, const char *comm);
