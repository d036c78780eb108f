/* SPDX-License-Identifier: Apache-2.0 */
/* lab/dns_message.c — ldns (NLnet Labs) takes messages apart and puts them together; this file says which are worth it.
 * What a resolver sends is one question and at most an OPT record; anything else is refused by its header, so that the
 * library sees no message that would make it follow thousands of compression pointers.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "dns_message.h"

#include <ldns/ldns.h>
#include <stdlib.h>
#include <string.h>

#define ADDITIONAL_MAX 2    /* OPT, TSIG */
#define EDNS_UDP_BYTES 1232 /* DNS flag day 2020 */
#define OPCODE_QUERY 0

static void name_of(const ldns_rr *question, char *buf, size_t size)
{
	char *text = ldns_rdf2str(ldns_rr_owner(question));
	size_t len = text ? strlen(text) : 0;

	if (len && text[len - 1] == '.')
		len--;
	if (len >= size) /* cannot be: see struct bo_dns_query */
		len = 0;
	if (len)
		memcpy(buf, text, len);
	buf[len] = '\0';
	free(text);
}

/** judge() - a whole message: is it a question for an address in class IN? */
static enum bo_dns_rcode judge(struct bo_dns_query *q, const ldns_pkt *packet)
{
	const ldns_rr_list *questions = ldns_pkt_question(packet);
	const ldns_rr *question;

	if (!questions || ldns_rr_list_rr_count(questions) != 1)
		return BO_DNS_RCODE_FORMERR;
	question = ldns_rr_list_rr(questions, 0);
	name_of(question, q->name, sizeof(q->name));
	if (ldns_rr_get_class(question) != LDNS_RR_CLASS_IN)
		return BO_DNS_RCODE_REFUSED;
	switch (ldns_rr_get_type(question)) {
	case LDNS_RR_TYPE_A:
		q->kind = BO_DNS_A;
		break;
	case LDNS_RR_TYPE_AAAA:
		q->kind = BO_DNS_AAAA;
		break;
	case LDNS_RR_TYPE_ANY:
		q->kind = BO_DNS_ANY;
		break;
	default:
		q->kind = BO_DNS_OTHER;
	}
	return BO_DNS_RCODE_NOERROR;
}

bool bo_dns_query_parse(const uint8_t *data, size_t len, struct bo_dns_query *q)
{
	ldns_pkt *packet = NULL;

	*q = (struct bo_dns_query){ 0 };
	if (len < LDNS_HEADER_SIZE || LDNS_QR_WIRE(data))
		return false;
	q->id = LDNS_ID_WIRE(data);
	q->opcode = LDNS_OPCODE_WIRE(data);
	q->rd = LDNS_RD_WIRE(data);
	if (q->opcode != OPCODE_QUERY) {
		q->rcode = BO_DNS_RCODE_NOTIMPL;
		return true;
	}
	q->rcode = BO_DNS_RCODE_FORMERR;
	if (len > BO_DNS_QUERY_MAX || LDNS_QDCOUNT(data) != 1 || LDNS_ANCOUNT(data) ||
	    LDNS_NSCOUNT(data) || LDNS_ARCOUNT(data) > ADDITIONAL_MAX)
		return true;
	if (ldns_wire2pkt(&packet, data, len) != LDNS_STATUS_OK)
		return true;
	q->packet = packet;
	q->rcode = judge(q, packet);
	return true;
}

void bo_dns_query_done(struct bo_dns_query *q)
{
	ldns_pkt_free(q->packet);
	q->packet = NULL;
}

static bool push_address(ldns_pkt *answer, const ldns_rr *question, ldns_rr_type type,
			 ldns_rdf_type form, const void *address, size_t len)
{
	ldns_rdf *data = ldns_rdf_new_frm_data(form, len, address);
	ldns_rr *rr = ldns_rr_new();

	if (!rr || !data) {
		ldns_rdf_deep_free(data);
		ldns_rr_free(rr);
		return false;
	}
	ldns_rr_set_owner(rr, ldns_rdf_clone(ldns_rr_owner(question)));
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, BO_DNS_TTL_S);
	if (!ldns_rr_owner(rr) || !ldns_rr_push_rdf(rr, data)) {
		ldns_rdf_deep_free(data);
		ldns_rr_free(rr);
		return false;
	}
	if (ldns_pkt_push_rr(answer, LDNS_SECTION_ANSWER, rr))
		return true;
	ldns_rr_free(rr);
	return false;
}

static bool fill(ldns_pkt *answer, const struct bo_dns_query *q, const struct in_addr *v4,
		 const struct in6_addr *v6)
{
	const ldns_pkt *asked = q->packet;
	const ldns_rr *question;
	ldns_rr *copy;

	if (!asked || !ldns_pkt_question(asked) ||
	    ldns_rr_list_rr_count(ldns_pkt_question(asked)) != 1)
		return true; /* it made no sense: the header is all that can be said */
	question = ldns_rr_list_rr(ldns_pkt_question(asked), 0);
	copy = ldns_rr_clone(question);
	if (!copy || !ldns_pkt_push_rr(answer, LDNS_SECTION_QUESTION, copy)) {
		ldns_rr_free(copy);
		return false;
	}
	if (ldns_pkt_edns(asked))
		ldns_pkt_set_edns_udp_size(answer, EDNS_UDP_BYTES);
	if (v4 && (q->kind == BO_DNS_A || q->kind == BO_DNS_ANY) &&
	    !push_address(answer, question, LDNS_RR_TYPE_A, LDNS_RDF_TYPE_A, v4, sizeof(*v4)))
		return false;
	return !v6 || (q->kind != BO_DNS_AAAA && q->kind != BO_DNS_ANY) ||
	       push_address(answer, question, LDNS_RR_TYPE_AAAA, LDNS_RDF_TYPE_AAAA, v6,
			    sizeof(*v6));
}

size_t bo_dns_answer(const struct bo_dns_query *q, enum bo_dns_rcode rcode,
		     const struct in_addr *v4, const struct in6_addr *v6, uint8_t *out)
{
	ldns_pkt *answer = ldns_pkt_new();
	uint8_t *wire = NULL;
	size_t len = 0;

	if (!answer)
		return 0;
	ldns_pkt_set_id(answer, q->id);
	ldns_pkt_set_qr(answer, true);
	ldns_pkt_set_opcode(answer, (ldns_pkt_opcode)q->opcode);
	ldns_pkt_set_rd(answer, q->rd);
	ldns_pkt_set_ra(answer, true);
	ldns_pkt_set_aa(answer, true);
	ldns_pkt_set_rcode(answer, (uint8_t)rcode);
	if (!fill(answer, q, rcode ? NULL : v4, rcode ? NULL : v6) ||
	    ldns_pkt2wire(&wire, answer, &len) != LDNS_STATUS_OK || len > BO_DNS_ANSWER_MAX)
		len = 0;
	if (len)
		memcpy(out, wire, len);
	free(wire);
	ldns_pkt_free(answer);
	return len;
}
