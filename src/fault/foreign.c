/* SPDX-License-Identifier: Apache-2.0 */
/* fault/foreign.c — what a fault or an option that others call so is called here.
 * The words are those of tc-netem(8), toxiproxy's toxics, Pumba, comcast and Chaos Mesh. */
#include <string.h>

#include "fault-internal.h"

struct foreign {
	const char *word;
	const char *here;
};

static const struct foreign link_faults[] = {
	{ "bandwidth", "rate" },
	{ "corruption", "corrupt" },
	{ "disconnect", "reset, or blackhole" },
	{ "down", "refuse, with reset for the connections there are" },
	{ "drop_rate", "loss" },
	{ "duplication", "duplicate" },
	{ "isolate", "blackhole" },
	{ "jitter", "delay(\"50ms\", { jitter = \"10ms\" })" },
	{ "latency", "delay" },
	{ "limit_data", "data_limit" },
	{ "netem", "impair" },
	{ "packet_loss", "loss" },
	{ "partition", "blackhole; with toward = NODE it is asymmetric" },
	{ "reject", "refuse" },
	{ "reset_peer", "reset" },
	{ "slicer", "drip" },
	{ "throttle", "rate" },
	{ "timeout", "blackhole, or stall" },
	{ NULL, NULL },
};

static const struct foreign node_faults[] = {
	{ "crash", "kill" },    { "freeze", "pause" },
	{ "oom", "memory" },    { "partition", "blackhole, on t:link(a, b)" },
	{ "sigkill", "kill" },  { "sigstop", "pause" },
	{ "sigterm", "term" },  { "stop", "term, or pause" },
	{ "stress", "memory" }, { NULL, NULL },
};

static const struct foreign options[] = {
	{ "bandwidth", "rate" },
	{ "direction", "toward = NODE" },
	{ "dist", "distribution" },
	{ "duration", "lasts, in t:during(phase, fault, { lasts = \"2s\" })" },
	{ "latency", "delay" },
	{ "interface", "the link: t:link(a, b) is all that goes between two nodes" },
	{ "percent", "the fault's own, as in loss \"5%\"" },
	{ "percentage", "the fault's own, as in loss \"5%\"" },
	{ "port", "for faults that choose connections: drop, reset, stall …" },
	{ "probability", "the fault's own, as in loss \"5%\"" },
	{ "seed", "the scenario's: seed, or --seed" },
	{ "stddev", "jitter" },
	{ "share", "for faults that choose connections: drop, reset, stall …" },
	{ "toxicity", "share, on the faults that choose connections" },
	{ "variation", "jitter" },
	{ NULL, NULL },
};

static const struct foreign choices[] = {
	{ "4G", "LTE" },
	{ "4state", "state" },
	{ "bernoulli", "random" },
	{ "error", "servfail" },
	{ "gilbert", "gemodel" },
	{ "gilbert-elliott", "gemodel" },
	{ "GPRS", "2G" },
	{ "satellite", "satellite-GEO" },
	{ "UMTS", "3G" },
	{ "wifi", "wifi-lossy" },
	{ NULL, NULL },
};

static const char *find(const struct foreign *words, const char *word)
{
	for (; words->word; words++)
		if (strcmp(words->word, word) == 0)
			return words->here;
	return NULL;
}

const char *bo_fault_foreign_kind(const char *word, enum bo_target target)
{
	return find(target == BO_TARGET_LINK ? link_faults : node_faults, word);
}

const char *bo_fault_foreign_option(const char *word)
{
	return find(options, word);
}

const char *bo_fault_foreign_choice(const char *word)
{
	return find(choices, word);
}
