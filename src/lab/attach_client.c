/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_client.c — the conductor's side of an attachment: one question over its socket, and the answer.
 * Owns: nothing.  Threads: one per socket.  Privilege: none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach_proto.h"
#include "brownout/lab/linkprobe.h"
#include "brownout/sys/fdpass.h"

/** ask_file() - @fds: what comes with the answer */
static int ask_file(int sock, const struct bo_attach_question *q, struct bo_attach_reply *rep,
		    struct bo_fds *fds, struct bo_err *err)
{
	int rc = bo_fdpass_send(sock, q, sizeof(*q), NULL, err);
	ssize_t n = rc < 0 ? rc : bo_fdpass_recv(sock, rep, sizeof(*rep), fds, NULL, 0, err);

	if (rc == -EPIPE || rc == -ECONNRESET || n == 0 || n == -ECONNRESET)
		return bo_err_set(err, EPIPE, BO_SUBSYS_LAB, "the attachment is gone");
	if (n < 0)
		return (int)n;
	if (n != (ssize_t)sizeof(*rep))
		return bo_err_set(err, EPROTO, BO_SUBSYS_LAB,
				  "the attachment's answer is cut short");
	rep->msg[sizeof(rep->msg) - 1] = '\0';
	return rep->code ? bo_err_set(err, rep->code, BO_SUBSYS_LAB, "%s", rep->msg) : 0;
}

static int ask(int sock, const struct bo_attach_question *q, struct bo_attach_reply *rep,
	       struct bo_err *err)
{
	return ask_file(sock, q, rep, NULL, err);
}

int bo_attach_impair(int sock, int peer, enum bo_dir dir, const struct bo_impair *im,
		     struct bo_attach_by *ret_by, struct bo_err *err)
{
	struct bo_attach_question q = { .op = OP_IMPAIR, .peer = peer, .dir = dir, .im = *im };
	struct bo_attach_reply rep;
	int rc;

	if (im->dist == BO_DIST_TABLE)
		q.table = *im->table;
	rc = ask(sock, &q, &rep, err);
	if (rc == 0 && ret_by) {
		ret_by->driver = (enum bo_driver)rep.driver;
		memcpy(ret_by->why, rep.msg, sizeof(ret_by->why));
	}
	return rc;
}

static int take_samples(const struct bo_attach_reply *rep, int fd, struct bo_link_samples *ret,
			struct bo_err *err)
{
	struct bo_link_samples s = { .nprobes = rep->nprobes, .ntrains = rep->ntrains };
	size_t probes = s.nprobes * sizeof(*s.probes), trains = s.ntrains * sizeof(*s.trains);

	if (s.nprobes > BO_ATTACH_RECORDS || s.ntrains > BO_ATTACH_RECORDS)
		return bo_err_set(err, EPROTO, BO_SUBSYS_LAB,
				  "the attachment's answer is too long");
	s.probes = malloc(probes + 1);
	s.trains = malloc(trains + 1);
	if (!s.probes || !s.trains) {
		bo_link_samples_done(&s);
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory");
	}
	if (pread(fd, s.probes, probes, 0) != (ssize_t)probes ||
	    pread(fd, s.trains, trains, (off_t)probes) != (ssize_t)trains) {
		bo_link_samples_done(&s);
		return bo_err_set(err, EPROTO, BO_SUBSYS_LAB,
				  "the attachment's answer is cut short");
	}
	*ret = s;
	return 0;
}

int bo_attach_samples(int sock, int peer, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
		      struct bo_link_samples *ret, struct bo_tcp_rtt *ret_rtt, struct bo_err *err)
{
	struct bo_attach_question q = {
		.op = OP_SAMPLES, .peer = peer, .dir = dir, .from_ns = from_ns, .to_ns = to_ns
	};
	struct bo_fds fds = { 0 };
	struct bo_attach_reply rep;
	int rc = ask_file(sock, &q, &rep, &fds, err);

	if (rc == 0)
		rc = take_samples(&rep, fds.n ? fds.fd[0] : -1, ret, err);
	bo_fds_close(&fds);
	if (rc == 0 && ret_rtt)
		*ret_rtt = rep.rtt;
	return rc;
}

int bo_attach_measure(int sock, int peer, enum bo_dir dir, int64_t from_ns, int64_t to_ns,
		      struct bo_link_measure *ret, struct bo_tcp_rtt *ret_rtt, struct bo_err *err)
{
	struct bo_link_samples samples;
	int rc = bo_attach_samples(sock, peer, dir, from_ns, to_ns, &samples, ret_rtt, err);

	if (rc < 0)
		return rc;
	rc = bo_link_summarise(&samples, ret);
	bo_link_samples_done(&samples);
	return rc < 0 ? bo_err_set(err, ENOMEM, BO_SUBSYS_LAB, "out of memory") : 0;
}

int bo_attach_signal(int sock, int signal, struct bo_err *err)
{
	struct bo_attach_question q = { .op = OP_SIGNAL, .signal = signal };
	struct bo_attach_reply rep;

	return ask(sock, &q, &rep, err);
}

int bo_attach_state(int sock, struct bo_node_state *ret, struct bo_err *err)
{
	struct bo_attach_question q = { .op = OP_STATE };
	struct bo_attach_reply rep;
	int rc = ask(sock, &q, &rep, err);

	if (rc == 0)
		*ret = rep.state;
	return rc;
}
