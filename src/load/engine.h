/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h — what the files of the load engine share; nobody else includes it.
 * Owns: see each struct.  Threads: everything here belongs to the load's thread once it runs, but
 * the fields marked [any thread].  Privilege: none. */
#pragma once
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "brownout/base/err.h"
#include "brownout/base/vec.h"
#include "brownout/load/http1.h"
#include "brownout/load/load.h"
#include "brownout/load/schedule.h"
#include "brownout/model/hist.h"
#include "brownout/model/run.h"
#include "deadline.h"
#include "live.h"

#define BO_LOAD_RECV_BYTES (64 * 1024)

/** enum bo_conn_state - life of a connection */
enum bo_conn_state {
	BO_CONN_FREE,       /* no socket; the struct waits for its next use */
	BO_CONN_CONNECTING, /* a request waits for connect(2) */
	BO_CONN_BUSY,       /* a request was or is being sent */
	BO_CONN_IDLE,       /* keep-alive, no request */
	BO_CONN_HELD,       /* HOLD: head seen, now only listening */
	BO_CONN_DRAINING,   /* HOLD: we sent FIN and read until the server's */
	BO_CONN_VANISHED,   /* HOLD: deaf and dumb, see hold.c */
};

/**
 * struct bo_conn - one connection and, in CONNECTING and BUSY, the request that it carries
 * @gen: distinguishes the uses of a slot, so that an event of a socket closed meanwhile is known as
 * stale
 * @timer: in the queue that its state calls for: requests, idle, held or draining
 * @hangup: in the queue of requests to abandon
 * @taken_ns: when the request was taken up (the timeout counts from here)
 */
struct bo_conn {
	int fd;
	uint32_t slot;
	uint32_t gen;
	enum bo_conn_state state;
	bool reused;      /* an earlier request was answered on it */
	bool retried;     /* the request was sent before, on a connection that was stale */
	bool want_out;    /* EPOLLOUT is being watched */
	bool send_failed; /* the reading side will tell why */
	int64_t taken_ns;
	size_t sent; /* bytes of the request handed to the kernel */
	uint64_t received;
	struct bo_req req; /* with absolute instants; made relative when recorded */
	struct bo_http1 http;
	struct bo_deadline timer;
	struct bo_deadline hangup;
};

/** struct bo_req_chunk - finished requests, in pieces so that growing never copies (or page-faults)
 * in one go */
#define BO_REQ_CHUNK 4096
struct bo_req_chunk {
	struct bo_req_chunk *next;
	size_t len;
	struct bo_req items[BO_REQ_CHUNK];
};

struct bo_load {
	const struct bo_load_spec *spec; /* [borrowed] */
	int index;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	int64_t t0_ns;
	struct bo_load_window *windows; /* [owned] */
	size_t nwindows;
	size_t max_conns; /* open at a time: max_inflight or hold_count */
	uint64_t fds_reserved;

	char *request; /* [owned] the bytes of every request: all are the same */
	size_t request_len;
	bool is_head;
	bool idempotent;

	pthread_t thread;
	bool started;
	int wake_fd; /* eventfd [any thread] */
	_Atomic int64_t
		stop_ns;     /* arrivals due from here on are not offered; INT64_MAX [any thread] */
	_Atomic bool quit;   /* [any thread] */
	struct bo_live live; /* [any thread] through its functions */

	int epoll_fd;
	int timer_fd;
	int64_t timer_armed_ns;
	struct bo_schedule schedule;
	int64_t next_arrival_ns;
	size_t window; /* the current or next one */
	bool load_on;

	struct bo_conn **conns; /* [owned] by slot */
	size_t nconns;          /* slots made so far */
	size_t conns_cap;       /* sockets in all, vanished ones too */
	BO_VEC(uint32_t) free_slots;
	size_t open;     /* CONNECTING, BUSY, IDLE, HELD, DRAINING */
	size_t inflight; /* CONNECTING, BUSY */
	size_t held;     /* HELD */
	struct bo_deadlines requests;
	struct bo_deadlines hangups;
	struct bo_deadlines idle;
	struct bo_deadlines holds;
	struct bo_deadlines drains;

	struct bo_req_chunk *first_chunk; /* [owned] */
	struct bo_req_chunk *last_chunk;
	uint64_t ended;
	struct bo_hist lag;
	struct bo_load_record record;
	int64_t next_sample_ns;
	BO_VEC(struct bo_sample) conn_samples;
	BO_VEC(struct bo_sample) inflight_samples;

	struct bo_err failed; /* why the thread ended early; code 0 if it did not */
	char *recv_buf;       /* [owned] what is received is parsed and forgotten */
};

/* request.c */
BO_NODISCARD int bo_load_render(struct bo_load *load, const char *host_header, struct bo_err *err);

/* engine.c */
BO_NODISCARD int bo_engine_open(struct bo_load *load, struct bo_err *err);
void bo_engine_close(struct bo_load *load);
/** bo_engine_main() - the load's thread; @arg is the load */
void *bo_engine_main(void *arg);
/** bo_engine_record() - a request ended: make its instants relative and keep it */
void bo_engine_record(struct bo_load *load, struct bo_req *req, enum bo_req_class cls,
		      int64_t now_ns);
/** bo_engine_fail() - the generator itself cannot go on; the first cause is kept */
void bo_engine_fail(struct bo_load *load, int code, const char *what);

/* conn.c */
/** bo_conn_start() - send a request on an idle connection, on a new one, or shed it; ends in a
 * record sooner or later */
void bo_conn_start(struct bo_load *load, int64_t intended_ns, int64_t now_ns);
/** bo_conn_event() - @events of epoll(7) for @conn */
void bo_conn_event(struct bo_load *load, struct bo_conn *conn, uint32_t events);
/** bo_conn_expire() - do everything whose deadline has come */
void bo_conn_expire(struct bo_load *load, int64_t now_ns);
/** bo_conn_next_deadline() - the earliest deadline of any connection, INT64_MAX if none */
int64_t bo_conn_next_deadline(const struct bo_load *load);
/** bo_conn_finish_all() - the run ended: what is in flight becomes BO_REQ_INFLIGHT, every socket is
 * closed */
void bo_conn_finish_all(struct bo_load *load, int64_t now_ns);
/* What hold.c needs of conn.c. */
/** bo_conn_set_state() - the one place where a state changes, so that the counts are always right */
void bo_conn_set_state(struct bo_load *load, struct bo_conn *c, enum bo_conn_state state);
/** bo_conn_close() - close the socket and give the slot back; records nothing */
void bo_conn_close(struct bo_load *load, struct bo_conn *c);
/** bo_conn_watch() - (EPOLL_CTL_ADD, EPOLL_CTL_MOD) the socket for input and, if asked, output */
BO_NODISCARD int bo_conn_watch(struct bo_load *load, struct bo_conn *c, int op, bool want_out);
/** bo_conn_end_request() - record the request of @c; the connection is left to the caller */
void bo_conn_end_request(struct bo_load *load, struct bo_conn *c, enum bo_req_class cls,
			 int64_t now_ns);
enum bo_req_class bo_conn_class_of_status(unsigned int status);

/* hold.c */
/** bo_hold_begin() - the head has come: record the request, from now on the connection just stays */
void bo_hold_begin(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_hold_let_go() - close a held connection politely, or make it vanish */
void bo_hold_let_go(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_hold_bury() - make the coming close of a vanished connection leave nothing in the kernel */
void bo_hold_bury(struct bo_conn *c);
/** bo_conn_load_off() - a window ended: close what is idle, let go of what is held */
void bo_conn_load_off(struct bo_load *load, int64_t now_ns);
