/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_script.c — any text as a scenario: a plan whose parts refer to each other, or one line "FILE:LINE: message".
 * The first byte says whether the rest continues a scenario that has begun well, which gets deeper into the bindings.
 * Owns: one memfd.  Threads: none.  Privilege: none. */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(cond)                                                 \
	do {                                                          \
		if (!(cond)) {                                        \
			fprintf(stderr, "%d: %s\n", __LINE__, #cond); \
			abort();                                      \
		}                                                     \
	} while (0)

static const char head[] =
	"local bo = require 'brownout' "
	"local t = bo.scenario 'x' { phases = { base = '5s', fault = '10s', hold = '4s' } } "
	"local db = t:dependency 'db' (bo.stub { port = 80 }) "
	"local web = t:subject 'web' { command = { 'web' }, memory = '64MiB' } "
	"local link = t:link(web, db)\n";

static void check_message(const char *msg, const char *path)
{
	size_t n = strlen(path);

	REQUIRE(*msg);
	for (const char *at = msg; *at; at++)
		REQUIRE((unsigned char)*at >= ' ' && *at != 0x7f);
	/* Every error here is placed in the one file there is. */
	REQUIRE(!strncmp(msg, path, n) && msg[n] == ':' && isdigit((unsigned char)msg[n + 1]));
}

static void check_plan(const struct bo_plan *plan)
{
	int nodes = (int)plan->nodes.len;

	REQUIRE(nodes >= 2 && bo_plan_total(plan) > 0 && plan->seed);
	bo_vec_foreach(link, &plan->links)
		REQUIRE(link->a >= 0 && link->a < link->b && link->b < nodes);
	bo_vec_foreach(load, &plan->loads)
		REQUIRE(load->node > 0 && load->node < nodes &&
			(load->rate_per_s > 0 || load->clients > 0) && *load->path == '/' &&
			bo_plan_link(plan, BO_NODE_CLIENT, load->node) >= 0);
	bo_vec_foreach(fault, &plan->faults) {
		int64_t from, until;

		REQUIRE(fault->index >= 0);
		REQUIRE(fault->index <
			(fault->target == BO_TARGET_NODE ? nodes : (int)plan->links.len));
		bo_plan_fault_window(plan, fault, &from, &until);
		REQUIRE(from >= 0 && from < until && until <= bo_plan_total(plan));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct bo_script_set sets[] = { { "a", "1" } };
	struct bo_script_options options = { .max_instructions = 100000,
					     .max_memory_bytes = 4 << 20 };
	static int fd = -1;
	struct bo_plan *plan = NULL;
	struct bo_err err = { 0 };
	char path[64];
	size_t begun;

	if (!size)
		return 0;
	if (fd < 0)
		fd = memfd_create("scenario", MFD_CLOEXEC);
	begun = data[0] & 1 ? sizeof(head) - 1 : 0;
	if (data[0] & 2) {
		options.sets = sets;
		options.nsets = 1;
	}
	REQUIRE(!ftruncate(fd, 0));
	REQUIRE(pwrite(fd, head, begun, 0) == (ssize_t)begun);
	REQUIRE(pwrite(fd, data + 1, size - 1, (off_t)begun) == (ssize_t)(size - 1));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (bo_scenario_load(&plan, path, NULL, &options, &err)) {
		REQUIRE(!plan);
		check_message(err.msg, path);
		return 0;
	}
	check_plan(plan);
	bo_plan_free(plan);
	return 0;
}
