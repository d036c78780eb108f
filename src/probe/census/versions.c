/* SPDX-License-Identifier: Apache-2.0 */
/* census/versions.c — the facts of layout.h for every Go release that is known, as the releases' own DWARF has them.
 * amd64 and arm64 agree in all of them.  tests/census/version_facts regenerates the rows from freshly built programs
 * (--table) and fails where they differ (--check); a new release is a new column.
 * Owns: nothing.  Threads: any.  Privilege: none. */
#include "layout.h"

#define RELEASES (BO_GO_MINOR_NEWEST - BO_GO_MINOR_OLDEST + 1)
#define ROW(name, ...) [BO_GO_##name] = { __VA_ARGS__ },

/* clang-format off */
static const int16_t table[BO_GO_NFACTS][RELEASES] = {
	/*                    1.19  1.20  1.21  1.22  1.23  1.24  1.25  1.26  1.27 */
	ROW(G_SIZE,           392,  392,  408,  424,  432,  440,  440,  456,  456)
	ROW(G_STACK_LO,         0,    0,    0,    0,    0,    0,    0,    0,    0)
	ROW(G_STACK_HI,         8,    8,    8,    8,    8,    8,    8,    8,    8)
	ROW(G_SCHED_SP,        56,   56,   56,   56,   56,   56,   56,   56,   56)
	ROW(G_SCHED_PC,        64,   64,   64,   64,   64,   64,   64,   64,   64)
	ROW(G_SYSCALLSP,      112,  112,  112,  112,  112,  112,  104,  104,  104)
	ROW(G_SYSCALLPC,      120,  120,  120,  120,  120,  120,  112,  112,  112)
	ROW(G_STATUS,         144,  144,  144,  144,  152,  152,  144,  144,  144)
	ROW(G_GOID,           152,  152,  152,  152,  160,  160,  152,  152,  152)
	ROW(G_WAITSINCE,      168,  168,  168,  168,  176,  176,  168,  168,  168)
	ROW(G_WAITREASON,     176,  176,  176,  176,  184,  184,  176,  176,  176)
	ROW(G_TRACKINGSEQ,    189,  189,  188,  191,  199,  199,  191,  191,  191)
	ROW(G_LOCKEDM,        232,  232,  208,  208,  216,  216,  208,  208,  208)
	ROW(G_PARENTGOID,      -1,   -1,  272,  272,  280,  280,  272,  280,  280)
	ROW(G_GOPC,           296,  296,  280,  280,  288,  288,  280,  288,  288)
	ROW(G_STARTPC,        312,  312,  296,  296,  304,  304,  296,  304,  304)
	ROW(G_LABELS,         360,  360,  344,  344,  352,  352,  344,  352,  352)
	ROW(SCHED_SIZE,      6080, 1632, 1632, 6824, 6824, 6824, 6848, 6872, 6872)
	ROW(SCHED_GOIDGEN,      0,    0,    0,    0,    0,    0,    0,    0,    0)
	ROW(SCHED_NMIDLE,      40,   40,   40,   40,   40,   40,   48,   64,   64)
	ROW(SCHED_MNEXT,       48,   48,   48,   48,   48,   48,   56,   72,   72)
	ROW(SCHED_MAXMCOUNT,   56,   56,   56,   56,   56,   56,   64,   80,   80)
	ROW(SCHED_NGSYS,       72,   72,   72,   72,   72,   72,   80,   96,   96)
	ROW(SCHED_NPIDLE,      88,   88,   88,   88,   88,   88,   96,  112,  112)
	ROW(SCHED_NMSPINNING,  92,   92,   92,   92,   92,   92,  100,  116,  116)
	ROW(SCHED_RUNQSIZE,   112,  120,  120,  120,  120,  120,  128,  144,  144)
	ROW(SCHED_GFREE,      176,  184,  184,  184,  184,  184,  184,  200,  200)
	ROW(SCHED_GFREE2,      -1,   -1,   -1,   -1,   -1,   -1,  200,  216,  216)
	ROW(SCHED_GCWAITING,  224,  232,  232,  232,  232,  232,  248,  264,  264)
	ROW(SCHED_STOPWAIT,   228,  236,  236,  236,  236,  236,  252,  268,  268)
	ROW(SCHED_TIMETORUN,  312,  320,  320,  320,  320,  320,  344,  360,  360)
	ROW(SCHED_MUTEXWAIT,   -1, 1624, 1624, 1624, 1624, 1624, 1648, 1664, 1664)
	ROW(P_STATUS,           4,    4,    4,    4,    4,    4,    4,    4,    4)
	ROW(P_RUNQHEAD,       400,  400,  400,  400,  392,  392,  392,  400,  400)
	ROW(P_RUNQTAIL,       404,  404,  404,  404,  396,  396,  396,  404,  404)
	ROW(P_RUNNEXT,       2456, 2456, 2456, 2456, 2448, 2448, 2448, 2456, 2456)
	ROW(P_GFREE,         2472, 2472, 2472, 2472, 2464, 2464, 2464, 2472, 2472)
	ROW(MEM_NUMGC,       7704, 7704, 7704, 7704, 7704, 7704, 7680, 7680, 7680)
	ROW(MEM_NUMFORCEDGC, 7708, 7708, 7708, 7708, 7708, 7708, 7684, 7684, 7684)
	ROW(MEM_LASTGC,      7720, 7720, 7720, 7720, 7720, 7720, 7696, 7696, 7696)
	ROW(MEM_PAUSETOTAL,  3600, 3600, 3600, 3600, 3600, 3600, 3576, 3576, 3576)
	ROW(MEM_PAUSES,      3608, 3608, 3608, 3608, 3608, 3608, 3584, 3584, 3584)
	ROW(GC_PERCENT,         0,    0,    0,    0,    0,    0,    0,    0,    0)
	ROW(GC_MEMORYLIMIT,     8,    8,    8,    8,    8,    8,    8,    8,    8)
	ROW(GC_HEAPLIVE,      136,   80,  104,  104,  104,  104,  104,  104,  104)
	ROW(GC_HEAPMARKED,    184,  128,  152,  152,  152,  152,  152,  152,  152)
	ROW(GC_HEAPGOAL,      104,   48,   72,   72,   72,   72,   72,   72,   72)
	ROW(GC_LASTGOAL,      128,   72,   96,   96,   96,   96,   96,   96,   96)
	ROW(GC_SWEEPGOAL,     112,   56,   80,   80,   80,   80,   80,   80,   80)
	ROW(MOD_GOFUNC,       304,  320,  320,  320,  320,  320,  320,  320,  344)
	ROW(FUNC_SIZE,         40,   44,   44,   44,   44,   44,   44,   44,   44)
	ROW(INL_SIZE,          20,   16,   16,   16,   16,   16,   16,   16,   16)
	ROW(INL_NAME,          12,    4,    4,    4,    4,    4,    4,    4,    4)
	ROW(INL_PARENTPC,      16,    8,    8,    8,    8,    8,    8,    8,    8)
};
/* clang-format on */

bool bo_go_version_layout(int minor, struct bo_go_layout *ret)
{
	if (minor < BO_GO_MINOR_OLDEST || minor > BO_GO_MINOR_NEWEST)
		return false;
	for (int i = 0; i < BO_GO_NFACTS; i++)
		ret->at[i] = table[i][minor - BO_GO_MINOR_OLDEST];
	return true;
}

void bo_go_version_nearest(int minor, struct bo_go_layout *ret)
{
	if (minor < BO_GO_MINOR_OLDEST || minor > BO_GO_MINOR_NEWEST)
		minor = minor && minor < BO_GO_MINOR_OLDEST ? BO_GO_MINOR_OLDEST
							    : BO_GO_MINOR_NEWEST;
	for (int i = 0; i < BO_GO_NFACTS; i++)
		ret->at[i] = table[i][minor - BO_GO_MINOR_OLDEST];
}
