/* SPDX-License-Identifier: Apache-2.0 */
/* brownout/script/script.h — a Lua scenario to a plan.
 * The Lua state lives only inside bo_script_load(): no io, os.execute, package.loadlib or bytecode, require only
 * from the scenario's folder and scenarios/lib, instruction and memory limits.
 * Owns: nothing after return.  Threads: none.  Privilege: none. */
#pragma once
#include <stdint.h>

#include "brownout/base/err.h"
#include "brownout/model/plan.h"

/** struct bo_script_set - key=value from --set, read in the scenario as brownout.params.key */
struct bo_script_set {
	const char *key;
	const char *value;
};

/** struct bo_script_phase - a phase's length from outside, instead of the scenario's own; 0 … 24 h */
struct bo_script_phase {
	enum bo_phase phase;
	int64_t length_ns;
};

/**
 * struct bo_script_options - zero means the default
 * @prelude: the DSL's Lua text and its length (embedded at build time by harness/)
 * @seed: wins over the scenario's own;  @default_seed: taken when neither names one; default 1
 * @max_instructions: default 50 million;  @max_memory_bytes: default 64 MiB;  @max_file_bytes: default 4 MiB
 * @lib_dirs: NULL-terminated further folders for require
 */
struct bo_script_options {
	const char *prelude;
	size_t prelude_len;
	uint64_t seed;
	uint64_t default_seed;
	int64_t max_instructions;
	int64_t max_memory_bytes;
	int64_t max_file_bytes;
	const char *const *lib_dirs;
	const struct bo_script_set *sets;
	size_t nsets;
	const struct bo_script_phase *phases; /* the last word on a phase counts */
	size_t nphases;
};

/**
 * bo_script_load() - run the scenario at @path and hand over the plan that it declared
 * @err: one line that begins with "FILE:LINE: "
 */
BO_NODISCARD int bo_script_load(struct bo_plan **ret, const char *path,
				const struct bo_script_options *options, struct bo_err *err);
