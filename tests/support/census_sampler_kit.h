/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the census as a sampler share: a zoo to look at, and what the timeline says. */
#pragma once
#include "sampler_kit.h"
#include "zookit.h"

#define ZOO ZOO_DIR "/zoo"

static inline struct zoo start(const char *const *args)
{
	struct zoo zoo;

	if (!zoo_start(&zoo, ZOO, args))
		fail_msg("the zoo did not start");
	return zoo;
}

static inline const char *find_event(const struct kit *k, enum bo_event_kind kind, const char *part)
{
	bo_vec_foreach(e, &k->run->events)
		if (e->kind == kind && strstr(e->text, part))
			return e->text;
	return NULL;
}

static inline size_t count_events(const struct kit *k, const char *part)
{
	size_t n = 0;

	bo_vec_foreach(e, &k->run->events)
		n += strstr(e->text, part) != NULL;
	return n;
}
