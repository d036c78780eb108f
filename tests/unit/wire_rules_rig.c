/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_rules_rig.c — see the header. */
#include "wire_rules_rig.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct bo_wire_flows *flows;
struct bo_wire_rules *rules;
int64_t now_ns;
uint64_t draws_key = 7;
bool device_is_full, addresses_are_noise;

struct emitted emitted[EMITTED_MAX];
size_t nemitted;

static bool emit(void *arg, enum bo_dir dir, const uint8_t *frame, size_t len)
{
	struct bo_wire_packet p;

	(void)arg;
	if (device_is_full)
		return false;
	bo_wire_packet_parse(frame, len, &p);
	assert_true(p.has_l4 && p.protocol == IPPROTO_TCP && p.payload == p.len);
	assert_true(checksums_are_right(frame, len));
	if (addresses_are_noise)
		return true;
	assert_int_equal(p.source[p.addr_len - 1], dir == BO_DIR_A_TO_B ? 1 : 2);
	assert_int_equal(p.target[p.addr_len - 1], dir == BO_DIR_A_TO_B ? 2 : 1);
	assert_true(nemitted < EMITTED_MAX);
	emitted[nemitted].dir = dir;
	emitted[nemitted].flags = p.tcp_flags;
	emitted[nemitted].seq = tcp_seq(&p);
	emitted[nemitted].ack = tcp_ack(&p);
	emitted[nemitted].source = p.source_port;
	emitted[nemitted++].target = p.target_port;
	return true;
}

int rules_up(void **state)
{
	(void)state;
	flows = bo_wire_flows_new(BO_WIRE_FLOWS_MAX, 7);
	rules = bo_wire_rules_new(flows, draws_key, emit, NULL);
	bo_wire_rules_replace(rules, NULL, 0, 0);
	now_ns = BO_NSEC_PER_SEC;
	nemitted = 0;
	device_is_full = addresses_are_noise = false;
	return !rules;
}

int rules_down(void **state)
{
	(void)state;
	bo_wire_rules_free(rules);
	bo_wire_flows_free(flows);
	return 0;
}

void force(struct bo_conn_rule rule)
{
	struct bo_err err = { 0 };

	rule.id = rule.id ? rule.id : 1;
	rule.dirs = rule.dirs ? rule.dirs : BOTH;
	if (bo_conn_rule_check(&rule, &err) < 0)
		fail_msg("%s", err.msg);
	bo_wire_rules_replace(rules, &rule, 1, now_ns);
}

struct bo_conn_counts counts(void)
{
	struct bo_conn_counts c = { 0 };

	assert_true(bo_wire_rules_counts(rules, 1, &c));
	return c;
}

struct made made;
struct bo_wire_packet arrived;

bool goes(const struct spec *spec)
{
	bool passes;

	make_packet(spec, &made);
	bo_wire_packet_parse(made.data, made.len, &arrived);
	passes = bo_wire_rules_pass(rules, spec->from ? BO_DIR_B_TO_A : BO_DIR_A_TO_B, now_ns,
				    &arrived, 1, made.data, &made.len);
	if (passes && arrived.has_l4)
		assert_int_equal(arrived.len + BO_WIRE_HDR_LEN, made.len);
	return passes;
}

struct conn conn_at(int version, uint16_t port, uint16_t server, uint32_t isn)
{
	return (struct conn){
		.version = version, .port = port, .server = server, .next = { isn, isn + 5000 }
	};
}

struct spec segment(const struct conn *c, int from, uint8_t flags, const char *payload)
{
	return (struct spec){
		.version = c->version,
		.protocol = IPPROTO_TCP,
		.host = c->host,
		.from = from,
		.source = from ? c->server : c->port,
		.target = from ? c->port : c->server,
		.seq = c->next[from],
		.ack = flags & ACK ? c->next[!from] : 0,
		.flags = flags,
		.payload = payload,
		.payload_len = payload ? strlen(payload) : 0,
	};
}

bool tcp(struct conn *c, int from, uint8_t flags, const char *payload)
{
	struct spec s = segment(c, from, flags, payload);

	c->next[from] += (uint32_t)s.payload_len + !!(flags & SYN) + !!(flags & FIN);
	return goes(&s);
}

bool data(struct conn *c, int from, const char *payload)
{
	return tcp(c, from, PSH | ACK, payload);
}

bool handshake(struct conn *c)
{
	return tcp(c, 0, SYN, NULL) && tcp(c, 1, SYN | ACK, NULL) && tcp(c, 0, ACK, NULL);
}

bool again(struct conn *c, int from, const char *payload)
{
	struct spec s = segment(c, from, PSH | ACK, payload);

	s.seq -= (uint32_t)strlen(payload);
	return goes(&s);
}

bool udp(int version, int from, uint16_t source, uint16_t target, const char *payload)
{
	struct spec s = { .version = version,
			  .protocol = IPPROTO_UDP,
			  .from = from,
			  .source = source,
			  .target = target,
			  .payload = payload,
			  .payload_len = strlen(payload) };

	return goes(&s);
}

bool is_rst(uint32_t seq)
{
	return arrived.has_l4 && arrived.tcp_flags == RST && arrived.payload == arrived.len &&
	       tcp_seq(&arrived) == seq && checksums_are_right(made.data, made.len);
}

bool was_emitted(enum bo_dir dir, uint8_t flags, uint32_t seq)
{
	for (size_t i = 0; i < nemitted; i++)
		if (emitted[i].dir == dir && emitted[i].flags == flags && emitted[i].seq == seq)
			return true;
	return false;
}
