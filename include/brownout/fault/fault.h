/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/fault/fault.h — a fault is a table of functions; the registry is the list of them.
 * Adding a fault: one file that defines a struct bo_fault_kind, one line in src/fault/registry.c.
 * Owns: nothing.  Threads: the conductor's main thread.  Privilege: none (the hands have it). */
#pragma once
#include "brownout/base/err.h"
#include "brownout/lab/hands.h"
#include "brownout/model/plan.h"
#include "brownout/model/run.h"

/** enum bo_arg_unit - how an argument is read */
enum bo_arg_unit {
	BO_UNIT_DURATION, /* "250ms" → ns */
	BO_UNIT_SIZE,     /* "64MiB" → bytes */
	BO_UNIT_BITRATE,  /* "10Mbit/s" → bit/s */
	BO_UNIT_RATIO,    /* "2%" → ppm (parts per million) */
	BO_UNIT_COUNT,    /* 5 */
	BO_UNIT_BOOL,
	BO_UNIT_NODE,   /* a node's name */
	BO_UNIT_CHOICE, /* one of the words in choices, separated by '|' */
	BO_UNIT_SIZE_OR_RATIO, /* "64MiB" → bytes, "60%" → minus ppm: -600000 (the range is that of the bytes) */
	BO_UNIT_TEXT, /* any text; the range is that of its length in bytes */
	BO_UNIT_FILE, /* read with the scenario: struct bo_arg's @samples or @trace */
};

/**
 * struct bo_arg_schema - one argument; a table of them ends with key == NULL
 * @positional: may also be given as the lone positional value
 * @min, @max: inclusive, in the unit's base (ns, bytes, bit/s, ppm, count)
 * @choices: the words of BO_UNIT_CHOICE
 */
struct bo_arg_schema {
	const char *key;
	enum bo_arg_unit unit;
	bool required;
	bool positional;
	int64_t min;
	int64_t max;
	const char *choices;
	const char *help;
};

struct bo_fault_set;

/** struct bo_fault - one fault of the plan while it runs; @state is the kind's own, zeroed, freed with free()
 * @set: what it runs in, NULL when on its own; faults on links need it, because they merge
 * @active: between apply and revert */
struct bo_fault {
	const struct bo_plan *plan;
	const struct bo_fault_spec *spec;
	const struct bo_fault_kind *kind;
	struct bo_hands *hands;
	struct bo_fault_record *record;
	int64_t applied_mono_ns; /* CLOCK_MONOTONIC, set by the caller after apply */
	int64_t ends_mono_ns;    /* when revert is planned */
	void *state;
	struct bo_fault_set *set;
	bool active;
	bool revert_tried; /* within one bo_fault_set_revert_all() */
};

/** What a fault lays hold of for as long as it is active: two faults that claim the same of the same target at the
 * same time are an error.  Those of a link are per direction: shifted left by BO_CLAIM_DIR_BITS × direction. */
#define BO_CLAIM_DELAY 1u
#define BO_CLAIM_LOSS 2u
#define BO_CLAIM_RATE 4u
#define BO_CLAIM_BLACKHOLE 8u
#define BO_CLAIM_DUPLICATE 0x10u
#define BO_CLAIM_CORRUPT 0x20u
#define BO_CLAIM_REORDER 0x40u
#define BO_CLAIM_SLOT 0x80u
#define BO_CLAIM_DIR_BITS 12
#define BO_CLAIM_PROCESS 0x1000000u
#define BO_CLAIM_MEMORY 0x2000000u
#define BO_CLAIM_DNS 0x4000000u

/**
 * struct bo_fault_kind -
 * @check: whatever the schema cannot say (jitter <= delay …); @err without file and line, the caller adds them
 * @supported: 0, or -ENOTSUP with the reason and what would help
 * @apply: bring it about, fill record->driver and record->requested
 * @tick: called about every 20 ms while active, for faults that move in steps, also while an earlier call of it waits for
 *        a node; may be NULL
 * @confirm: called just before revert (and may read what it gathered while active): fill record->achieved, ->confirm
 *           and ->reason from measurement, never from intent
 * @revert: idempotent; also called after a failed apply
 * @describe: "delay 1.50s ±20ms, loss 2% on orders-db (both directions)"
 * @claims: BO_CLAIM_* of this fault
 * @wire_only: [links] why netem cannot do this ("netem cannot keep packets in order"), or NULL when it can; a member
 *             that is NULL: it always can
 * @conn: [links] acts on connections, as struct bo_fault_conn says (src/fault/conn-internal.h); else NULL
 * @impair: [links] put this fault's share of one direction into @into, which holds that of other faults; else NULL
 * @impair_now: [links] the same for a fault that is active and moves: what it asks for at this moment; NULL: @impair
 * @lint: what is allowed and hardly meant, into @buf; true when there is something to say; may be NULL
 */
struct bo_fault_conn;
struct bo_fault_kind {
	const char *name;
	const char *help;
	enum bo_target target;
	const struct bo_arg_schema *args;
	size_t state_size;
	int (*check)(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		     struct bo_err *err);
	int (*supported)(const struct bo_machine *machine, const struct bo_plan *plan,
			 const struct bo_fault_spec *spec, struct bo_err *err);
	int (*apply)(struct bo_fault *fault, struct bo_err *err);
	int (*tick)(struct bo_fault *fault, int64_t now_ns, struct bo_err *err);
	int (*confirm)(struct bo_fault *fault, struct bo_err *err);
	int (*revert)(struct bo_fault *fault, struct bo_err *err);
	void (*describe)(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
			 size_t size);
	uint32_t (*claims)(const struct bo_plan *plan, const struct bo_fault_spec *spec);
	const char *(*wire_only)(const struct bo_plan *plan, const struct bo_fault_spec *spec);
	void (*impair)(const struct bo_plan *plan, const struct bo_fault_spec *spec,
		       enum bo_dir dir, struct bo_impair *into);
	void (*impair_now)(const struct bo_fault *fault, enum bo_dir dir, struct bo_impair *into);
	bool (*lint)(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf,
		     size_t size);
	const struct bo_fault_conn *conn;
};

/** bo_fault_kinds() - the registry, ended by NULL */
const struct bo_fault_kind *const *bo_fault_kinds(void);
/** bo_fault_kind_find() - by name and target, or NULL */
const struct bo_fault_kind *bo_fault_kind_find(const char *name, enum bo_target target);
/**
 * bo_fault_check() - everything about one fault that needs no machine: kind, keys, types, ranges, the kind's own check
 * @err: message without file and line ("unknown fault 'dealy' on a link; did you mean 'delay'?")
 */
BO_NODISCARD int bo_fault_check(const struct bo_plan *plan, const struct bo_fault_spec *spec,
				struct bo_err *err);
/** bo_fault_lint() - is there something to warn of in a checked fault?  Text without file and line into @buf */
bool bo_fault_lint(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf, size_t size);
/** bo_fault_check_overlap() - two faults of @plan that set the same thing at the same time are an error;
 * @ret_index: the later of the two, whose line to name */
BO_NODISCARD int bo_fault_check_overlap(const struct bo_plan *plan, size_t *ret_index,
					struct bo_err *err);
/** bo_fault_wire_only() - why the links of @plan must be wires, or NULL; @ret_index: the first fault that wants it */
const char *bo_fault_wire_only(const struct bo_plan *plan, size_t *ret_index);
/** bo_fault_link_tracks() - must the link keep track of its connections from its beginning? */
bool bo_fault_link_tracks(const struct bo_plan *plan, int link);
/** bo_fault_supported() - can @machine do all faults of @plan?  -ENOTSUP is about the first that it cannot,
 * @ret_index */
BO_NODISCARD int bo_fault_supported(const struct bo_plan *plan, const struct bo_machine *machine,
				    size_t *ret_index, struct bo_err *err);
/** bo_fault_init() - bind a checked spec to hands and record; bo_fault_done() frees the state */
BO_NODISCARD int bo_fault_init(struct bo_fault *fault, const struct bo_plan *plan,
			       const struct bo_fault_spec *spec, struct bo_hands *hands,
			       struct bo_fault_record *record, struct bo_err *err);
void bo_fault_done(struct bo_fault *fault);

/**
 * struct bo_fault_set - all faults of a plan while it runs; what the conductor drives
 * Faults on the same direction of a link at the same time merge into one impairment, and every change is remembered,
 * so that each fault is judged only by probes that met one known state.
 * @t0_ns: CLOCK_MONOTONIC of the run's start; instants in the records are relative to it.  Set it when it is known.
 * @clock: CLOCK_MONOTONIC in ns; tests put their own
 * @records: [borrowed: as long as the set] parallel to plan->faults
 */
struct bo_fault_lane;
struct bo_fault_set {
	const struct bo_plan *plan;
	struct bo_hands *hands;
	struct bo_fault_record *records;
	int64_t t0_ns;
	int64_t (*clock)(void);
	struct bo_fault *faults; /* parallel to plan->faults */
	size_t nfaults;
	struct bo_fault_lane *lanes; /* two per link */
};

/** bo_fault_set_init() - bind every fault of a checked plan; nothing happens yet.  Free with bo_fault_set_done() */
BO_NODISCARD int bo_fault_set_init(struct bo_fault_set *set, const struct bo_plan *plan,
				   struct bo_hands *hands, struct bo_fault_record *records,
				   struct bo_err *err);
/** bo_fault_set_watch() - begin probing every direction that some fault will impair, a second or more before the first
 * fault, so that delay is judged against the path as it was; without it the path is taken to have none */
BO_NODISCARD int bo_fault_set_watch(struct bo_fault_set *set, struct bo_err *err);
/**
 * bo_fault_set_apply() - apply fault @i; a second call is harmless
 * @now_ns: the caller's CLOCK_MONOTONIC;  fills the record's driver, requested, applied_ns, apply_cost_ns
 * Return: on failure the fault has been reverted, and the record says why it is BO_CONFIRM_OFF
 */
BO_NODISCARD int bo_fault_set_apply(struct bo_fault_set *set, size_t i, int64_t now_ns,
				    struct bo_err *err);
/** bo_fault_set_tick() - about every 20 ms: faults that move in steps move; goes on past failures, @err the first.  May be
 * called while a step or a revert of this set waits for a node */
BO_NODISCARD int bo_fault_set_tick(struct bo_fault_set *set, int64_t now_ns, struct bo_err *err);
/** bo_fault_set_revert() - confirm from measurement, then revert; harmless when not active.  What the confirmation
 * found is in the record; the return value is about the reverting */
BO_NODISCARD int bo_fault_set_revert(struct bo_fault_set *set, size_t i, struct bo_err *err);
/** bo_fault_set_revert_all() - the same for all that are active, last applied first, past failures; probing ends */
BO_NODISCARD int bo_fault_set_revert_all(struct bo_fault_set *set, struct bo_err *err);
/** bo_fault_set_done() - free what the set owns; reverts nothing */
void bo_fault_set_done(struct bo_fault_set *set);

/* For the kinds: read checked arguments; @dflt when absent. */
int64_t bo_fault_arg_int(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind,
			 const char *key, int64_t dflt);
const char *bo_fault_arg_str(const struct bo_fault_spec *spec, const char *key, const char *dflt);
