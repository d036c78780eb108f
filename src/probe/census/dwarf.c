/* SPDX-License-Identifier: Apache-2.0 */
/* census/dwarf.c — offsets of the runtime's structures from the binary's own debug information, by libdw.
 * All of the runtime's types are in the one compilation unit "runtime", so a single pass over its top level will do.
 * Owns: libdw's handle while it runs.  Threads: one at a time.  Privilege: none. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <string.h>

#include "image.h"

/* The runtime's unit has about 20 000 children; a hostile file gets no more patience than this. */
#define DIES_MAX 1000000
#define UNITS_MAX 200000
#define MEMBERS_MAX 1000

static bool strip_typedefs(Dwarf_Die *type)
{
	for (int i = 0; i < 16; i++) {
		Dwarf_Attribute attr;

		if (dwarf_tag(type) != DW_TAG_typedef)
			return true;
		if (!dwarf_attr(type, DW_AT_type, &attr) || !dwarf_formref_die(&attr, type))
			return false;
	}
	return false;
}

/* Go writes a constant; older linkers wrote DW_OP_plus_uconst. */
static int member_offset(Dwarf_Die *member, uint64_t *ret)
{
	Dwarf_Attribute attr;
	Dwarf_Word word;
	Dwarf_Op *ops;
	size_t nops;

	if (!dwarf_attr(member, DW_AT_data_member_location, &attr))
		return -ENOENT;
	if (!dwarf_formudata(&attr, &word)) {
		*ret = word;
		return 0;
	}
	if (dwarf_getlocation(&attr, &ops, &nops) || nops != 1 || ops[0].atom != DW_OP_plus_uconst)
		return -EBADMSG;
	*ret = ops[0].number;
	return 0;
}

static int find_member(Dwarf_Die *type, const char *name, size_t len, uint64_t *ret_offset,
		       Dwarf_Die *ret_type)
{
	Dwarf_Attribute attr;
	Dwarf_Die die;

	if (dwarf_child(type, &die))
		return -ENOENT;
	for (int i = 0; i < MEMBERS_MAX; i++) {
		const char *have = dwarf_tag(&die) == DW_TAG_member ? dwarf_diename(&die) : NULL;

		if (have && strlen(have) == len && !memcmp(have, name, len)) {
			int r = member_offset(&die, ret_offset);

			if (r)
				return r;
			if (!dwarf_attr(&die, DW_AT_type, &attr) ||
			    !dwarf_formref_die(&attr, ret_type) || !strip_typedefs(ret_type))
				return -EBADMSG;
			return 0;
		}
		if (dwarf_siblingof(&die, &die))
			break;
	}
	return -ENOENT;
}

static int resolve_path(const Dwarf_Die *type, const char *path)
{
	Dwarf_Die at = *type;
	uint64_t sum = 0;

	while (path) {
		const char *dot = strchr(path, '.');
		size_t len = dot ? (size_t)(dot - path) : strlen(path);
		uint64_t offset;
		Dwarf_Die next;

		if (find_member(&at, path, len, &offset, &next) || offset > INT16_MAX)
			return -1;
		sum += offset;
		at = next;
		path = dot ? dot + 1 : NULL;
	}
	return sum <= INT16_MAX ? (int)sum : -1;
}

/* Go's DWARF names structs with their package: "runtime.g". */
static void take_struct(Dwarf_Die *type, struct bo_go_layout *ret)
{
	const char *name = dwarf_diename(type);

	if (!name || strncmp(name, "runtime.", 8))
		return;
	for (int i = 0; i < BO_GO_NFACTS; i++) {
		const struct bo_go_fact_name *fact = &bo_go_fact_names[i];

		if (ret->at[i] >= 0 || strcmp(fact->type, name))
			continue;
		if (!fact->path) {
			int size = dwarf_bytesize(type);

			ret->at[i] = size > 0 && size < 1 << 20 ? size : -1;
			continue;
		}
		ret->at[i] = resolve_path(type, fact->path);
		if (ret->at[i] < 0 && fact->other)
			ret->at[i] = resolve_path(type, fact->other);
	}
}

/* Assembly files have units of the package's name, too, without types: true only once the types were seen. */
static bool take_unit(Dwarf_Die *unit, struct bo_go_layout *ret)
{
	const char *name = dwarf_diename(unit);
	Dwarf_Die die;

	if (!name || strcmp(name, "runtime") || dwarf_child(unit, &die))
		return false;
	for (int i = 0; i < DIES_MAX; i++) {
		if (dwarf_tag(&die) == DW_TAG_structure_type)
			take_struct(&die, ret);
		if (dwarf_siblingof(&die, &die))
			break;
	}
	return ret->at[BO_GO_G_GOID] >= 0 && ret->at[BO_GO_FUNC_SIZE] >= 0;
}

int bo_goimage_dwarf(struct bo_goimage *image, struct bo_go_layout *ret, struct bo_err *err)
{
	struct bo_go_layout layout;
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	bool found = false;
	Dwarf *dwarf;

	if (!image->debug_bytes)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "the binary has no debug information (built with -w)");
	if (image->debug_bytes > BO_GOIMAGE_DWARF_MAX)
		return bo_err_set(err, EFBIG, BO_SUBSYS_PROBE,
				  "the debug information is too large (%llu MiB)",
				  (unsigned long long)(image->debug_bytes >> 20));
	for (int i = 0; i < BO_GO_NFACTS; i++)
		layout.at[i] = -1;
	dwarf = dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);
	if (!dwarf)
		return bo_err_set(err, EBADMSG, BO_SUBSYS_PROBE, "libdw: %s", dwarf_errmsg(-1));
	for (int i = 0; i < UNITS_MAX && !found; i++) {
		if (dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &die, NULL))
			break;
		found = take_unit(&die, &layout);
	}
	dwarf_end(dwarf);
	if (!found)
		return bo_err_set(err, ENOENT, BO_SUBSYS_PROBE,
				  "the debug information has no unit \"runtime\"");
	if (bo_go_layout_plausible(&layout, err))
		return -EBADMSG;
	*ret = layout;
	return 0;
}
