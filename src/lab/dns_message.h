/* SPDX-License-Identifier: Apache-2.0 */
/* lab/dns_message.h — questions to and answers of the name server, as bytes.
 * Owns: see struct bo_dns_query.  Threads: any.  Privilege: none. */
#pragma once
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More than a question ever is: a name (255), its type, class, and EDNS options. */
#define BO_DNS_QUERY_MAX 4096
/* A header, a name, two addresses and EDNS. */
#define BO_DNS_ANSWER_MAX 512
#define BO_DNS_TTL_S 0

/* RFC 1035 § 4.1.1 */
enum bo_dns_rcode {
	BO_DNS_RCODE_NOERROR,
	BO_DNS_RCODE_FORMERR,
	BO_DNS_RCODE_SERVFAIL,
	BO_DNS_RCODE_NXDOMAIN,
	BO_DNS_RCODE_NOTIMPL,
	BO_DNS_RCODE_REFUSED,
};

enum bo_dns_kind { BO_DNS_A, BO_DNS_AAAA, BO_DNS_ANY, BO_DNS_OTHER };

/**
 * struct bo_dns_query - a message as it came; zero-initialise, free with bo_dns_query_done()
 * @rcode: what is to be said of it: NOERROR when it is a question that can be answered
 * @name: asked for, without the last dot;  @kind: of address
 */
struct bo_dns_query {
	void *packet; /* of the library */
	uint16_t id;
	uint8_t opcode;
	bool rd;
	enum bo_dns_rcode rcode;
	enum bo_dns_kind kind;
	char name[1024]; /* 255 octets, each of which may be written as \DDD */
};

/** bo_dns_query_parse() - false when nothing is to be answered: too short, or an answer itself */
bool bo_dns_query_parse(const uint8_t *data, size_t len, struct bo_dns_query *ret);
void bo_dns_query_done(struct bo_dns_query *query);

/**
 * bo_dns_answer() - the answer to @query
 * @v4, @v6: the addresses of its name, NULL for none; only those that were asked for go into it
 * @out: of BO_DNS_ANSWER_MAX;  Return: its length; 0 when memory is out
 */
size_t bo_dns_answer(const struct bo_dns_query *query, enum bo_dns_rcode rcode,
		     const struct in_addr *v4, const struct in6_addr *v6, uint8_t *out);
