/* SPDX-License-Identifier: Apache-2.0 */
/* testcert.h — an authority and certificates, made on the spot for tests.
 * Owns: see each function.  Threads: any.  Privilege: none. */
#pragma once
#include <openssl/ssl.h>

/** struct testcert - a key and its certificate; free with testcert_done() */
struct testcert {
	EVP_PKEY *key;
	X509 *cert;
};

/** testcert_make() - P-256; @issuer NULL: an authority that signs itself; else a server's for @name,
 * which ends @days from now (negative: it has ended) */
void testcert_make(struct testcert *ret, const struct testcert *issuer, const char *name, int days);
/** testcert_key_pem() - the key as PEM text, under @passphrase if there is one; free(3) it */
char *testcert_key_pem(const struct testcert *c, const char *passphrase);
/** testcert_pem() - the certificate as PEM text; free(3) it */
char *testcert_pem(const struct testcert *c);
void testcert_done(struct testcert *c);
/** testcert_server() - a context that serves with @c; @alpn (NULL: none) is all it speaks */
SSL_CTX *testcert_server(const struct testcert *c, const char *alpn);
