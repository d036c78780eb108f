/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/test_sys_tun.c — a TUN device is what the wire expects: virtio headers, offloads, a
 * long queue, and gone with its descriptor.  Privilege: root or user namespaces; exits 77 without.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "brownout/base/cleanup.h"
#include "brownout/sys/tun.h"
#include "wire_netns.h"

static void device_has_header_and_queue(void **state)
{
	bo_auto_fd int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };
	struct bo_err err = { 0 };
	int fd = -1, hdr = 0;
	uint8_t frame[100];

	(void)state;
	assert_int_equal(bo_tun_open("bt0", &fd, &err), 0);
	assert_true(if_nametoindex("bt0") > 0);
	assert_int_equal(ioctl(fd, TUNGETIFF, &ifr), 0);
	assert_string_equal(ifr.ifr_name, "bt0");
	assert_int_equal(ifr.ifr_flags & (IFF_TUN | IFF_NO_PI | IFF_VNET_HDR),
			 IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &hdr), 0);
	assert_int_equal(hdr, sizeof(struct virtio_net_hdr));
	assert_int_equal(ioctl(sock, SIOCGIFTXQLEN, &ifr), 0);
	assert_int_equal(ifr.ifr_qlen, 10000);
	/* Non-blocking and close-on-exec. */
	assert_int_equal(read(fd, frame, sizeof(frame)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	/* The same name twice is refused, not shared. */
	{
		int second = -1;

		assert_int_equal(bo_tun_open("bt0", &second, &err), -EBUSY);
		assert_int_equal(second, -1);
		assert_non_null(strstr(err.msg, "bt0"));
	}
	close(fd);
	assert_int_equal(if_nametoindex("bt0"), 0);
}

/* One that outlives its descriptor may belong to anybody: it is not taken over. */
static void a_persistent_device_is_not_taken_over(void **state)
{
	struct ifreq ifr = { .ifr_name = "bt1", .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
	struct bo_err err = { 0 };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), second = -1;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);
	assert_int_equal(bo_tun_open("bt1", &second, &err), -EBUSY);
	assert_int_equal(second, -1);

	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 0), 0);
	close(fd);
	assert_int_equal(if_nametoindex("bt1"), 0);
}

static void names_are_checked(void **state)
{
	struct bo_err err = { 0 };
	int fd = -1;

	(void)state;
	assert_int_equal(bo_tun_open("", &fd, &err), -EINVAL);
	assert_int_equal(bo_tun_open("a-name-that-is-too-long", &fd, &err), -EINVAL);
	assert_int_equal(fd, -1);
}

static void probing_leaves_no_device(void **state)
{
	struct bo_err err = { 0 };
	struct if_nameindex *before = if_nameindex(), *after;
	size_t n = 0, m = 0;

	(void)state;
	assert_int_equal(bo_tun_supported(&err), 0);
	after = if_nameindex();
	while (before[n].if_index)
		n++;
	while (after[m].if_index)
		m++;
	assert_int_equal(n, m);
	if_freenameindex(before);
	if_freenameindex(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_has_header_and_queue),
		cmocka_unit_test(a_persistent_device_is_not_taken_over),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(probing_leaves_no_device),
	};

	wire_netns_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
