/* SPDX-License-Identifier: Apache-2.0 */
/* lab/attach_netem.c — the driver `netem` of an attachment: packets of chosen peers go by way of an ifb, where netem holds
 * them (sys/divert.h).
 *
 * Coming and going, nothing is lost:
 *   up     what is to hold packets is there before a filter sends one; then the filter is the one step;
 *   change netem's own, in one step;
 *   down   1. the filter goes, and new packets go past;  2. what is held leaves when its time has come: netem cannot be told
 *          to hurry, which is why longer delays are not for it (HOLD_MAX_NS);  3. the lane goes, with the last one the
 *          clsact and the ifb.
 * Putting a clsact in and taking it out makes the kernel drop what the device sends for about a millisecond.  So all that
 * leaves by the device waits in the queue driver meanwhile, where the kernel has that (bo_attach_queue_hold()).
 *
 * If we die, netem goes on; so somebody is there who takes all of it back: attach_warden.c.
 *
 * Owns: what it makes, sockets.  Threads: single-threaded.  Privilege: CAP_NET_ADMIN; CAP_NET_RAW for _init(). */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "attach-internal.h"
#include "brownout/base/cleanup.h"
#include "brownout/base/clock.h"
#include "brownout/base/units.h"
#include "brownout/sys/netem.h"
#include "brownout/sys/rtnl.h"

#define PROBE_EVERY_NS (10 * BO_NSEC_PER_MSEC)
#define DRAIN_EVERY_NS (2 * BO_NSEC_PER_MSEC)
/* The longest that netem may hold a packet here, and how much longer is waited for it to go. */
#define HOLD_MAX_NS (5 * BO_NSEC_PER_SEC)
#define SLACK_NS (500 * BO_NSEC_PER_MSEC)
#define SERVICE_PACKETS_MIN 20

/** held_at_most() - a table's values end at four times the jitter (tc-netem(8)) */
static int64_t held_at_most(const struct bo_impair *im)
{
	return im->delay_ns + (im->jitter_ns < HOLD_MAX_NS ? 4 * im->jitter_ns : HOLD_MAX_NS);
}

const char *bo_attach_netem_cannot(const struct bo_impair *im)
{
	const char *why = bo_netem_cannot(im);

	if (why)
		return why;
	if (im->delay_ns > HOLD_MAX_NS || held_at_most(im) > HOLD_MAX_NS)
		return "netem cannot let go early what it holds, and that would be for more than 5s";
	/* Both hold a standing queue, which may take any time to leave. */
	if (im->rate_bps)
		return "netem cannot let go early what waits for a rate";
	if (im->slot.max_ns)
		return "netem cannot let go early what waits for a slot";
	return NULL;
}

/* --- life ----------------------------------------------------------------------------------------- */

int bo_attach_netem_init(struct bo_attach_netem *n, const struct bo_attach_conf *conf,
			 struct bo_attach_queue *queue, const char *name, struct bo_err *err)
{
	int rc;

	*n = (struct bo_attach_netem){ .conf = conf,
				       .queue = queue,
				       .nlanes = (size_t)conf->npeers * BO_DIR_COUNT,
				       .probe = { .tx = -1, .rx = -1 } };
	snprintf(n->name, sizeof(n->name), "%s", name);
	for (size_t i = 0; i < n->nlanes; i++)
		n->lanes[i].band = -1;
	rc = bo_attach_probe_open(&n->probe, err);
	if (rc < 0)
		return rc;
	rc = bo_rtnl_open(&n->rtnl, err);
	if (rc < 0)
		bo_attach_probe_close(&n->probe);
	return rc;
}

/* --- where ---------------------------------------------------------------------------------------- */

static int mtu_of(int device, int *ret, struct bo_err *err)
{
	bo_auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	if (fd < 0 || !if_indextoname((unsigned int)device, req.ifr_name) ||
	    ioctl(fd, SIOCGIFMTU, &req) < 0)
		return bo_err_errno(err, BO_SUBSYS_LAB, "device %d", device);
	*ret = req.ifr_mtu;
	return 0;
}

int bo_attach_netem_prepare(struct bo_attach_netem *n, size_t lane, struct bo_err *err)
{
	const char *interface = n->conf->spec.interface;
	int device = 0, rc = 0;

	if (!n->rtnl)
		return bo_err_set(err, ENOTSUP, BO_SUBSYS_LAB, "rtnetlink cannot be had");
	if (n->lanes[lane].band >= 0)
		return 0;
	if (interface[0] && !(device = (int)if_nametoindex(interface)))
		return bo_err_set(err, ENODEV, BO_SUBSYS_LAB, "there is no device %s", interface);
	if (!device)
		rc = bo_divert_route(n->rtnl, &n->conf->peers[lane / BO_DIR_COUNT], &device, err);
	if (rc < 0)
		return rc;
	if (n->up && device != n->device)
		return bo_err_set(err, EBUSY, BO_SUBSYS_LAB,
				  "netem is on another device of this service already");
	if (n->up)
		return 0;
	rc = bo_divert_hook_free(n->rtnl, device, err);
	if (rc == 0)
		rc = mtu_of(device, &n->mtu, err);
	if (rc == 0)
		n->device = device;
	return rc;
}

static int free_band(const struct bo_attach_netem *n)
{
	uint32_t used = 0;
	int band = 0;

	for (size_t i = 0; i < n->nlanes; i++)
		used |= n->lanes[i].band < 0 ? 0 : 1u << n->lanes[i].band;
	while (band < BO_DIVERT_BANDS && used & 1u << band)
		band++;
	return band < BO_DIVERT_BANDS ? band : -1;
}

/* --- up and down ------------------------------------------------------------------------------------ */

/** change_hook() - put the clsact in or take it out, while nothing is on its way that would be dropped */
static int change_hook(struct bo_attach_netem *n, bool add, struct bo_err *err)
{
	struct bo_err ignored = { 0 };
	char name[IF_NAMESIZE] = "";
	bool held = if_indextoname((unsigned int)n->device, name) &&
		    bo_attach_queue_hold(n->queue, name, &ignored) == 0;
	int rc = add ? bo_divert_hook_add(n->rtnl, n->device, err)
		     : bo_divert_hook_del(n->rtnl, n->device, err);

	if (held && bo_attach_queue_release(n->queue, rc < 0 ? &ignored : err) < 0 && rc == 0)
		rc = -err->code;
	return rc;
}

static int bring_up(struct bo_attach_netem *n, struct bo_err *err)
{
	struct bo_err ignored = { 0 };
	int rc = bo_divert_make(n->rtnl, n->name, &n->ifb, err);

	if (rc < 0)
		return rc;
	rc = bo_attach_probe_listen(&n->probe, n->ifb, err);
	if (rc == 0) {
		rc = change_hook(n, true, err);
		/* An answer that was lost is no sign that nothing was done; -EBUSY is somebody else's. */
		if (rc < 0 && rc != -EBUSY)
			(void)!change_hook(n, false, &ignored);
	}
	n->up = rc == 0;
	if (rc < 0)
		(void)!bo_divert_remove(n->rtnl, n->ifb, &ignored);
	return rc;
}

/** take_down() - nothing is held any more */
static int take_down(struct bo_attach_netem *n, struct bo_err *err)
{
	struct bo_err later = { 0 };
	int rc = change_hook(n, false, err), remove;

	remove = bo_divert_remove(n->rtnl, n->ifb, rc < 0 ? &later : err);
	n->up = rc < 0 || remove < 0;
	return rc < 0 ? rc : remove;
}

/** look() - remember how many packets of the service have gone there */
static int look(struct bo_attach_netem *n, struct bo_attach_netem_lane *lane, uint64_t *ret_held,
		struct bo_err *err)
{
	struct bo_divert_count count = { 0 };
	int rc = bo_divert_count(n->rtnl, n->ifb, lane->band, &count, err);

	if (rc == 0)
		lane->service = count.taken > lane->probes ? count.taken - lane->probes : 0;
	*ret_held = count.held;
	return rc;
}

static bool any_lane(const struct bo_attach_netem *n)
{
	for (size_t i = 0; i < n->nlanes; i++)
		if (n->lanes[i].band >= 0)
			return true;
	return false;
}

static int lane_up(struct bo_attach_netem *n, struct bo_attach_netem_lane *lane,
		   const struct bo_impair *im, struct bo_err *err)
{
	int band = free_band(n), rc;

	if (band < 0)
		return bo_err_set(err, EBUSY, BO_SUBSYS_LAB,
				  "netem can be on %d directions of peers at a time",
				  BO_DIVERT_BANDS);
	rc = bo_divert_lane_add(n->rtnl, n->ifb, band, n->mtu, im, err);
	if (rc < 0)
		return rc;
	lane->band = band;
	lane->probes = 0;
	return 0;
}

static int lane_gone(struct bo_attach_netem *n, struct bo_attach_netem_lane *lane,
		     struct bo_err *err)
{
	int rc = bo_divert_lane_del(n->rtnl, n->ifb, lane->band, err);

	lane->band = rc < 0 ? lane->band : -1;
	return rc;
}

static int filter_gone(struct bo_attach_netem *n, size_t i, struct bo_err *err)
{
	return bo_divert_filter_del(n->rtnl, n->device, n->lanes[i].band,
				    i % BO_DIR_COUNT == BO_DIR_B_TO_A, err);
}

/** lane_off() - nothing more goes there; what is held has until the end of its time */
static int lane_off(struct bo_attach_netem *n, size_t i, struct bo_err *err)
{
	struct bo_attach_netem_lane *lane = &n->lanes[i];
	int rc;

	if (!lane->on)
		return 0;
	rc = filter_gone(n, i, err);
	lane->on = rc < 0;
	lane->held_until_ns = bo_now_ns() + lane->held_at_most_ns;
	return rc;
}

int bo_attach_netem_impair(struct bo_attach_netem *n, size_t i, const struct bo_impair *im,
			   struct bo_err *err)
{
	struct bo_attach_netem_lane *lane = &n->lanes[i];
	const bool fresh = lane->band < 0;
	struct bo_err ignored = { 0 };
	int rc = 0;

	if (bo_impair_is_none(im))
		return lane_off(n, i, err);
	if (!n->up)
		rc = bring_up(n, err);
	if (rc == 0)
		rc = fresh ? lane_up(n, lane, im, err)
			   : bo_divert_lane_change(n->rtnl, n->ifb, lane->band, n->mtu, im, err);
	if (rc == 0 && !lane->on)
		rc = bo_divert_filter_add(n->rtnl, n->device, n->ifb, lane->band,
					  &n->conf->peers[i / BO_DIR_COUNT],
					  i % BO_DIR_COUNT == BO_DIR_B_TO_A, err);
	if (rc == 0) {
		/* Of two impairments, what the longer one holds is held: of one that was taken back and
		 * has packets left as well. */
		if (fresh || lane->held_at_most_ns < held_at_most(im))
			lane->held_at_most_ns = held_at_most(im);
		lane->on = true;
		return 0;
	}
	if (!lane->on && lane->band >= 0)
		(void)!filter_gone(n, i, &ignored);
	/* One that still lets go what it holds goes on with that. */
	if (fresh && lane->band >= 0)
		(void)!lane_gone(n, lane, &ignored);
	if (n->up && !any_lane(n))
		(void)!take_down(n, &ignored);
	return rc;
}

/* --- at work ---------------------------------------------------------------------------------------- */

static struct bo_attach_records *records_of(void *arg, int lane)
{
	struct bo_attach_netem *n = arg;

	return lane >= 0 && (size_t)lane < n->nlanes ? &n->lanes[lane].records : NULL;
}

/** drained() - has all left that a lane without filter still held?  What should have been gone for long is given up */
static bool drained(struct bo_attach_netem *n, struct bo_attach_netem_lane *lane, int64_t now_ns)
{
	struct bo_err ignored = { 0 };
	uint64_t held = 0;
	int rc = look(n, lane, &held, &ignored);

	/* Not to have been able to look is no sign that nothing is held. */
	return rc == -ENOENT || (rc == 0 && !held) || now_ns > lane->held_until_ns + SLACK_NS;
}

static void give_up_late(struct bo_attach_netem_lane *lane, int64_t now_ns)
{
	bo_attach_records_expire(&lane->records, now_ns - lane->held_at_most_ns - SLACK_NS);
}

int bo_attach_netem_work(struct bo_attach_netem *n, struct bo_err *err)
{
	int64_t now_ns = bo_now_ns();
	int rc = 0;

	if (!n->up)
		return 0;
	bo_attach_probe_work(&n->probe, records_of, n);
	for (size_t i = 0; rc == 0 && i < n->nlanes; i++) {
		struct bo_attach_netem_lane *lane = &n->lanes[i];

		if (lane->band < 0)
			continue;
		give_up_late(lane, now_ns);
		if (!lane->on && drained(n, lane, now_ns))
			rc = lane_gone(n, lane, err);
		if (lane->on && now_ns >= lane->probe_ns) {
			lane->probe_ns = now_ns + PROBE_EVERY_NS;
			lane->probes += bo_attach_probe_send(&n->probe, (int)i, lane->band,
							     &lane->records) == 0;
		}
	}
	if (rc == 0 && !any_lane(n))
		rc = take_down(n, err);
	return rc;
}

int64_t bo_attach_netem_due(const struct bo_attach_netem *n)
{
	int64_t due_ns = INT64_MAX;

	for (size_t i = 0; n->up && i < n->nlanes; i++) {
		const struct bo_attach_netem_lane *lane = &n->lanes[i];
		int64_t at_ns = lane->band < 0 ? INT64_MAX
				: lane->on     ? lane->probe_ns
					       : bo_now_ns() + DRAIN_EVERY_NS;

		due_ns = at_ns < due_ns ? at_ns : due_ns;
	}
	return due_ns;
}

int bo_attach_netem_down(struct bo_attach_netem *n, struct bo_err *err)
{
	int rc = 0;

	for (size_t i = 0; n->up && rc == 0 && i < n->nlanes; i++)
		rc = lane_off(n, i, err);
	while (n->up && rc == 0) {
		struct timespec ts = bo_ns_to_timespec(DRAIN_EVERY_NS);

		rc = bo_attach_netem_work(n, err);
		if (n->up && rc == 0)
			nanosleep(&ts, NULL);
	}
	return rc;
}

int bo_attach_netem_samples(struct bo_attach_netem *n, size_t i, int64_t from_ns, int64_t to_ns,
			    struct bo_link_samples *ret, struct bo_err *err)
{
	struct bo_attach_netem_lane *lane = &n->lanes[i];
	uint64_t held;
	int rc = 0;

	bo_attach_probe_work(&n->probe, records_of, n);
	if (lane->band >= 0)
		rc = look(n, lane, &held, err);
	if (rc == 0 && lane->service < SERVICE_PACKETS_MIN)
		rc = bo_err_set(err, ENODATA, BO_SUBSYS_LAB,
				"%" PRIu64
				" packets of the service went through the fault's netem, "
				"%d at least are needed",
				lane->service, SERVICE_PACKETS_MIN);
	return rc < 0 ? rc : bo_attach_records_samples(&lane->records, from_ns, to_ns, ret, err);
}

/* --- can it be done here? ------------------------------------------------------------------------------ */

int bo_attach_netem_supported(int device, struct bo_err *err)
{
	static const char name[] = "bo-probe";
	const struct bo_impair im = { .delay_ns = BO_NSEC_PER_MSEC };
	const struct bo_attach_peer peer = { .family = AF_INET,
					     .prefix = 32,
					     .address = { 192, 0, 2, 1 } };
	struct bo_err removing = { 0 };
	struct nl_sock *rtnl = NULL;
	int ifb = 0, rc = bo_rtnl_open(&rtnl, err);

	if (rc == 0)
		rc = bo_divert_make(rtnl, name, &ifb, err);
	if (rc == 0)
		rc = bo_divert_lane_add(rtnl, ifb, 0, 1500, &im, err);
	if (rc == 0)
		rc = bo_divert_hook_add(rtnl, device, err);
	for (int inbound = 0; rc == 0 && inbound < 2; inbound++)
		rc = bo_divert_filter_add(rtnl, device, ifb, 0, &peer, inbound, err);
	if (ifb)
		(void)!bo_divert_undo(rtnl, name, device, 0, &removing);
	bo_rtnl_close(&rtnl);
	return rc;
}
