/* SPDX-License-Identifier: Apache-2.0 */
/* h2d.h — the server's side of one HTTP/2 connection, for tests: answers by path, misbehaves as told.
 *
 *   /ok          200 "ok"                        /status/404  that status
 *   /echo        200 and the body that came      /big         200 and 3 MiB
 *   /silent      nothing                         /half        a head and half a body
 *   /reset       RST_STREAM INTERNAL_ERROR       /refuse      RST_STREAM REFUSED_STREAM, the first time
 *   /early       200 before the request ended    /length      a body longer than its content-length
 *   /goaway      "ok", and the first time GOAWAY, so that later ones are refused
 *   /s/Ok /s/Unavailable /s/TrailersOnly /s/Short /s/Two /s/NoStatus /s/Compressed   gRPC
 *
 * Owns: nothing.  Threads: one per connection.  Privilege: none. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** struct h2d_io - blocking read and write of the connection, as read(2) and write(2) */
struct h2d_io {
	void *arg;
	ssize_t (*read)(void *arg, void *buf, size_t len);
	ssize_t (*write)(void *arg, const void *buf, size_t len);
};

/** struct h2d - what all connections of a test share; zero-initialise
 * @max_streams: SETTINGS_MAX_CONCURRENT_STREAMS, 0: not said
 * @requests: requests that were read to their end or answered before;  @resets: RST_STREAM received, @cancels: of them, with CANCEL
 * @body_bytes: of requests;  @refused, @gone: by /refuse and /goaway so far */
struct h2d {
	uint32_t max_streams;
	atomic_int requests;
	atomic_int resets;
	atomic_int cancels;
	atomic_int refused;
	atomic_int gone;
	atomic_size_t body_bytes;
	atomic_int peak_streams;
};

/** h2d_serve() - until the client is gone */
void h2d_serve(struct h2d *d, const struct h2d_io *io);
/** h2d_serve_socket() - the same over a connected socket, in clear text */
void h2d_serve_socket(struct h2d *d, int fd);
