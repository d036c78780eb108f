/* SPDX-License-Identifier: Apache-2.0 */
/* tls.c — TLS through OpenSSL, on the connection's own socket.
 * Owns: the context, the session that is resumed, an SSL per connection.  Threads: the load's.
 * Privilege: none.
 *
 * OpenSSL writes with write(2), which may raise SIGPIPE; the load's thread has every signal blocked
 * (load.c), so it only sees EPIPE.  Renegotiation is off, so reading never has to wait for writing
 * nor the other way round once the handshake is over. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "protocol.h"
#include "transport.h"

struct bo_tls {
	SSL_CTX *ctx;
	SSL_SESSION *session; /* [owned] the latest, when sessions are resumed */
	bool resume;
	bool insecure;
	bool is_ip;
	const char *alpn; /* [borrowed] */
	bool alpn_required;
	char name[256];
	char why[200];
};

static struct bo_tls *tls_of(const SSL *ssl)
{
	return SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
}

/* ---- what all connections share ---- */

/* The latest ticket wins; a TLS 1.3 server sends several. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
	struct bo_tls *tls = tls_of(ssl);

	SSL_SESSION_free(tls->session);
	tls->session = session;
	return 1; /* the reference is ours now */
}

static int trust(struct bo_tls *tls, const struct bo_load_spec *spec, struct bo_err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(tls->ctx);
	BIO *bio = BIO_new_mem_buf(spec->tls.ca_pem, -1);
	bool ok = bio != NULL;
	X509 *cert;
	int n = 0;

	while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		ok = X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
		n++;
	}
	BIO_free(bio);
	ERR_clear_error(); /* "no start line" is how the list ends */
	if (ok && n)
		return 0;
	return bo_err_set(err, EINVAL, BO_SUBSYS_LOAD, "load '%s': tls: no certificate in %s",
			  spec->name, spec->tls.ca_file ? spec->tls.ca_file : "the ca text");
}

/* Nobody is asked for a passphrase: there may be no one, and a terminal is the status line's. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool use_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1;

	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL))) {
		ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
		if (!ok)
			X509_free(cert);
	}
	ERR_clear_error(); /* "no start line" is how the list ends */
	return ok;
}

/* What the client shows to a server that asks who it is. */
static int introduce(struct bo_tls *tls, const struct bo_load_spec *spec, struct bo_err *err)
{
	BIO *certs = BIO_new_mem_buf(spec->tls.cert_pem, -1);
	BIO *keys = BIO_new_mem_buf(spec->tls.key_pem, -1);
	EVP_PKEY *key = keys ? PEM_read_bio_PrivateKey(keys, NULL, no_passphrase, NULL) : NULL;
	bool shown = certs && use_chain(tls->ctx, certs);
	int rc = 0;

	if (!shown)
		rc = bo_err_set(err, EINVAL, BO_SUBSYS_LOAD, "load '%s': tls: no certificate in %s",
				spec->name,
				spec->tls.cert_file ? spec->tls.cert_file : "the cert text");
	else if (!key)
		rc = bo_err_set(
			err, EINVAL, BO_SUBSYS_LOAD,
			"load '%s': tls: no private key in %s that can be read without a passphrase",
			spec->name, spec->tls.key_file ? spec->tls.key_file : "the key text");
	else if (SSL_CTX_use_PrivateKey(tls->ctx, key) != 1)
		rc = bo_err_set(
			err, EINVAL, BO_SUBSYS_LOAD,
			"load '%s': tls: the key in %s is not that of the certificate in %s",
			spec->name, spec->tls.key_file ? spec->tls.key_file : "the key text",
			spec->tls.cert_file ? spec->tls.cert_file : "the cert text");
	ERR_clear_error();
	EVP_PKEY_free(key);
	BIO_free(keys);
	BIO_free(certs);
	return rc;
}

/* "orders:8443" → "orders", "[::1]:443" → "::1" */
static void set_name(struct bo_tls *tls, const char *name, const char *host)
{
	unsigned char addr[16];
	size_t len;

	if (name) {
		snprintf(tls->name, sizeof(tls->name), "%s", name);
	} else {
		bool bracket = *host == '[';

		len = strcspn(host + bracket, bracket ? "]" : ":");
		snprintf(tls->name, sizeof(tls->name), "%.*s", (int)len, host + bracket);
	}
	tls->is_ip = inet_pton(AF_INET, tls->name, addr) == 1 ||
		     inet_pton(AF_INET6, tls->name, addr) == 1;
}

static int make_ctx(struct bo_tls *tls, const struct bo_load_spec *spec, struct bo_err *err)
{
	tls->ctx = SSL_CTX_new(TLS_client_method());
	if (!tls->ctx)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  spec->name);
	SSL_CTX_set_app_data(tls->ctx, tls);
	SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					   SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
	if (tls->resume) {
		SSL_CTX_set_session_cache_mode(tls->ctx,
					       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(tls->ctx, on_new_session);
	}
	SSL_CTX_set_verify(tls->ctx, tls->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	if (spec->tls.cert_pem && spec->tls.key_pem) {
		int rc = introduce(tls, spec, err);

		if (rc)
			return rc;
	}
	return tls->insecure ? 0 : trust(tls, spec, err);
}

int bo_tls_new(struct bo_tls **ret, const struct bo_load_spec *spec, const char *host,
	       struct bo_err *err)
{
	const struct bo_protocol *protocol = bo_protocol_of(spec->protocol);
	struct bo_tls *tls = calloc(1, sizeof(*tls));
	int rc;

	if (!tls)
		return bo_err_set(err, ENOMEM, BO_SUBSYS_LOAD, "load '%s': out of memory",
				  spec->name);
	tls->resume = spec->tls.resume;
	tls->insecure = spec->tls.insecure;
	tls->alpn = protocol->alpn;
	tls->alpn_required = protocol->alpn_required;
	set_name(tls, spec->tls.name, host ? host : "");
	if (!tls->insecure && !spec->tls.ca_pem)
		rc = bo_err_set(err, EINVAL, BO_SUBSYS_LOAD,
				"load '%s': tls: neither ca nor insecure was given", spec->name);
	else
		rc = make_ctx(tls, spec, err);
	if (rc) {
		bo_tls_free(tls);
		return rc;
	}
	*ret = tls;
	return 0;
}

void bo_tls_free(struct bo_tls *tls)
{
	if (!tls)
		return;
	SSL_SESSION_free(tls->session);
	SSL_CTX_free(tls->ctx);
	free(tls);
}

/* ---- one connection ---- */

/* The first error is the cause; those after it are what the callers made of it. */
static const char *reason(struct bo_tls *tls, const SSL *ssl, const char *fallback)
{
	unsigned long code = ERR_peek_error();
	long verify = SSL_get_verify_result(ssl);
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	if (verify != X509_V_OK && !tls->insecure)
		snprintf(tls->why, sizeof(tls->why), "certificate of %s: %s", tls->name,
			 X509_verify_cert_error_string(verify));
	else
		snprintf(tls->why, sizeof(tls->why), "%s", text ? text : fallback);
	ERR_clear_error();
	return tls->why;
}

static bool set_expectations(struct bo_tls *tls, SSL *ssl)
{
	unsigned char alpn[32];
	size_t len = tls->alpn ? strlen(tls->alpn) : 0;

	if (len) {
		alpn[0] = (unsigned char)len;
		memcpy(alpn + 1, tls->alpn, len);
		/* Unlike the rest of OpenSSL this returns 0 for success. */
		if (SSL_set_alpn_protos(ssl, alpn, (unsigned int)len + 1))
			return false;
	}
	if (tls->session && !SSL_set_session(ssl, tls->session))
		return false;
	if (tls->is_ip) /* RFC 6066 §3: an address is not a server name */
		return tls->insecure ||
		       X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), tls->name) == 1;
	return SSL_set_tlsext_host_name(ssl, tls->name) == 1 &&
	       (tls->insecure || SSL_set1_host(ssl, tls->name) == 1);
}

static int tls_open(struct bo_load *load, struct bo_conn *c, const char **why)
{
	SSL *ssl = SSL_new(load->tls->ctx);

	c->tls = ssl;
	if (ssl && SSL_set_fd(ssl, c->fd) && set_expectations(load->tls, ssl)) {
		SSL_set_connect_state(ssl);
		return 0;
	}
	ERR_clear_error();
	*why = "out of memory";
	return -ENOMEM;
}

static int check_alpn(struct bo_tls *tls, const SSL *ssl, const char **why)
{
	const unsigned char *chosen;
	unsigned int len;

	if (!tls->alpn_required)
		return 0;
	SSL_get0_alpn_selected(ssl, &chosen, &len);
	if (len == strlen(tls->alpn) && !memcmp(chosen, tls->alpn, len))
		return 0;
	snprintf(tls->why, sizeof(tls->why), "the server does not speak %s (ALPN)", tls->alpn);
	*why = tls->why;
	return -EPROTO;
}

/* Return: -EAGAIN, 0 the peer closed in order, or -errno */
static int failure(SSL *ssl, int rc, int saved_errno, const char **why)
{
	struct bo_tls *tls = tls_of(ssl);
	unsigned long code = ERR_peek_error();

	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		return saved_errno ? -saved_errno : -ECONNRESET;
	default:
		SSL_set_quiet_shutdown(ssl, 1); /* nothing more can be said on it */
		if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
		    ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
			ERR_clear_error();
			*why = "the connection ended without a close_notify";
			return -ECONNRESET;
		}
		*why = reason(tls, ssl, "TLS failed");
		return -EPROTO;
	}
}

static int tls_handshake(struct bo_load *load, struct bo_conn *c, const char **why)
{
	SSL *ssl = c->tls;
	bool want_out;
	int rc, code;

	ERR_clear_error();
	errno = 0;
	rc = SSL_connect(ssl);
	if (rc == 1) {
		load->record.handshakes++;
		load->record.resumed += SSL_session_reused(ssl) == 1;
		c->written = BIO_number_written(SSL_get_wbio(ssl));
		return check_alpn(load->tls, ssl, why);
	}
	code = failure(ssl, rc, errno, why);
	if (code == 0 || (code == -ECONNRESET && *why)) {
		*why = "the server closed the connection during the handshake";
		return -EPROTO;
	}
	if (code != -EAGAIN)
		return code;
	want_out = SSL_want_write(ssl);
	if (c->want_out != want_out && bo_conn_watch(load, c, EPOLL_CTL_MOD, true, want_out))
		return -EIO;
	return -EAGAIN;
}

static ssize_t tls_send(struct bo_conn *c, const char *buf, size_t len, const char **why)
{
	SSL *ssl = c->tls;
	size_t n;
	int rc, code;

	ERR_clear_error();
	errno = 0;
	rc = SSL_write_ex(ssl, buf, len, &n);
	code = rc == 1 ? 0 : failure(ssl, rc, errno, why);
	c->written = BIO_number_written(SSL_get_wbio(ssl));
	if (rc == 1)
		return (ssize_t)n;
	return code ? code : -EPIPE;
}

static ssize_t tls_recv(struct bo_conn *c, char *buf, size_t len, const char **why)
{
	SSL *ssl = c->tls;
	size_t n;
	int rc;

	ERR_clear_error();
	errno = 0;
	rc = SSL_read_ex(ssl, buf, len, &n);
	return rc == 1 ? (ssize_t)n : failure(ssl, rc, errno, why);
}

static bool tls_pending(const struct bo_conn *c)
{
	return SSL_pending(c->tls) > 0;
}

static void tls_bye(struct bo_conn *c)
{
	if (!SSL_in_init(c->tls))
		(void)SSL_shutdown(c->tls);
	ERR_clear_error();
}

static void tls_close(struct bo_conn *c)
{
	SSL_free(c->tls);
	c->tls = NULL;
}

const struct bo_transport bo_transport_tls = {
	.name = "TLS",
	.open = tls_open,
	.handshake = tls_handshake,
	.send = tls_send,
	.recv = tls_recv,
	.pending = tls_pending,
	.bye = tls_bye,
	.close = tls_close,
};
