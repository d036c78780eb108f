/* SPDX-License-Identifier: Apache-2.0 */
/* testcert.c — an authority and certificates, made on the spot for tests.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "testcert.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int ok)
{
	if (!ok)
		abort();
}

static void extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(ext && X509_add_ext(cert, ext, -1));
	X509_EXTENSION_free(ext);
}

void testcert_make(struct testcert *ret, const struct testcert *issuer, const char *name, int days)
{
	static long serial;
	X509_NAME *subject;
	char san[300];

	ret->key = EVP_EC_gen("P-256");
	ret->cert = X509_new();
	must(ret->key && ret->cert && X509_set_version(ret->cert, X509_VERSION_3));
	ASN1_INTEGER_set(X509_get_serialNumber(ret->cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(ret->cert), -30 * 86400L);
	X509_gmtime_adj(X509_getm_notAfter(ret->cert), days * 86400L);
	X509_set_pubkey(ret->cert, ret->key);
	subject = X509_get_subject_name(ret->cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(ret->cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
	extend(ret->cert, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
	if (issuer) {
		snprintf(san, sizeof(san), "DNS:%s", name);
		extend(ret->cert, NID_subject_alt_name, san);
	}
	must(X509_sign(ret->cert, issuer ? issuer->key : ret->key, EVP_sha256()) > 0);
}

/* @bio is freed */
static char *text_of(BIO *bio)
{
	char *data, *text;
	long len = BIO_get_mem_data(bio, &data);

	text = strndup(data, (size_t)len);
	must(text != NULL);
	BIO_free(bio);
	return text;
}

char *testcert_pem(const struct testcert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio && PEM_write_bio_X509(bio, c->cert));
	return text_of(bio);
}

char *testcert_key_pem(const struct testcert *c, const char *passphrase)
{
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	must(bio && PEM_write_bio_PrivateKey(bio, c->key, cipher, (const unsigned char *)passphrase,
					     passphrase ? (int)strlen(passphrase) : 0, NULL, NULL));
	return text_of(bio);
}

void testcert_done(struct testcert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->cert);
	c->key = NULL;
	c->cert = NULL;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned int in_len, void *arg)
{
	const char *want = arg;
	unsigned int len = (unsigned int)strlen(want);

	(void)ssl;
	for (unsigned int at = 0; at < in_len; at += in[at] + 1u) {
		if (in[at] == len && !memcmp(in + at + 1, want, len)) {
			*out = in + at + 1;
			*out_len = in[at];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

SSL_CTX *testcert_server(const struct testcert *c, const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	must(ctx && SSL_CTX_use_certificate(ctx, c->cert) == 1 &&
	     SSL_CTX_use_PrivateKey(ctx, c->key) == 1);
	if (alpn)
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, (void *)alpn);
	return ctx;
}
