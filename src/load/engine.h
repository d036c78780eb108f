/* SPDX-License-Identifier: Apache-2.0 */
/* engine.h — what the files of the load engine share; nobody else includes it.
 * Owns: see each struct.  Threads: everything here belongs to the load's thread once it runs, but
 * the fields marked [any thread].  Privilege: none.
 *
 *   engine.c     the loop: arrivals, events, deadlines, samples
 *   conn.c       sockets: pool, connecting, moving bytes
 *   call.c       requests in flight: where one goes, how it ends
 *   transport.h  how bytes get onto a socket: plain.c, tls.c
 *   protocol.h   what the bytes mean: proto_http1.c, proto_h2.c, proto_tcp.c */
#pragma once
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "brownout/base/err.h"
#include "brownout/base/strbuf.h"
#include "brownout/base/vec.h"
#include "brownout/base/wake.h"
#include "brownout/load/http1.h"
#include "brownout/load/load.h"
#include "brownout/load/schedule.h"
#include "brownout/model/hist.h"
#include "brownout/model/run.h"
#include "closed.h"
#include "deadline.h"
#include "live.h"
#include "tcp_answer.h"
#include "request.h"

#define BO_LOAD_RECV_BYTES (64 * 1024)
/* Keeps the streams of loads apart from those that other parts draw from the same seed. */
#define BO_LOAD_RNG_STREAM UINT64_C(0x6c6f616400000000)

struct bo_protocol;
struct bo_transport;
struct bo_tls;

/** enum bo_conn_state - life of a connection */
enum bo_conn_state {
	BO_CONN_FREE,       /* no socket; the struct waits for its next use */
	BO_CONN_CONNECTING, /* requests wait for connect(2) or the handshake */
	BO_CONN_BUSY,       /* requests were or are being sent */
	BO_CONN_IDLE,       /* keep-alive, no request */
	BO_CONN_HELD,       /* HOLD: head seen, now only listening */
	BO_CONN_DRAINING,   /* HOLD: we sent FIN and read until the server's */
	BO_CONN_VANISHED,   /* HOLD: deaf and dumb, see hold.c */
};

/**
 * struct bo_ask - a request, wherever it may be sent
 * @n: its number in the load, from 1; decides templated values
 * @taken_ns: when it was taken up (the timeout counts from here)
 * @retried: it was sent before, on a connection that was stale or refused it
 */
struct bo_ask {
	const struct bo_route *route;
	uint64_t n;
	int64_t taken_ns;
	bool retried;
	struct bo_req req; /* with absolute instants; made relative when recorded */
};

/**
 * struct bo_call - a request in flight, in a place of its connection
 * @written: bytes that its connection had handed to the kernel when it began
 * @status: of the response, 0 until its head ended
 * @timer: its timeout;  @hangup: when to abandon it
 */
struct bo_call {
	struct bo_conn *conn;
	bool active;
	uint16_t status;
	uint64_t written;
	uint64_t received;
	struct bo_ask ask;
	struct bo_deadline timer;
	struct bo_deadline hangup;
	union {
		struct bo_http1 http1;
		struct bo_tcp_answer tcp;
		struct bo_h2_call *h2; /* [owned: protocol] NULL when it has no stream */
	};
};

/**
 * struct bo_conn - one connection and the requests that it carries
 * @gen: distinguishes the uses of a slot, so that an event of a socket closed meanwhile is known as
 * stale
 * @timer: in the queue that its state calls for: idle, held or draining
 * @out, @out_len, @out_at: bytes being sent; @scratch [owned] holds them when they are rendered for
 * one request alone
 * @written: bytes handed to the kernel so far, TLS records included
 * @pace: when a slow client goes on;  @may_send, @may_read: how far;  @unpaced: of @out, bytes that
 * are sent at once
 * @room: requests that it may carry at a time;  @in_room: it is in load->roomy
 */
struct bo_conn {
	int fd;
	uint32_t slot;
	uint32_t gen;
	enum bo_conn_state state;
	bool tcp_up;      /* connect(2) succeeded */
	bool reused;      /* an earlier request was answered on it */
	bool want_in;     /* EPOLLIN is being watched */
	bool want_out;    /* EPOLLOUT is being watched */
	bool send_failed; /* the reading side will tell why */
	bool closing;     /* takes no further request */
	bool busy_inside; /* the protocol is at work; it sends when it is done */
	bool in_room;
	struct bo_strbuf scratch;
	const char *out;
	size_t out_len;
	size_t out_at;
	uint64_t written;
	void *tls;     /* [owned] by the transport */
	void *session; /* [owned] by the protocol */
	struct bo_deadline timer;
	struct bo_deadline pace;
	int64_t paced_ns;
	double may_send;
	double may_read;
	size_t unpaced;
	struct bo_conn *room_prev;
	struct bo_conn *room_next;
	uint32_t room;
	uint32_t ncalls;
	struct bo_call calls[]; /* load->streams of them */
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
	int root_fd; /* [owned] with spec->socket; its number stays, what it names may change [any thread] */
	int64_t t0_ns;
	int64_t wall_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC, for {{now}} */
	uint64_t seed;
	struct bo_load_window *windows; /* [owned] */
	size_t nwindows;
	size_t max_conns;    /* open at a time: max_inflight or hold_count */
	size_t max_inflight; /* requests at a time */
	uint32_t streams;    /* requests at a time on one connection */
	uint32_t room;       /* of them, what the server was last heard to take */
	bool keepalive;
	uint64_t fds_reserved;
	const struct bo_transport *transport;
	const struct bo_protocol *protocol;
	struct bo_tls *tls; /* [owned] */

	struct bo_routes routes;
	struct bo_rng route_rng;

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
	struct bo_wake wake;
	unsigned int sharing; /* loads that polling was shared out among */
	struct bo_schedule schedule;
	int64_t next_arrival_ns;
	struct bo_closed closed;
	size_t window; /* the current or next one */
	bool load_on;

	struct bo_conn **conns; /* [owned] by slot */
	size_t nconns;          /* slots made so far */
	size_t conns_cap;       /* sockets in all, vanished ones too */
	BO_VEC(uint32_t) free_slots;
	struct bo_conn
		*roomy;  /* connections that carry requests and take more; only with streams */
	size_t open;     /* CONNECTING, BUSY, IDLE, HELD, DRAINING */
	size_t inflight; /* requests taken up and not ended */
	struct bo_deadlines requests;
	struct bo_deadlines hangups;
	struct bo_deadlines idle;
	struct bo_deadlines holds;
	struct bo_deadlines drains;
	struct bo_deadlines paces;
	int64_t pace_ns; /* how often a slow client goes on; 0: no client is slow */

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

/* engine.c */
BO_NODISCARD int bo_engine_open(struct bo_load *load, struct bo_err *err);
void bo_engine_close(struct bo_load *load);
/** bo_engine_main() - the load's thread; @arg is the load */
void *bo_engine_main(void *arg);
/** bo_engine_record() - a request ended: make its instants relative and keep it */
void bo_engine_record(struct bo_load *load, struct bo_req *req, enum bo_req_class cls,
		      int64_t now_ns);
/** bo_engine_reason() - note why a request ended with @cls; @why NULL: nothing to say */
void bo_engine_reason(struct bo_load *load, enum bo_req_class cls, const char *why);
/** bo_engine_fail() - the generator itself cannot go on; the first cause is kept */
void bo_engine_fail(struct bo_load *load, int code, const char *what);

/* call.c */
/** bo_call_offer() - send a request on a connection that has room, on a new one, or shed it; ends in
 * a record sooner or later */
void bo_call_offer(struct bo_load *load, int64_t intended_ns, int64_t now_ns);
/** bo_call_start() - its connection is ready: send it */
void bo_call_start(struct bo_load *load, struct bo_call *call, int64_t now_ns);
/** bo_call_sent() - its first byte was handed on; does nothing the second time */
void bo_call_sent(struct bo_load *load, struct bo_call *call, int64_t now_ns);
/** bo_call_end() - record it and give its place back; the connection is left to the caller */
void bo_call_end(struct bo_load *load, struct bo_call *call, enum bo_req_class cls, const char *why,
		 int64_t now_ns);
/** bo_call_retry() - move it to a fresh connection, keeping its intended time, its first sending and
 * its deadlines; a connection that can carry but one is closed */
void bo_call_retry(struct bo_load *load, struct bo_call *call, int64_t now_ns);
/** bo_call_is_stale() - did the peer surely see nothing of it, and may it be sent again? */
bool bo_call_is_stale(const struct bo_load *load, const struct bo_call *call);
/** bo_call_expire() - time out and abandon what is due */
void bo_call_expire(struct bo_load *load, int64_t now_ns);
/** bo_call_values() - what the templates of its request become */
void bo_call_values(const struct bo_load *load, const struct bo_call *call,
		    struct bo_template_values *ret);
enum bo_req_class bo_class_of_status(unsigned int status);
enum bo_req_class bo_class_of_errno(const struct bo_call *call, int code);

/* conn.c */
/** bo_conn_new() - a connection without a socket yet, NULL when there can be no more */
struct bo_conn *bo_conn_new(struct bo_load *load);
/** bo_conn_take() - a free place of @c for a request */
struct bo_call *bo_conn_take(struct bo_load *load, struct bo_conn *c, const struct bo_ask *ask);
/** bo_conn_connect() - begin to connect; what @c carries fails here if that fails at once */
void bo_conn_connect(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_conn_send() - move bytes from the protocol to the socket as far as it goes */
void bo_conn_send(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_conn_readable() - read once and let the protocol look at it */
void bo_conn_readable(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_conn_event() - @events of epoll(7) for @conn */
void bo_conn_event(struct bo_load *load, struct bo_conn *conn, uint32_t events);
/** bo_conn_fail() - end every request of @c alike and close it */
void bo_conn_fail(struct bo_load *load, struct bo_conn *c, enum bo_req_class cls, const char *why,
		  int64_t now_ns);
/** bo_conn_broken() - the connection ended by errno @code: retry what may be retried, fail the rest */
void bo_conn_broken(struct bo_load *load, struct bo_conn *c, int code, const char *why,
		    int64_t now_ns);
/** bo_conn_rest() - its last request ended well: keep it for another, or close it */
void bo_conn_rest(struct bo_load *load, struct bo_conn *c, bool reuse, int64_t now_ns);
/** bo_conn_expire() - do everything whose deadline has come */
void bo_conn_expire(struct bo_load *load, int64_t now_ns);
/** bo_conn_next_deadline() - the earliest deadline of any connection, INT64_MAX if none */
int64_t bo_conn_next_deadline(const struct bo_load *load);
/** bo_conn_finish_all() - the run ended: what is in flight becomes BO_REQ_INFLIGHT, every socket is
 * closed */
void bo_conn_finish_all(struct bo_load *load, int64_t now_ns);
/** bo_conn_room() - put @c into or take it out of load->roomy, as its state says */
void bo_conn_room(struct bo_load *load, struct bo_conn *c);
/** bo_conn_set_state() - the one place where a state changes, so that the counts are always right */
void bo_conn_set_state(struct bo_load *load, struct bo_conn *c, enum bo_conn_state state);
/** bo_conn_close() - close the socket and give the slot back; records nothing */
void bo_conn_close(struct bo_load *load, struct bo_conn *c);
/** bo_conn_watch() - (EPOLL_CTL_ADD, EPOLL_CTL_MOD) the socket for input and output as asked */
BO_NODISCARD int bo_conn_watch(struct bo_load *load, struct bo_conn *c, int op, bool want_in,
			       bool want_out);

/* slow.c */
/** bo_slow_init() - set load->pace_ns from the spec */
void bo_slow_init(struct bo_load *load);
/** bo_slow_start() - a request begins on @c */
void bo_slow_start(struct bo_load *load, struct bo_conn *c, size_t head_len);
/** bo_slow_out() - how many of @want bytes may be sent now;  bo_slow_in() - be read */
size_t bo_slow_out(struct bo_load *load, struct bo_conn *c, size_t want, int64_t now_ns);
size_t bo_slow_in(struct bo_load *load, struct bo_conn *c, size_t want, int64_t now_ns);
/** bo_slow_expire() - let every slow client whose time has come go on */
void bo_slow_expire(struct bo_load *load, int64_t now_ns);

/* hold.c */
/** bo_hold_begin() - the head has come: record the request, from now on the connection just stays */
void bo_hold_begin(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_hold_let_go() - close a held connection politely, or make it vanish */
void bo_hold_let_go(struct bo_load *load, struct bo_conn *c, int64_t now_ns);
/** bo_hold_bury() - make the coming close of a vanished connection leave nothing in the kernel */
void bo_hold_bury(struct bo_conn *c);
/** bo_conn_load_off() - a window ended: close what is idle, let go of what is held */
void bo_conn_load_off(struct bo_load *load, int64_t now_ns);
