/* SPDX-License-Identifier: Apache-2.0 */
/* h2.c — the client's side of one HTTP/2 connection.
 * Owns: the session and its requests.  Threads: one per session.  Privilege: none.
 *
 * Theory of operation.  nghttp2 parses, keeps flow control windows and answers SETTINGS and PING; it
 * limits by itself what a server can make it queue (acknowledgements, CONTINUATION frames, entries of
 * SETTINGS).  A response that breaks HTTP's rules is answered with RST_STREAM by nghttp2, one that
 * breaks the connection's with GOAWAY; both are seen in what it sends, and that is how they are told
 * from what the server did. */
#include "brownout/load/h2.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW (1 << 20)       /* of a stream */
#define CONN_WINDOW (16 << 20) /* of all of them together */

struct bo_h2 {
	nghttp2_session *session;
	const struct bo_h2_events *events;
	void *arg;
	struct bo_h2_call *calls;
	const char *why;
};

static struct bo_h2_call *call_of(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

/* ---- requests ---- */

static void call_free(struct bo_h2 *h2, struct bo_h2_call *call)
{
	if (call->prev)
		call->prev->next = call->next;
	else
		h2->calls = call->next;
	if (call->next)
		call->next->prev = call->prev;
	free(call->body);
	free(call);
}

static void call_end(struct bo_h2 *h2, struct bo_h2_call *call, enum bo_h2_end how)
{
	nghttp2_session_set_stream_user_data(h2->session, call->stream, NULL);
	h2->events->end(h2->arg, call, how);
	call_free(h2, call);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t len,
			 uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct bo_h2_call *call = call_of(session, stream);
	size_t n;

	(void)source;
	(void)arg;
	if (!call) /* given up meanwhile */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = call->body_len - call->body_at;
	if (n > len)
		n = len;
	if (n)
		memcpy(buf, call->body + call->body_at, n);
	call->body_at += n;
	if (call->body_at == call->body_len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

struct bo_h2_call *bo_h2_request(struct bo_h2 *h2, const struct bo_h2_field *fields, size_t nfields,
				 char *body, size_t body_len, bool is_grpc, void *user)
{
	const nghttp2_data_provider provider = { .read_callback = read_body };
	struct bo_h2_call *call = calloc(1, sizeof(*call));
	nghttp2_nv *nv = calloc(nfields, sizeof(*nv));

	if (!call || !nv) {
		free(call);
		free(nv);
		free(body);
		return NULL;
	}
	for (size_t i = 0; i < nfields; i++) {
		nv[i].name = (uint8_t *)fields[i].name;
		nv[i].value = (uint8_t *)fields[i].value;
		nv[i].namelen = fields[i].name_len;
		nv[i].valuelen = fields[i].value_len;
	}
	call->user = user;
	call->is_grpc = is_grpc;
	call->body = body;
	call->body_len = body_len;
	call->next = h2->calls;
	if (h2->calls)
		h2->calls->prev = call;
	h2->calls = call;
	call->stream = nghttp2_submit_request(h2->session, NULL, nv, nfields,
					      body ? &provider : NULL, call);
	free(nv);
	if (call->stream < 0) {
		call_free(h2, call);
		return NULL;
	}
	return call;
}

void bo_h2_cancel(struct bo_h2 *h2, struct bo_h2_call *call)
{
	nghttp2_session_set_stream_user_data(h2->session, call->stream, NULL);
	/* Only memory can be out; then the stream just stays open. */
	(void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, call->stream,
					NGHTTP2_CANCEL);
	call_free(h2, call);
}

/* ---- what the server says ---- */

/* The request ends badly once nghttp2 has sent its RST_STREAM. */
static int refuse(struct bo_h2_call *call, const char *why)
{
	if (!call->why)
		call->why = why;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void begin(struct bo_h2 *h2, struct bo_h2_call *call)
{
	if (call->begun)
		return;
	call->begun = true;
	h2->events->begun(h2->arg, call);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
		     void *arg)
{
	struct bo_h2_call *call = call_of(session, frame->hd.stream_id);
	struct bo_h2 *h2 = arg;

	(void)flags;
	if (!call)
		return 0;
	begin(h2, call);
	call->received += name_len + value_len;
	call->head_bytes += (uint32_t)(name_len + value_len + 32); /* RFC 9113 §10.5.1 */
	if (call->head_bytes > BO_H2_HEAD_MAX)
		return refuse(call, "the fields of the response are longer than 64 KiB");
	/* nghttp2 has checked that it is three digits. */
	if (name_len == 7 && !memcmp(name, ":status", 7) && value_len == 3) {
		call->status_now = (uint16_t)((value[0] - '0') * 100 + (value[1] - '0') * 10 +
					      (value[2] - '0'));
		/* RFC 9110 §15: the first digit is the class, and there is no class 0. */
		return call->status_now < 100 ? refuse(call, "the status is not valid") : 0;
	}
	if (call->is_grpc && call->status_now == 200 &&
	    bo_grpc_header(&call->grpc, (const char *)name, name_len, (const char *)value,
			   value_len))
		return refuse(call, call->grpc.error);
	return 0;
}

static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
			     const uint8_t *name, size_t name_len, const uint8_t *value,
			     size_t value_len, uint8_t flags, void *arg)
{
	struct bo_h2_call *call = call_of(session, frame->hd.stream_id);

	(void)name;
	(void)name_len;
	(void)value;
	(void)value_len;
	(void)flags;
	(void)arg;
	return call ? refuse(call, "a field that HTTP/2 does not allow") : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
		   size_t len, void *arg)
{
	struct bo_h2_call *call = call_of(session, stream);

	(void)flags;
	(void)arg;
	if (!call)
		return 0;
	call->received += len;
	if (call->is_grpc && call->status == 200 &&
	    bo_grpc_data(&call->grpc, (const char *)data, len)) {
		refuse(call, call->grpc.error);
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, stream,
						NGHTTP2_PROTOCOL_ERROR);
	}
	return 0;
}

/* The response is whole. */
static void finish(struct bo_h2 *h2, struct bo_h2_call *call)
{
	int32_t stream = call->stream;

	if (call->why)
		return; /* it is being reset */
	if (!call->status)
		call->why = "the response ended without a final status";
	else if (call->is_grpc && call->status == 200 && bo_grpc_end(&call->grpc))
		call->why = call->grpc.error;
	if (call->why) {
		call_end(h2, call, BO_H2_PROTOCOL);
	} else {
		call_end(h2, call, BO_H2_ANSWERED);
	}
	/* Who answers early does not want the rest of the request. */
	if (nghttp2_session_get_stream_local_close(h2->session, stream) == 0)
		(void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, stream,
						NGHTTP2_CANCEL);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct bo_h2 *h2 = arg;
	struct bo_h2_call *call;

	if (frame->hd.type == NGHTTP2_GOAWAY) {
		h2->events->goaway(h2->arg);
		return 0;
	}
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	call = call_of(session, frame->hd.stream_id);
	if (!call)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && call->status_now >= 200)
		call->status = call->status_now;
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		finish(h2, call);
	return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct bo_h2_call *call = call_of(session, frame->hd.stream_id);
	struct bo_h2 *h2 = arg;

	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		h2->why = nghttp2_http2_strerror(frame->goaway.error_code);
	else if (frame->hd.type == NGHTTP2_HEADERS && call)
		h2->events->sent(h2->arg, call);
	else if (frame->hd.type == NGHTTP2_RST_STREAM && call && !call->why)
		call->why = "the response breaks a rule of HTTP";
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
	struct bo_h2_call *call = call_of(session, stream);
	struct bo_h2 *h2 = arg;

	if (!call)
		return 0;
	if (call->why)
		call_end(h2, call, BO_H2_PROTOCOL);
	else
		call_end(h2, call, code == NGHTTP2_REFUSED_STREAM ? BO_H2_REFUSED : BO_H2_RESET);
	return 0;
}

/* ---- session ---- */

static int make_session(struct bo_h2 *h2)
{
	nghttp2_session_callbacks *cb;
	int rc = nghttp2_session_callbacks_new(&cb);

	if (rc)
		return rc;
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_send);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	rc = nghttp2_session_client_new(&h2->session, cb, h2);
	nghttp2_session_callbacks_del(cb);
	return rc;
}

int bo_h2_new(struct bo_h2 **ret, const struct bo_h2_events *events, void *arg)
{
	static const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, BO_H2_HEAD_MAX },
	};
	struct bo_h2 *h2 = calloc(1, sizeof(*h2));
	int rc;

	if (!h2)
		return -ENOMEM;
	h2->events = events;
	h2->arg = arg;
	rc = make_session(h2);
	if (!rc)
		rc = nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, settings,
					     sizeof(settings) / sizeof(settings[0]));
	if (!rc)
		rc = nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
							   CONN_WINDOW);
	if (rc) {
		bo_h2_free(h2);
		return -ENOMEM;
	}
	*ret = h2;
	return 0;
}

void bo_h2_free(struct bo_h2 *h2)
{
	if (!h2)
		return;
	nghttp2_session_del(h2->session);
	while (h2->calls)
		call_free(h2, h2->calls);
	free(h2);
}

int bo_h2_feed(struct bo_h2 *h2, const char *buf, size_t len)
{
	ssize_t n = nghttp2_session_mem_recv(h2->session, (const uint8_t *)buf, len);

	if (n >= 0)
		return 0;
	h2->why = nghttp2_strerror((int)n);
	return -EPROTO;
}

ssize_t bo_h2_pull(struct bo_h2 *h2, const char **ret)
{
	const uint8_t *data = NULL;
	ssize_t n;

	if (h2->why)
		return -EPROTO; /* the GOAWAY that says so was pulled before */
	n = nghttp2_session_mem_send(h2->session, &data);
	if (n < 0) {
		h2->why = nghttp2_strerror((int)n);
		return -EPROTO;
	}
	*ret = (const char *)data;
	return n;
}

const char *bo_h2_why(const struct bo_h2 *h2)
{
	return h2->why ? h2->why : "";
}

uint32_t bo_h2_room(const struct bo_h2 *h2)
{
	return nghttp2_session_get_remote_settings(h2->session,
						   NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}
