/* SPDX-License-Identifier: Apache-2.0 */
/* attach_lists - print rules, queues, devices, qdiscs and filters of the network namespace that this runs in, so that scripts can compare.
 * Owns: nothing.  Threads: main.  Privilege: CAP_NET_ADMIN. */
#include <stdio.h>
#include <stdlib.h>

#include "attachkit.h"
#include "brownout/sys/netns.h"

int main(void)
{
	struct attach_world world = { .home = -1, .service = -1, .peer = -1 };
	struct bo_err err = { 0 };
	char *text;

	if (bo_netns_current(&world.home, &err) < 0) {
		fprintf(stderr, "attach_lists: %s\n", err.msg);
		return 1;
	}
	text = attach_world_lists(&world, world.home);
	fputs(text, stdout);
	free(text);
	return 0;
}
