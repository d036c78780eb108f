/* SPDX-License-Identifier: Apache-2.0 */
/* h2d.c — the server's side of one HTTP/2 connection, for tests.
 * Owns: nothing.  Threads: one per connection.  Privilege: none. */
#include "h2d.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BIG (3 << 20)

struct stream {
	char path[64];
	size_t got;  /* bytes of the request's body */
	size_t left; /* bytes of the response's body not sent yet */
	size_t at;
	const char *body;   /* NULL: zeros */
	const char *status; /* grpc-status to send in trailers, NULL for none */
	bool stalls;
	bool answered;
};

struct conn {
	struct h2d *d;
	int open;
};

#define NV(n, v)                                                                               \
	{                                                                                      \
		(uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, strlen(v), NGHTTP2_NV_FLAG_NONE \
	}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t len,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct stream *s = source->ptr;
	size_t n = s->left < len ? s->left : len;

	(void)arg;
	if (!n && s->stalls)
		return NGHTTP2_ERR_DEFERRED;
	if (s->body)
		memcpy(buf, s->body + s->at, n);
	else
		memset(buf, 0, n);
	s->at += n;
	s->left -= n;
	if (s->left || s->stalls)
		return (ssize_t)n;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (s->status) {
		const nghttp2_nv trailers[] = { NV("grpc-status", s->status),
						NV("grpc-message", "db%20is%20gone") };

		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		nghttp2_submit_trailer(session, id, trailers, 2);
	}
	return (ssize_t)n;
}

static void answer(nghttp2_session *session, int32_t id, struct stream *s, const char *status,
		   const char *body, size_t len)
{
	const nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_body };
	const nghttp2_nv head[] = { NV(":status", status) };

	s->body = body;
	s->left = len;
	nghttp2_submit_response(session, id, head, 1, &provider);
}

static void answer_grpc(nghttp2_session *session, int32_t id, struct stream *s)
{
	static const char message[] = "\0\0\0\0\2hi", two[] = "\0\0\0\0\2hi\0\0\0\0\2ho",
			  packed[] = "\1\0\0\0\2hi";
	const nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_body };
	const nghttp2_nv head[] = { NV(":status", "200"), NV("content-type", "application/grpc"),
				    NV("grpc-status", "5") };
	const char *method = s->path + 3;

	s->body = message;
	s->left = 7;
	s->status = "0";
	if (!strcmp(method, "TrailersOnly")) {
		nghttp2_submit_response(session, id, head, 3, NULL);
		return;
	}
	if (!strcmp(method, "Unavailable")) {
		s->left = 0;
		s->status = "14";
	} else if (!strcmp(method, "Short")) {
		s->left = 6;
	} else if (!strcmp(method, "Two")) {
		s->body = two;
		s->left = 14;
	} else if (!strcmp(method, "NoStatus")) {
		s->status = NULL;
	} else if (!strcmp(method, "Compressed")) {
		s->body = packed;
	}
	nghttp2_submit_response(session, id, head, 2, &provider);
}

static void respond(struct conn *c, nghttp2_session *session, int32_t id, struct stream *s)
{
	static const nghttp2_nv too_short[] = { NV(":status", "200"), NV("content-length", "1") };
	const nghttp2_data_provider provider = { .source.ptr = s, .read_callback = read_body };
	const char *path = s->path;

	if (s->answered)
		return;
	s->answered = true;
	atomic_fetch_add(&c->d->requests, 1);
	if (!strncmp(path, "/s/", 3)) {
		answer_grpc(session, id, s);
	} else if (!strncmp(path, "/status/", 8)) {
		answer(session, id, s, path + 8, "", 0);
	} else if (!strcmp(path, "/big")) {
		answer(session, id, s, "200", NULL, BIG);
	} else if (!strcmp(path, "/echo")) {
		answer(session, id, s, "200", NULL, s->got);
	} else if (!strcmp(path, "/half")) {
		s->stalls = true;
		answer(session, id, s, "200", "half", 4);
	} else if (!strcmp(path, "/length")) {
		s->left = 5;
		nghttp2_submit_response(session, id, too_short, 2, &provider);
	} else if (!strcmp(path, "/reset")) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
	} else if (!strcmp(path, "/refuse") && !atomic_fetch_add(&c->d->refused, 1)) {
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
	} else if (!strcmp(path, "/goaway")) {
		answer(session, id, s, "200", "ok", 2);
		if (!atomic_fetch_add(&c->d->gone, 1))
			nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR,
					      NULL, 0);
	} else if (strcmp(path, "/silent") != 0) {
		answer(session, id, s, "200", "ok", 2);
	}
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct conn *c = arg;

	c->open++;
	if (c->open > atomic_load(&c->d->peak_streams))
		atomic_store(&c->d->peak_streams, c->open);
	return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id,
						    calloc(1, sizeof(struct stream)));
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

	(void)flags;
	(void)arg;
	if (s && name_len == 5 && !memcmp(name, ":path", 5))
		snprintf(s->path, sizeof(s->path), "%.*s", (int)value_len, (const char *)value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t len, void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);
	struct conn *c = arg;

	(void)flags;
	(void)data;
	s->got += len;
	atomic_fetch_add(&c->d->body_bytes, len);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	struct conn *c = arg;

	if (frame->hd.type == NGHTTP2_RST_STREAM)
		atomic_fetch_add(&c->d->resets, 1);
	if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code == NGHTTP2_CANCEL)
		atomic_fetch_add(&c->d->cancels, 1);
	if (!s || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
		return 0;
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) || !strcmp(s->path, "/early"))
		respond(c, session, frame->hd.stream_id, s);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct conn *c = arg;

	(void)code;
	c->open--;
	free(nghttp2_session_get_stream_user_data(session, id));
	nghttp2_session_set_stream_user_data(session, id, NULL);
	return 0;
}

static bool flush(nghttp2_session *session, const struct h2d_io *io)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(session, &data)) > 0) {
		while (n > 0) {
			ssize_t done = io->write(io->arg, data, (size_t)n);

			if (done <= 0)
				return false;
			data += done;
			n -= done;
		}
	}
	return n == 0;
}

void h2d_serve(struct h2d *d, const struct h2d_io *io)
{
	const nghttp2_settings_entry settings = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
						  d->max_streams };
	struct conn c = { .d = d };
	nghttp2_session_callbacks *cb;
	nghttp2_session *session;
	uint8_t buf[16 * 1024];
	ssize_t n;

	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_server_new(&session, cb, &c);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, &settings, d->max_streams ? 1 : 0);
	while (flush(session, io) && (n = io->read(io->arg, buf, sizeof(buf))) > 0) {
		if (nghttp2_session_mem_recv(session, buf, (size_t)n) < 0)
			break;
	}
	/* Streams that are open still have what they were given. */
	for (int32_t id = 1; id < nghttp2_session_get_last_proc_stream_id(session) + 1; id += 2)
		free(nghttp2_session_get_stream_user_data(session, id));
	nghttp2_session_del(session);
}

static ssize_t sock_read(void *arg, void *buf, size_t len)
{
	return recv(*(int *)arg, buf, len, 0);
}

static ssize_t sock_write(void *arg, const void *buf, size_t len)
{
	return send(*(int *)arg, buf, len, MSG_NOSIGNAL);
}

void h2d_serve_socket(struct h2d *d, int fd)
{
	h2d_serve(d, &(const struct h2d_io){ &fd, sock_read, sock_write });
}
