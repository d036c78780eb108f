/* SPDX-License-Identifier: Apache-2.0 */
/* sys/tun_stamp.c — see the header.
 *
 * The program is written in the kernel's instructions here, some thirty of them: a compiler with a BPF back end would be
 * needed to build it from C, and libbpf to load what that makes.
 *
 * Order.  The device's transmit path is run by one CPU at a time as long as it has a queueing discipline (pfifo_fast by
 * default; __QDISC_STATE_RUNNING), so the order of numbers is that of the queue.  With `noqueue` it would not be (TUN
 * devices set NETIF_F_LLTX); so the number is taken atomically, and readers compare what identifies a packet.
 *
 * Owns: nothing after return.  Threads: any.  Privilege: CAP_BPF or CAP_SYS_ADMIN. */
#include "brownout/sys/tun_stamp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "brownout/base/cleanup.h"

/* Opcodes: Documentation/bpf/standardization/instruction-set.rst. */
#define MOV_REG (BPF_ALU64 | BPF_MOV | BPF_X)
#define MOV_IMM (BPF_ALU64 | BPF_MOV | BPF_K)
#define ADD_REG (BPF_ALU64 | BPF_ADD | BPF_X)
#define ADD_IMM (BPF_ALU64 | BPF_ADD | BPF_K)
#define AND_IMM (BPF_ALU64 | BPF_AND | BPF_K)
#define SHL_IMM (BPF_ALU64 | BPF_LSH | BPF_K)
#define LOAD_32 (BPF_LDX | BPF_MEM | BPF_W)
#define STORE_64 (BPF_STX | BPF_MEM | BPF_DW)
#define STORE_32 (BPF_STX | BPF_MEM | BPF_W)
#define ATOMIC_64 (BPF_STX | BPF_ATOMIC | BPF_DW)
#define LOAD_IMM_64 (BPF_LD | BPF_IMM | BPF_DW)
#define CALL (BPF_JMP | BPF_CALL)
#define EXIT (BPF_JMP | BPF_EXIT)
#define IF_NOT_EQUAL_IMM (BPF_JMP | BPF_JNE | BPF_K)
#define IF_LESS_IMM (BPF_JMP | BPF_JLT | BPF_K)

#define SLOT_SHIFT 6
_Static_assert(sizeof(struct bo_tun_stamp) == 1 << SLOT_SHIFT, "slots are shifted to");
_Static_assert((BO_TUN_STAMPS & (BO_TUN_STAMPS - 1)) == 0, "numbers are masked");

#define INSN(c, d, s, o, i)                                                              \
	{                                                                                \
		.code = (c), .dst_reg = BPF_REG_##d, .src_reg = BPF_REG_##s, .off = (o), \
		.imm = (i)                                                               \
	}
#define SLOT(field) ((__s16)offsetof(struct bo_tun_stamp, field))
#define SKB(field) ((__s16)offsetof(struct __sk_buff, field))

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int map_open(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(struct bo_tun_stamps),
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
		.map_name = "bo_stamps",
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int program_open(int map)
{
	/* r6: the packet, r7: the time, r8: the slot, r9: packets before this one. */
	const struct bpf_insn code[] = {
		INSN(MOV_REG, 6, 1, 0, 0),
		INSN(CALL, 0, 0, 0, BPF_FUNC_ktime_get_ns),
		INSN(MOV_REG, 7, 0, 0, 0),
		{ .code = LOAD_IMM_64,
		  .dst_reg = BPF_REG_8,
		  .src_reg = BPF_PSEUDO_MAP_VALUE,
		  .imm = map },
		{ .imm = 0 },
		INSN(MOV_IMM, 9, 0, 0, 1),
		INSN(ATOMIC_64, 8, 9, offsetof(struct bo_tun_stamps, count), BPF_ADD | BPF_FETCH),
		INSN(MOV_REG, 1, 9, 0, 0),
		INSN(AND_IMM, 1, 0, 0, BO_TUN_STAMPS - 1),
		INSN(SHL_IMM, 1, 0, 0, SLOT_SHIFT),
		INSN(ADD_IMM, 8, 0, 0, offsetof(struct bo_tun_stamps, slot)),
		INSN(ADD_REG, 8, 1, 0, 0),
		INSN(STORE_64, 8, 7, SLOT(ns), 0),
		INSN(LOAD_32, 4, 6, SKB(len), 0),
		INSN(STORE_32, 8, 4, SLOT(len), 0),
		INSN(MOV_IMM, 2, 0, 0, BO_TUN_STAMP_ID4_AT),
		INSN(LOAD_32, 1, 6, SKB(protocol), 0),
		INSN(IF_NOT_EQUAL_IMM, 1, 0, 2, htons(ETH_P_IPV6)),
		INSN(IF_LESS_IMM, 4, 0, 1, BO_TUN_STAMP_ID6_MIN),
		INSN(MOV_IMM, 2, 0, 0, BO_TUN_STAMP_ID6_AT),
		/* Of a packet that is too short it makes zeroes. */
		INSN(MOV_REG, 1, 6, 0, 0),
		INSN(MOV_REG, 3, 8, 0, 0),
		INSN(ADD_IMM, 3, 0, 0, SLOT(id)),
		INSN(MOV_IMM, 4, 0, 0, BO_TUN_STAMP_ID_LEN),
		INSN(CALL, 0, 0, 0, BPF_FUNC_skb_load_bytes),
		/* Stores of one CPU are seen in this order on x86; elsewhere before the packet is, which
		 * the queue's lock sees to. */
		INSN(ADD_IMM, 9, 0, 0, 1),
		INSN(STORE_64, 8, 9, SLOT(number), 0),
		/* So many bytes go on: all. */
		INSN(MOV_IMM, 0, 0, 0, -1),
		INSN(EXIT, 0, 0, 0, 0),
	};
	static const char licence[] = "Apache-2.0";
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]),
		.license = (uintptr_t)licence,
		.prog_name = "bo_stamp",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

int bo_tun_stamp_open(int tun, int *ret_fd, struct bo_err *err)
{
	bo_auto_fd int map = map_open();
	bo_auto_fd int program = map < 0 ? -1 : program_open(map);

	if (map < 0 || program < 0)
		return bo_err_set(
			err, ENOTSUP, BO_SUBSYS_SYS,
			errno == EPERM ? "%s: not permitted (CAP_BPF of the initial user namespace)"
				       : "%s: %s",
			map < 0 ? "BPF map" : "BPF program", strerror(errno));
	if (ioctl(tun, TUNSETFILTEREBPF, &program) < 0)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_SYS, "TUNSETFILTEREBPF: %s",
				  strerror(errno));
	*ret_fd = bo_steal_fd(&map);
	return 0;
}

int bo_tun_stamp_map(int fd, const struct bo_tun_stamps **ret, struct bo_err *err)
{
	void *at = mmap(NULL, sizeof(struct bo_tun_stamps), PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return bo_err_errno(err, BO_SUBSYS_SYS, "cannot map stamps of a TUN device");
	*ret = at;
	return 0;
}

void bo_tun_stamp_unmap(const struct bo_tun_stamps *stamps)
{
	if (stamps)
		munmap((void *)(uintptr_t)stamps, sizeof(*stamps));
}
