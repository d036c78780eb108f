/* SPDX-License-Identifier: Apache-2.0 */
/* load.c — life of a load as others see it: new, start, stop, finish, free.
 * Owns: the load.  Threads: the caller's.  Privilege: none. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "protocol.h"
#include "transport.h"

#define DEFAULT_MAX_INFLIGHT 1000
/* Descriptors left for everything else that opens some while load runs: probes, reports, logs. */
#define FDS_FOR_OTHERS 64
/* Which of a load's draws a stream is for; arrivals have the load's own. */
#define ROUTE_STREAM (UINT64_C(1) << 16)
#define MAX_STREAMS 1000

/* Descriptors that the loads of this process may open; their limit is the process's, so they share
 * the count. */
static _Atomic uint64_t fds_promised;

/* ---- new ---- */

const struct bo_protocol *bo_protocol_of(enum bo_load_protocol protocol)
{
	static const struct bo_protocol *const all[] = {
		[BO_LOAD_HTTP1] = &bo_protocol_http1,
		[BO_LOAD_HTTP2] = &bo_protocol_h2,
		[BO_LOAD_GRPC] = &bo_protocol_h2,
		[BO_LOAD_TCP] = &bo_protocol_tcp,
	};

	return all[protocol];
}

static bool is_rate(double per_s)
{
	return isfinite(per_s) && per_s > 0 && per_s <= 1e9;
}

/* Return: what is wrong, or NULL */
static const char *check_rate(const struct bo_load_spec *s)
{
	if (s->arrivals == BO_ARRIVALS_CLOSED)
		return s->clients < 1 || s->clients > INT32_MAX || s->think_ns < 0
			       ? "a closed loop needs clients"
			       : NULL;
	if (s->arrivals == BO_ARRIVALS_BURST)
		return s->burst_count < 1 || s->burst_every_ns < 1 ? "a burst needs count and every"
								   : NULL;
	if (!is_rate(s->rate_per_s))
		return "rate must be above 0 and at most 1e9 per second";
	if (s->rate.shape == BO_RATE_RAMP && (!is_rate(s->rate.to_per_s) || s->rate.over_ns < 0))
		return "a ramp needs a rate to end at";
	if (s->rate.shape == BO_RATE_STEPS) {
		if (!s->rate.nsteps || s->rate.each_ns < 0)
			return "steps need rates";
		for (size_t i = 0; i < s->rate.nsteps; i++) {
			if (!is_rate(s->rate.steps[i]))
				return "a step's rate must be above 0 and at most 1e9 per second";
		}
	}
	return NULL;
}

static const char *check_protocol(const struct bo_load_spec *s)
{
	const struct bo_tcp_spec *tcp = &s->tcp;
	bool multi = s->protocol == BO_LOAD_HTTP2 || s->protocol == BO_LOAD_GRPC;

	if ((unsigned int)s->protocol > BO_LOAD_TCP)
		return "unknown protocol";
	if (s->streams < 0 || s->streams > MAX_STREAMS || (s->streams > 1 && !multi))
		return "streams is out of range";
	if (s->kind == BO_LOAD_HOLD && s->protocol != BO_LOAD_HTTP1)
		return "only HTTP/1.1 connections can be held";
	if (multi && (s->slow.write_per_s > 0 || s->slow.read_per_s > 0))
		return "a slow client speaks HTTP/1.1 or TCP";
	if (s->protocol == BO_LOAD_TCP &&
	    (!tcp->send_len || (!tcp->expect_len && !tcp->until_len && tcp->bytes <= 0)))
		return "a TCP request needs bytes to send and an end of the answer";
	return NULL;
}

static int check_spec(const struct bo_load_config *config, struct bo_err *err)
{
	const struct bo_load_spec *s = config->spec;
	const char *what = check_rate(s);

	if (!what)
		what = check_protocol(s);
	if (what)
		;
	else if (s->timeout_ns < 0 || s->abandon_ns < 0 || s->hold_ns < 0)
		what = "durations must not be negative";
	else if (s->max_inflight < 0 || s->max_inflight > INT32_MAX)
		what = "max_inflight is out of range";
	else if (s->kind == BO_LOAD_HOLD && (s->hold_count <= 0 || s->hold_count > INT32_MAX))
		what = "hold_count must be at least 1";
	else if (s->nroutes > UINT16_MAX)
		what = "more than 65535 routes";
	else if (config->index < 0 || config->index > UINT8_MAX)
		what = "more than 256 loads";
	else if (s->socket && (*s->socket != '/' || config->root_fd < 0))
		what = "a socket needs an absolute path and a root directory";
	else if (s->socket && s->vanish)
		what = "the end of a unix socket cannot vanish without a sign";
	else if (!s->socket && config->addr.ss_family != AF_INET &&
		 config->addr.ss_family != AF_INET6)
		what = "the address is neither IPv4 nor IPv6";
	else if (config->nwindows && !config->windows)
		what = "no windows";
	for (size_t i = 0; !what && i < config->nwindows; i++) {
		const struct bo_load_window *w = &config->windows[i];

		if (w->until_ns < w->from_ns || (i && w->from_ns < w[-1].until_ns))
			what = "windows must ascend and not overlap";
	}
	if (what)
		return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD, "load '%s': %s", s->name, what);
	return 0;
}

/* Windows that touch are one: load is not off between them. */
static int copy_windows(struct bo_load *load, const struct bo_load_config *config,
			struct bo_err *err)
{
	load->windows = calloc(config->nwindows + 1, sizeof(*load->windows));
	if (!load->windows)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  config->spec->name);
	for (size_t i = 0; i < config->nwindows; i++) {
		if (load->nwindows &&
		    load->windows[load->nwindows - 1].until_ns == config->windows[i].from_ns)
			load->windows[load->nwindows - 1].until_ns = config->windows[i].until_ns;
		else
			load->windows[load->nwindows++] = config->windows[i];
	}
	return 0;
}

static void set_port(struct bo_load *load)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)&load->addr;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&load->addr;
	in_port_t *port = load->addr.ss_family == AF_INET ? &in4->sin_port : &in6->sin6_port;

	if (!load->spec->socket && !*port)
		*port = htons((uint16_t)load->spec->port);
}

/* Sockets that can exist at a time.  Vanished ones stay open, so they add up over the run. */
static size_t most_conns(const struct bo_load_spec *s, const struct bo_load_window *windows,
			 size_t nwindows)
{
	double on_s = 0, gone;

	if (s->arrivals == BO_ARRIVALS_CLOSED)
		return (size_t)s->clients;
	if (s->kind != BO_LOAD_HOLD)
		return s->max_inflight ? (size_t)s->max_inflight : DEFAULT_MAX_INFLIGHT;
	if (!s->vanish)
		return (size_t)s->hold_count;
	for (size_t i = 0; i < nwindows; i++)
		on_s += (double)(windows[i].until_ns - windows[i].from_ns) / 1e9;
	/* Each place can be taken anew once per hold_ns and once per window; never faster than the
	 * rate. */
	gone = (double)nwindows;
	if (s->hold_ns)
		gone += on_s / ((double)s->hold_ns / 1e9);
	gone = fmin(ceil(gone) * (double)s->hold_count, ceil(on_s * s->rate_per_s) + 1);
	return (size_t)fmin((double)s->hold_count + gone, INT32_MAX);
}

static int init_protocol(struct bo_load *load, const struct bo_load_config *config,
			 struct bo_err *err)
{
	const struct bo_load_spec *s = load->spec;

	load->protocol = bo_protocol_of(s->protocol);
	load->transport = s->tls.on ? &bo_transport_tls : &bo_transport_plain;
	load->streams = s->streams > 1 ? (uint32_t)s->streams : 1;
	load->room = load->streams;
	/* Who reads slowly does not watch the socket and would not see an idle one close. */
	load->keepalive = s->keepalive && s->slow.read_per_s <= 0;
	bo_slow_init(load);
	return s->tls.on ? bo_tls_new(&load->tls, s, config->host_header, err) : 0;
}

int bo_load_check_tls(const struct bo_load_spec *spec, struct bo_err *err)
{
	struct bo_tls *tls = NULL;
	int rc = spec->tls.on ? bo_tls_new(&tls, spec, NULL, err) : 0;

	bo_tls_free(tls);
	return rc;
}

static int load_init(struct bo_load *load, const struct bo_load_config *config, struct bo_err *err)
{
	const uint64_t stream = BO_LOAD_RNG_STREAM + (uint64_t)config->index;
	int rc = copy_windows(load, config, err);

	if (!rc)
		rc = bo_routes_init(&load->routes, load->spec, config->host_header, err);
	if (!rc)
		rc = init_protocol(load, config, err);
	if (!rc)
		rc = bo_hist_init(&load->lag, err);
	if (rc)
		return rc;
	set_port(load);
	load->conns_cap = most_conns(load->spec, load->windows, load->nwindows);
	load->max_conns = load->spec->kind == BO_LOAD_HOLD ? (size_t)load->spec->hold_count
							   : load->conns_cap;
	load->max_inflight = load->max_conns;
	load->conns = calloc(load->conns_cap, sizeof(*load->conns));
	load->recv_buf = malloc(BO_LOAD_RECV_BYTES);
	if (!load->conns || !load->recv_buf ||
	    (load->spec->arrivals == BO_ARRIVALS_CLOSED &&
	     bo_closed_init(&load->closed, (size_t)load->spec->clients, load->spec->think_ns)))
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  load->spec->name);
	bo_rng_init(&load->route_rng, config->seed, stream + ROUTE_STREAM);
	bo_schedule_init(&load->schedule, load->windows, load->nwindows, load->spec, config->seed,
			 stream);
	return 0;
}

static int64_t wall_ns(void)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	return (int64_t)wall.tv_sec * BO_NSEC_PER_SEC + wall.tv_nsec - bo_now_ns();
}

int bo_load_new(struct bo_load **ret, const struct bo_load_config *config, struct bo_err *err)
{
	struct bo_load *load;
	int rc = check_spec(config, err);

	if (rc)
		return rc;
	load = calloc(1, sizeof(*load));
	if (!load)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  config->spec->name);
	load->spec = config->spec;
	load->index = config->index;
	load->addr = config->addr;
	load->addr_len = config->addr_len;
	load->t0_ns = config->t0_ns;
	load->seed = config->seed;
	load->wall_ns = wall_ns();
	load->epoll_fd = load->timer_fd = load->wake_fd = load->root_fd = -1;
	atomic_init(&load->stop_ns, INT64_MAX);
	rc = load_init(load, config, err);
	if (!rc && config->spec->socket) {
		load->root_fd = fcntl(config->root_fd, F_DUPFD_CLOEXEC, 3);
		if (load->root_fd < 0)
			rc = bo_err_errno(err, BO_SUBSYS_LOAD, "load '%s': root directory",
					  config->spec->name);
	}
	if (rc) {
		bo_load_free(load);
		return rc;
	}
	*ret = load;
	return 0;
}

/* ---- start ---- */

static uint64_t count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static const char *what_to_lower(const struct bo_load_spec *s)
{
	if (s->arrivals == BO_ARRIVALS_CLOSED)
		return "clients";
	return s->kind == BO_LOAD_HOLD ? "the count of hold" : "max_inflight";
}

/* Raising the soft limit to the hard one needs no privilege (getrlimit(2)). */
static int fd_limit(uint64_t *ret, struct bo_err *err)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return bo_err_errno(err, BO_SUBSYS_LOAD, "getrlimit");
	if (lim.rlim_cur < lim.rlim_max) {
		rlim_t soft = lim.rlim_cur;

		lim.rlim_cur = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &lim))
			lim.rlim_cur = soft;
	}
	*ret = lim.rlim_cur;
	return 0;
}

static int too_few_fds(const struct bo_load_spec *spec, size_t conns, uint64_t wanted,
		       uint64_t limit, struct bo_err *err)
{
	return bo_err_set(err, EMFILE, BO_SUBSYS_LOAD,
			  "load '%s': %zu connections need %llu descriptors but the limit is %llu; "
			  "raise it with: ulimit -Hn %llu (as root), or lower %s",
			  spec->name, conns, (unsigned long long)wanted, (unsigned long long)limit,
			  (unsigned long long)wanted, what_to_lower(spec));
}

int bo_load_fits(const struct bo_load_spec *specs, size_t n, const struct bo_load_window *windows,
		 size_t nwindows, size_t others, size_t *ret_bad, struct bo_err *err)
{
	uint64_t wanted = count_open_fds() + FDS_FOR_OTHERS + others, limit = 0;
	int rc = fd_limit(&limit, err);

	for (size_t i = 0; !rc && i < n; i++) {
		size_t conns = most_conns(&specs[i], windows, nwindows);

		wanted += conns;
		if (wanted > limit) {
			*ret_bad = i;
			return too_few_fds(&specs[i], conns, wanted, limit, err);
		}
	}
	return rc;
}

/* Promise descriptors to this load. */
static int reserve_fds(struct bo_load *load, struct bo_err *err)
{
	uint64_t wanted, others, limit = 0;
	int rc = fd_limit(&limit, err);

	if (rc)
		return rc;
	others = atomic_fetch_add(&fds_promised, load->conns_cap);
	load->fds_reserved = load->conns_cap;
	/* Sockets that other loads have open already are counted twice, which errs on the safe
	 * side. */
	wanted = count_open_fds() + FDS_FOR_OTHERS + others + load->conns_cap;
	return wanted > limit ? too_few_fds(load->spec, load->conns_cap, wanted, limit, err) : 0;
}

static void release_fds(struct bo_load *load)
{
	atomic_fetch_sub(&fds_promised, load->fds_reserved);
	load->fds_reserved = 0;
}

int bo_load_start(struct bo_load *load, struct bo_err *err)
{
	sigset_t all, old;
	int rc;

	if (load->started)
		return bo_err_set(err, EALREADY, BO_SUBSYS_LOAD, "load '%s' was started before",
				  load->spec->name);
	rc = reserve_fds(load, err);
	if (!rc)
		rc = bo_engine_open(load, err);
	if (!rc) {
		/* Signals are the main thread's: a handler here would cost an arrival its time. */
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		rc = pthread_create(&load->thread, NULL, bo_engine_main, load);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		if (rc)
			rc = bo_err_set(err, rc, BO_SUBSYS_LOAD,
					"load '%s': cannot start a thread: %s", load->spec->name,
					strerror(rc));
	}
	if (rc) {
		bo_engine_close(load);
		release_fds(load);
		return rc;
	}
	load->started = true;
	return 0;
}

/* One system call puts the new directory in the old one's place, whatever the load's thread does meanwhile. */
int bo_load_set_root(struct bo_load *load, int root_fd, struct bo_err *err)
{
	if (load->root_fd >= 0 && dup3(root_fd, load->root_fd, O_CLOEXEC) < 0)
		return bo_err_errno(err, BO_SUBSYS_LOAD, "load '%s': root directory",
				    load->spec->name);
	return 0;
}

void bo_load_live(struct bo_load *load, struct bo_load_live *ret)
{
	bo_live_read(&load->live, ret);
}

/* Records are written before their number is published and never change afterwards, nor do full chunks move. */
void bo_load_ended(struct bo_load *load, struct bo_load_cursor *cursor,
		   bool (*take)(void *arg, const struct bo_req *req), void *arg)
{
	uint64_t ended = atomic_load(&load->live.all_ended);

	while (cursor->seen < ended) {
		const struct bo_req_chunk *chunk = cursor->chunk;

		if (!chunk || cursor->at == BO_REQ_CHUNK) {
			cursor->chunk = chunk = chunk ? chunk->next : load->first_chunk;
			cursor->at = 0;
		}
		if (!take(arg, &chunk->items[cursor->at]))
			return;
		cursor->at++;
		cursor->seen++;
	}
}

/* ---- stop ---- */

static void wake(struct bo_load *load)
{
	uint64_t one = 1;

	/* Only EAGAIN is possible (the counter is full), and then a wake-up is pending anyway. */
	if (load->wake_fd >= 0 && write(load->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void bo_load_stop(struct bo_load *load)
{
	int64_t never = INT64_MAX;

	/* The first stop counts. */
	atomic_compare_exchange_strong(&load->stop_ns, &never, bo_now_ns());
	wake(load);
}

static void end_thread(struct bo_load *load)
{
	if (!load->started)
		return;
	bo_load_stop(load);
	atomic_store(&load->quit, true);
	wake(load);
	pthread_join(load->thread, NULL);
	load->started = false;
	release_fds(load);
}

static int append_requests(struct bo_load *load, struct bo_run *run)
{
	size_t n = run->requests.len;

	for (const struct bo_req_chunk *c = load->first_chunk; c; c = c->next)
		n += c->len;
	if (!bo_vec_reserve(&run->requests, n))
		return -ENOMEM;
	for (const struct bo_req_chunk *c = load->first_chunk; c; c = c->next) {
		memcpy(run->requests.items + run->requests.len, c->items,
		       c->len * sizeof(c->items[0]));
		run->requests.len += c->len;
	}
	return 0;
}

static int add_series(struct bo_load *load, struct bo_run *run, const char *name,
		      const struct bo_sample *items, size_t n)
{
	char source[128];
	struct bo_series *series;

	snprintf(source, sizeof(source), "load '%s'", load->spec->name);
	series = bo_run_series_add(run, name, "count", source, BO_NODE_CLIENT);
	if (!series || !bo_vec_reserve(&series->samples, n))
		return -ENOMEM;
	if (n)
		memcpy(series->samples.items, items, n * sizeof(*items));
	series->samples.len = n;
	return 0;
}

int bo_load_finish(struct bo_load *load, struct bo_run *run, struct bo_err *err)
{
	int rc;

	end_thread(load);
	load->record.lag_p50_ns = bo_hist_quantile(&load->lag, 0.50);
	load->record.lag_p99_ns = bo_hist_quantile(&load->lag, 0.99);
	load->record.lag_max_ns = load->lag.max_ns;
	if ((size_t)load->index < run->loads.len)
		run->loads.items[load->index] = load->record;
	if (load->spec->arrivals == BO_ARRIVALS_CLOSED)
		bo_run_event(
			run, 0, BO_EVENT_NOTE, -1,
			"load '%s' is a closed loop: a slow answer delays the requests after it, so "
			"latency counts from when a client was ready to send, and a stall shows in few "
			"of them (coordinated omission)",
			load->spec->name);
	for (size_t i = 0; i < load->record.nreasons; i++)
		bo_run_event(run, bo_now_ns() - load->t0_ns, BO_EVENT_NOTE, -1,
			     "load '%s': %llu %s: %s", load->spec->name,
			     (unsigned long long)load->record.reasons[i].count,
			     bo_req_class_name(load->record.reasons[i].cls),
			     load->record.reasons[i].text);
	rc = append_requests(load, run);
	if (!rc)
		rc = add_series(load, run, BO_SERIES_CONNS, load->conn_samples.items,
				load->conn_samples.len);
	if (!rc)
		rc = add_series(load, run, BO_SERIES_INFLIGHT, load->inflight_samples.items,
				load->inflight_samples.len);
	if (rc)
		return bo_err_set(err, -rc, BO_SUBSYS_LOAD, "load '%s': no memory for its records",
				  load->spec->name);
	/* The records are kept up to the failure, but they are not the whole run. */
	if (load->failed.code) {
		if (err)
			*err = load->failed;
		return -load->failed.code;
	}
	return 0;
}

void bo_load_free(struct bo_load *load)
{
	if (!load)
		return;
	end_thread(load);
	bo_engine_close(load);
	while (load->first_chunk) {
		struct bo_req_chunk *next = load->first_chunk->next;

		free(load->first_chunk);
		load->first_chunk = next;
	}
	for (size_t i = 0; i < load->nconns; i++) {
		bo_strbuf_done(&load->conns[i]->scratch);
		free(load->conns[i]);
	}
	free(load->conns);
	bo_vec_done(&load->free_slots);
	bo_vec_done(&load->conn_samples);
	bo_vec_done(&load->inflight_samples);
	bo_hist_done(&load->lag);
	free(load->recv_buf);
	bo_routes_done(&load->routes);
	bo_closed_done(&load->closed);
	bo_tls_free(load->tls);
	bo_close(&load->root_fd);
	free(load->windows);
	free(load);
}
