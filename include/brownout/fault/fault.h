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
	BO_UNIT_NODE,     /* a node's name */
	BO_UNIT_CHOICE,   /* one of the words in choices, separated by '|' */
};

/**
 * struct bo_arg_schema - one argument; a table of them ends with key == NULL
 * @positional: may also be given as the lone positional value
 * @min, @max: inclusive, in the unit's base (ns, bytes, bit/s, ppm, count)
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

/** struct bo_fault - one fault of the plan while it runs; @state is the kind's own, zeroed, freed with free() */
struct bo_fault {
	const struct bo_plan *plan;
	const struct bo_fault_spec *spec;
	const struct bo_fault_kind *kind;
	struct bo_hands *hands;
	struct bo_fault_record *record;
	int64_t applied_mono_ns; /* CLOCK_MONOTONIC, set by the caller after apply */
	int64_t ends_mono_ns;    /* when revert is planned */
	void *state;
};

/**
 * struct bo_fault_kind -
 * @check: whatever the schema cannot say (jitter <= delay …); @err without file and line, the caller adds them
 * @supported: 0, or -ENOTSUP with the reason and what would help
 * @apply: bring it about, fill record->driver and record->requested
 * @tick: called about every 20 ms while active, for faults that move in steps; may be NULL
 * @confirm: called just before revert (and may read what it gathered while active): fill record->achieved, ->confirm
 *           and ->reason from measurement, never from intent
 * @revert: idempotent; also called after a failed apply
 * @describe: "delay 1.50s ±20ms, loss 2% on orders-db (both directions)"
 */
struct bo_fault_kind {
	const char *name;
	const char *help;
	enum bo_target target;
	const struct bo_arg_schema *args;
	size_t state_size;
	int (*check)(const struct bo_plan *plan, const struct bo_fault_spec *spec, struct bo_err *err);
	int (*supported)(const struct bo_machine *machine, const struct bo_plan *plan,
			 const struct bo_fault_spec *spec, struct bo_err *err);
	int (*apply)(struct bo_fault *fault, struct bo_err *err);
	int (*tick)(struct bo_fault *fault, int64_t now_ns, struct bo_err *err);
	int (*confirm)(struct bo_fault *fault, struct bo_err *err);
	int (*revert)(struct bo_fault *fault, struct bo_err *err);
	void (*describe)(const struct bo_plan *plan, const struct bo_fault_spec *spec, char *buf, size_t size);
};

/** bo_fault_kinds() - the registry, ended by NULL */
const struct bo_fault_kind *const *bo_fault_kinds(void);
/** bo_fault_kind_find() - by name and target, or NULL */
const struct bo_fault_kind *bo_fault_kind_find(const char *name, enum bo_target target);
/**
 * bo_fault_check() - everything about one fault that needs no machine: kind, keys, types, ranges, the kind's own check
 * @err: message without file and line ("unknown fault 'dealy' on a link; did you mean 'delay'?")
 */
BO_NODISCARD int bo_fault_check(const struct bo_plan *plan, const struct bo_fault_spec *spec, struct bo_err *err);
/** bo_fault_check_overlap() - two faults of @plan that set the same thing at the same time are an error;
 * @ret_index: the later of the two, whose line to name */
BO_NODISCARD int bo_fault_check_overlap(const struct bo_plan *plan, size_t *ret_index, struct bo_err *err);
/** bo_fault_init() - bind a checked spec to hands and record; bo_fault_done() frees the state */
BO_NODISCARD int bo_fault_init(struct bo_fault *fault, const struct bo_plan *plan, const struct bo_fault_spec *spec,
			       struct bo_hands *hands, struct bo_fault_record *record, struct bo_err *err);
void bo_fault_done(struct bo_fault *fault);

/* For the kinds: read checked arguments; @dflt when absent. */
int64_t bo_fault_arg_int(const struct bo_fault_spec *spec, const struct bo_fault_kind *kind, const char *key,
			 int64_t dflt);
const char *bo_fault_arg_str(const struct bo_fault_spec *spec, const char *key, const char *dflt);
