/* SPDX-License-Identifier: Apache-2.0 */
/* test_load_tls.c — TLS: whom it trusts, what it says when it does not, and servers that break off.
 * Owns: nothing.  Threads: those of the helpers.  Privilege: none. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "brownout/base/clock.h"
#include "h2d.h"
#include "test_load_support.h"
#include "testcert.h"

static struct testcert ca, other_ca, good, expired, elsewhere;
static char *ca_pem, *other_pem;

/* What the server of the current test does. */
static SSL_CTX *ctx;
static bool abrupt;         /* ends without a close_notify */
static atomic_int sni_seen; /* handshakes that named "test" */
static struct h2d h2d;

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	testcert_make(&ca, NULL, "test authority", 30);
	testcert_make(&other_ca, NULL, "another authority", 30);
	testcert_make(&good, &ca, "test", 30);
	testcert_make(&expired, &ca, "test", -1);
	testcert_make(&elsewhere, &ca, "elsewhere", 30);
	ca_pem = testcert_pem(&ca);
	other_pem = testcert_pem(&other_ca);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testcert_done(&ca);
	testcert_done(&other_ca);
	testcert_done(&good);
	testcert_done(&expired);
	testcert_done(&elsewhere);
	free(ca_pem);
	free(other_pem);
	return 0;
}

/* What the client showed, certificate and chain. */
static atomic_int longest_chain;

static int count_chain(int ok, X509_STORE_CTX *store)
{
	atomic_store(&longest_chain, sk_X509_num(X509_STORE_CTX_get0_untrusted(store)));
	return ok;
}

static SSL *accept_tls(int fd)
{
	SSL *ssl = SSL_new(ctx);
	const char *name;

	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1) {
		name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
		if (name && !strcmp(name, "test"))
			atomic_fetch_add(&sni_seen, 1);
		return ssl;
	}
	ERR_clear_error();
	SSL_free(ssl);
	return NULL;
}

static bool read_head(SSL *ssl)
{
	static const char end[] = "\r\n\r\n";
	size_t seen = 0;
	char ch;

	while (seen < 4) {
		if (SSL_read(ssl, &ch, 1) != 1)
			return false;
		seen = ch == end[seen] ? seen + 1 : ch == '\r';
	}
	return true;
}

static void say(SSL *ssl, const char *text)
{
	(void)SSL_write(ssl, text, (int)strlen(text));
}

static void finish(SSL *ssl)
{
	if (!abrupt)
		SSL_shutdown(ssl);
	ERR_clear_error();
	SSL_free(ssl);
}

static void serve_ok(struct tserver *s, int fd)
{
	SSL *ssl = accept_tls(fd);

	if (!ssl)
		return;
	while (read_head(ssl)) {
		atomic_fetch_add(&s->requests, 1);
		say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	}
	finish(ssl);
}

static void serve_big(struct tserver *s, int fd)
{
	static char body[1 << 20];
	SSL *ssl = accept_tls(fd);

	(void)s;
	if (!ssl)
		return;
	while (read_head(ssl)) {
		say(ssl, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
		(void)SSL_write(ssl, body, sizeof(body));
	}
	finish(ssl);
}

/* A body that ends with the connection. */
static void serve_until_close(struct tserver *s, int fd)
{
	SSL *ssl = accept_tls(fd);

	(void)s;
	if (!ssl)
		return;
	if (read_head(ssl))
		say(ssl, "HTTP/1.1 200 OK\r\n\r\nthe end");
	finish(ssl);
}

static void serve_silent(struct tserver *s, int fd)
{
	SSL *ssl = accept_tls(fd);

	(void)s;
	if (!ssl)
		return;
	while (read_head(ssl))
		;
	finish(ssl);
}

static ssize_t ssl_read(void *arg, void *buf, size_t len)
{
	return SSL_read(arg, buf, (int)len);
}

static ssize_t ssl_write(void *arg, const void *buf, size_t len)
{
	return SSL_write(arg, buf, (int)len);
}

static void serve_h2(struct tserver *s, int fd)
{
	SSL *ssl = accept_tls(fd);
	struct h2d_io io = { ssl, ssl_read, ssl_write };

	(void)s;
	if (!ssl)
		return;
	h2d_serve(&h2d, &io);
	finish(ssl);
}

/* ---- not quite TLS ---- */

static void hello_then(int fd, const char *bytes, size_t len)
{
	char buf[4096];

	if (recv(fd, buf, sizeof(buf), 0) > 0 && len)
		(void)!send(fd, bytes, len, MSG_NOSIGNAL);
}

static void serve_garbage(struct tserver *s, int fd)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\nClient sent an HTTP request\n";

	hello_then(fd, text, sizeof(text) - 1);
	tserver_until_gone(s, fd);
}

static void serve_close(struct tserver *s, int fd)
{
	(void)s;
	hello_then(fd, "", 0);
}

/* The beginning of a record that would hold a ServerHello. */
static void serve_half(struct tserver *s, int fd)
{
	(void)s;
	hello_then(fd, "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11);
}

static void serve_alert(struct tserver *s, int fd)
{
	hello_then(fd, "\x15\x03\x03\x00\x02\x02\x50", 7); /* internal_error */
	tserver_until_gone(s, fd);
}

static void serve_stall(struct tserver *s, int fd)
{
	tserver_until_gone(s, fd);
}

/* A good handshake, an answer, and then a record that was not encrypted by anyone. */
static void serve_bad_record(struct tserver *s, int fd)
{
	SSL *ssl = accept_tls(fd);
	char junk[5 + 64] = "\x17\x03\x03\x00\x40";

	if (!ssl)
		return;
	if (read_head(ssl))
		(void)!send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
	tserver_until_gone(s, fd);
	SSL_set_quiet_shutdown(ssl, 1);
	SSL_free(ssl);
}

/* ---- helpers ---- */

static void tls_init(struct trun *t, struct tserver *s, tserver_fn fn, const struct testcert *cert,
		     const char *alpn)
{
	ctx = testcert_server(cert, alpn);
	abrupt = false;
	atomic_store(&sni_seen, 0);
	memset(&h2d, 0, sizeof(h2d));
	tserver_start(s, fn, 128);
	trun_init(t, s, 100, 100);
	t->spec.tls.on = true;
	t->spec.tls.ca_pem = ca_pem;
	t->spec.timeout_ns = 3000 * MS;
}

static void done(struct trun *t, struct tserver *s)
{
	tserver_stop(s);
	trun_done(t);
	SSL_CTX_free(ctx);
}

static void all_are(struct trun *t, size_t n, enum bo_req_class cls, const char *why)
{
	const struct bo_load_record *rec;

	trun_all_are(t, n, cls);
	rec = &t->run->loads.items[0];
	if (!why)
		return;
	assert_true(rec->nreasons > 0);
	assert_int_equal(rec->reasons[0].cls, cls);
	if (!strstr(rec->reasons[0].text, why))
		fail_msg("'%s' does not say '%s'", rec->reasons[0].text, why);
}

static void expect_failure(tserver_fn fn, const struct testcert *cert, enum bo_req_class cls,
			   const char *why)
{
	struct tserver s;
	struct trun t;

	tls_init(&t, &s, fn, cert, NULL);
	if (cls == BO_REQ_TIMEOUT_CONNECT || cls == BO_REQ_TIMEOUT_FIRST_BYTE)
		t.spec.timeout_ns = 1000 * MS;
	all_are(&t, 10, cls, why);
	if (cls == BO_REQ_TLS)
		assert_int_equal(t.run->loads.items[0].sent, 0);
	done(&t, &s);
}

/* ---- tests ---- */

static void test_ok(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tls_init(&t, &s, serve_ok, &good, NULL);
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 1;
	trun_some(&t, 2);
	assert_int_equal(trun_count(&t, BO_REQ_OK), t.run->loads.items[0].offered);
	assert_int_equal(atomic_load(&s.requests), t.run->loads.items[0].offered);
	/* Kept alive: one connection, one handshake, with the name that it is for. */
	assert_int_equal(t.run->loads.items[0].connects, 1);
	assert_int_equal(t.run->loads.items[0].handshakes, 1);
	assert_int_equal(t.run->loads.items[0].resumed, 0);
	assert_int_equal(atomic_load(&sni_seen), 1);
	done(&t, &s);
}

static void test_big(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tls_init(&t, &s, serve_big, &good, NULL);
	all_are(&t, 10, BO_REQ_OK, NULL);
	bo_vec_foreach(r, &t.run->requests)
		assert_true(r->bytes > 1 << 20);
	done(&t, &s);
}

static void test_certificates(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	expect_failure(serve_ok, &expired, BO_REQ_TLS,
		       "certificate of test: certificate has expired");
	expect_failure(serve_ok, &elsewhere, BO_REQ_TLS, "certificate of test: hostname mismatch");
	tls_init(&t, &s, serve_ok, &good, NULL);
	t.spec.tls.ca_pem = other_pem;
	all_are(&t, 10, BO_REQ_TLS, "certificate of test: unable to get local issuer");
	done(&t, &s);
	/* The same three are taken by who asked not to look. */
	tls_init(&t, &s, serve_ok, &expired, NULL);
	t.spec.tls.ca_pem = NULL;
	t.spec.tls.insecure = true;
	all_are(&t, 10, BO_REQ_OK, NULL);
	done(&t, &s);
	/* And a name may be given. */
	tls_init(&t, &s, serve_ok, &elsewhere, NULL);
	t.spec.tls.name = "elsewhere";
	all_are(&t, 10, BO_REQ_OK, NULL);
	done(&t, &s);
}

static void test_broken_handshakes(void **state)
{
	(void)state;
	expect_failure(serve_garbage, &good, BO_REQ_TLS, "wrong version number");
	expect_failure(serve_close, &good, BO_REQ_TLS,
		       "closed the connection during the handshake");
	expect_failure(serve_half, &good, BO_REQ_TLS, "closed the connection during the handshake");
	expect_failure(serve_alert, &good, BO_REQ_TLS, "alert internal error");
	expect_failure(serve_stall, &good, BO_REQ_TIMEOUT_CONNECT, NULL);
}

static void test_bad_record(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tls_init(&t, &s, serve_bad_record, &good, NULL);
	all_are(&t, 10, BO_REQ_TLS, "mac");
	done(&t, &s);
}

static void test_timeout(void **state)
{
	(void)state;
	expect_failure(serve_silent, &good, BO_REQ_TIMEOUT_FIRST_BYTE, NULL);
}

/* Only a close_notify tells the end of such a body from one that was cut off (RFC 9112 §9.8). */
static void test_truncation(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tls_init(&t, &s, serve_until_close, &good, NULL);
	all_are(&t, 10, BO_REQ_OK, NULL);
	done(&t, &s);
	tls_init(&t, &s, serve_until_close, &good, NULL);
	abrupt = true;
	all_are(&t, 10, BO_REQ_RESET, "without a close_notify");
	done(&t, &s);
}

static void resume(int version)
{
	struct tserver s;
	struct trun t;

	tls_init(&t, &s, serve_ok, &good, NULL);
	SSL_CTX_set_max_proto_version(ctx, version);
	/* One after the other, so that each has the session of the one before. */
	t.spec.arrivals = BO_ARRIVALS_CLOSED;
	t.spec.clients = 1;
	t.spec.keepalive = false;
	t.spec.tls.resume = true;
	trun_some(&t, 2);
	assert_int_equal(trun_count(&t, BO_REQ_OK), t.run->loads.items[0].offered);
	assert_int_equal(t.run->loads.items[0].handshakes, t.run->loads.items[0].offered);
	assert_int_equal(t.run->loads.items[0].resumed, t.run->loads.items[0].handshakes - 1);
	done(&t, &s);
}

static void test_resumption(void **state)
{
	(void)state;
	resume(TLS1_2_VERSION);
	resume(TLS1_3_VERSION);
}

static void test_h2(void **state)
{
	struct tserver s;
	struct trun t;

	(void)state;
	tls_init(&t, &s, serve_h2, &good, "h2");
	t.spec.protocol = BO_LOAD_HTTP2;
	t.spec.streams = 10;
	t.spec.path = "/big";
	t.spec.timeout_ns = 8000 * MS;
	all_are(&t, 10, BO_REQ_OK, NULL);
	done(&t, &s);
	tls_init(&t, &s, serve_h2, &good, "h2");
	t.spec.protocol = BO_LOAD_GRPC;
	t.spec.streams = 10;
	t.spec.path = "/s/Unavailable";
	t.spec.method = "POST";
	all_are(&t, 10, BO_REQ_GRPC, "UNAVAILABLE (14)");
	done(&t, &s);
	/* A server that only has HTTP/1.1. */
	tls_init(&t, &s, serve_ok, &good, "http/1.1");
	t.spec.protocol = BO_LOAD_HTTP2;
	t.spec.streams = 10;
	all_are(&t, 10, BO_REQ_TLS, "does not speak h2");
	done(&t, &s);
}

static void mutual(const struct testcert *client, int version, enum bo_req_class cls,
		   const char *why)
{
	struct tserver s;
	struct trun t;
	char *cert = client ? testcert_pem(client) : NULL;
	char *key = client ? testcert_key_pem(client, NULL) : NULL;

	tls_init(&t, &s, serve_ok, &good, NULL);
	SSL_CTX_set_max_proto_version(ctx, version);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
	t.spec.tls.cert_pem = cert;
	t.spec.tls.key_pem = key;
	all_are(&t, 10, cls, why);
	done(&t, &s);
	free(cert);
	free(key);
}

/* The server wants to know who the client is.  With TLS 1.3 it says that it does not like the answer only after the
 * client's handshake is over. */
static void test_client_certificate(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct testcert stranger, intermediate, below;

	(void)state;
	testcert_make(&stranger, &other_ca, "client", 30);
	testcert_make(&intermediate, &ca, "no authority", 30);
	testcert_make(&below, &intermediate, "client", 30);
	for (int i = 0; i < 2; i++) {
		mutual(&good, versions[i], BO_REQ_OK, NULL);
		mutual(NULL, versions[i], BO_REQ_TLS,
		       i ? "alert certificate required" : "alert handshake failure");
		mutual(&stranger, versions[i], BO_REQ_TLS, "alert unknown ca");
		mutual(&expired, versions[i], BO_REQ_TLS, "alert certificate expired");
		mutual(&below, versions[i], BO_REQ_TLS, "alert unknown ca");
	}
	testcert_done(&stranger);
	testcert_done(&intermediate);
	testcert_done(&below);
}

/* What comes after the certificate in its file is shown with it. */
static void test_client_chain(void **state)
{
	char *one = testcert_pem(&good), *two = testcert_pem(&ca), *both = NULL;
	char *key = testcert_key_pem(&good, NULL);
	struct tserver s;
	struct trun t;

	(void)state;
	assert_true(asprintf(&both, "%s%s", one, two) > 0);
	tls_init(&t, &s, serve_ok, &good, NULL);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, count_chain);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
	t.spec.tls.cert_pem = both;
	t.spec.tls.key_pem = key;
	all_are(&t, 10, BO_REQ_OK, NULL);
	assert_int_equal(atomic_load(&longest_chain), 2);
	done(&t, &s);
	free(one);
	free(two);
	free(both);
	free(key);
}

static void expect_unusable(const char *cert, const char *key, const char *why)
{
	struct bo_load_spec spec = { .name = "test",
				     .rate_per_s = 1,
				     .tls = { .on = true,
					      .insecure = true,
					      .cert_pem = cert,
					      .cert_file = "client.pem",
					      .key_pem = key,
					      .key_file = "client.key" } };
	struct bo_err err = { 0 };

	assert_int_equal(bo_load_check_tls(&spec, &err), -EINVAL);
	assert_string_equal(err.msg, why);
	spec.tls.on = false;
	assert_int_equal(bo_load_check_tls(&spec, &err), 0);
}

static void test_unusable_client_certificate(void **state)
{
	char *cert = testcert_pem(&good), *key = testcert_key_pem(&good, NULL);
	char *others = testcert_key_pem(&elsewhere, NULL),
	     *locked = testcert_key_pem(&good, "secret");

	(void)state;
	expect_unusable("none", key, "load 'test': tls: no certificate in client.pem");
	expect_unusable(
		cert, "none",
		"load 'test': tls: no private key in client.key that can be read without a passphrase");
	expect_unusable(
		cert, locked,
		"load 'test': tls: no private key in client.key that can be read without a passphrase");
	expect_unusable(
		cert, others,
		"load 'test': tls: the key in client.key is not that of the certificate in client.pem");
	free(cert);
	free(key);
	free(others);
	free(locked);
}

static void test_bad_ca(void **state)
{
	struct bo_load_spec spec = { .name = "test",
				     .rate_per_s = 1,
				     .tls = { .on = true, .ca_pem = "none", .ca_file = "ca.pem" } };
	struct bo_load_config config = { .spec = &spec,
					 .addr.ss_family = AF_INET,
					 .host_header = "test" };
	struct bo_load *load = NULL;
	struct bo_err err = { 0 };

	(void)state;
	assert_int_equal(bo_load_new(&load, &config, &err), -EINVAL);
	assert_string_equal(err.msg, "load 'test': tls: no certificate in ca.pem");
	spec.tls.ca_pem = NULL;
	assert_int_equal(bo_load_new(&load, &config, &err), -EINVAL);
	assert_null(load);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok),
		cmocka_unit_test(test_big),
		cmocka_unit_test(test_certificates),
		cmocka_unit_test(test_broken_handshakes),
		cmocka_unit_test(test_bad_record),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_resumption),
		cmocka_unit_test(test_h2),
		cmocka_unit_test(test_bad_ca),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_client_chain),
		cmocka_unit_test(test_unusable_client_certificate),
	};

	return cmocka_run_group_tests_name("load/tls", tests, setup, teardown);
}
