/* SPDX-License-Identifier: Apache-2.0 */
/* sys/divert_match.c — see the header.  Loads are relative to the network header (SKF_NET_OFF), so that the program is the
 * same with any link layer, and on both ways through a device.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "divert_match.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

enum { IP4_FRAGMENT = 6, IP4_PROTOCOL = 9, IP4_SOURCE = 12, IP4_FRAGMENT_MASK = 0x1fff };
enum { IP6_NEXT = 6, IP6_SOURCE = 8, IP6_LEN = 40 };
enum { PORT_SOURCE = 0, PORT_DESTINATION = 2 };

/** struct program - a jump to FAIL goes to the last instruction, when that is known */
struct program {
	struct sock_filter *ops;
	uint16_t n;
};
#define FAIL UINT8_MAX

static void emit(struct program *p, uint16_t code, uint32_t k)
{
	p->ops[p->n++] = (struct sock_filter)BPF_STMT(code, k);
}

static void load(struct program *p, uint16_t size, uint32_t offset)
{
	emit(p, (uint16_t)(BPF_LD | BPF_ABS | size), (uint32_t)SKF_NET_OFF + offset);
}

static void must_be(struct program *p, uint32_t value)
{
	p->ops[p->n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, FAIL);
}

static void match_address(struct program *p, const struct bo_attach_peer *peer, uint32_t offset)
{
	for (uint32_t bit = 0; bit < peer->prefix; bit += 32) {
		uint32_t word;

		memcpy(&word, peer->address + bit / 8, sizeof(word));
		load(p, BPF_W, offset + bit / 8);
		if (peer->prefix - bit < 32)
			emit(p, BPF_ALU | BPF_AND | BPF_K,
			     UINT32_MAX << (32 - (peer->prefix - bit)));
		must_be(p, ntohl(word));
	}
}

/** match_port4() - behind a header of any length; a later fragment has none */
static void match_port4(struct program *p, uint32_t offset, uint16_t port)
{
	load(p, BPF_H, IP4_FRAGMENT);
	p->ops[p->n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, IP4_FRAGMENT_MASK,
						      FAIL, 0);
	emit(p, BPF_LDX | BPF_MSH | BPF_B, (uint32_t)SKF_NET_OFF);
	emit(p, BPF_LD | BPF_IND | BPF_H, (uint32_t)SKF_NET_OFF + offset);
	must_be(p, port);
}

static void finish(struct program *p)
{
	emit(p, BPF_RET | BPF_K, UINT32_MAX);
	emit(p, BPF_RET | BPF_K, 0);
	for (uint16_t i = 0; i < p->n; i++) {
		uint8_t to_fail = (uint8_t)(p->n - 2 - i);

		if (BPF_CLASS(p->ops[i].code) != BPF_JMP)
			continue;
		p->ops[i].jt = p->ops[i].jt == FAIL ? to_fail : p->ops[i].jt;
		p->ops[i].jf = p->ops[i].jf == FAIL ? to_fail : p->ops[i].jf;
	}
}

uint16_t bo_divert_match(const struct bo_attach_peer *peer, bool inbound,
			 struct sock_filter ret[BO_DIVERT_OPS_MAX])
{
	struct program p = { .ops = ret };
	bool v4 = peer->family == AF_INET;
	uint32_t address = v4 ? IP4_SOURCE : IP6_SOURCE,
		 port = inbound ? PORT_SOURCE : PORT_DESTINATION;

	emit(&p, BPF_LD | BPF_ABS | BPF_W, (uint32_t)SKF_AD_OFF + SKF_AD_PROTOCOL);
	must_be(&p, v4 ? ETH_P_IP : ETH_P_IPV6);
	match_address(&p, peer, inbound ? address : address + (v4 ? 4 : 16));
	if (peer->protocol) {
		load(&p, BPF_B, v4 ? IP4_PROTOCOL : IP6_NEXT);
		must_be(&p, peer->protocol);
	}
	if (peer->port && v4) {
		match_port4(&p, port, peer->port);
	} else if (peer->port) {
		load(&p, BPF_H, IP6_LEN + port);
		must_be(&p, peer->port);
	}
	finish(&p);
	return p.n;
}
