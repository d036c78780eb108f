/* SPDX-License-Identifier: Apache-2.0 */
/* support/residue_main.c — the last word of a test run: exit 1 when anything of brownout is left on this machine.
 * Owns: nothing.  Threads: none.  Privilege: none. */
#include "support/residue.h"

int main(void)
{
	int found = residue_check(0, stdout);

	if (!found)
		puts("residue: nothing left behind");
	return found ? 1 : 0;
}
