/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/wire_netns.h — two network namespaces with a TUN device each, for tests of the real
 * thing. They live as long as this process: nothing is bound to a file.
 * Owns: descriptors.  Threads: the calling thread's network namespace is changed and put back.
 * Privilege: root, or a user namespace of its own made by wire_netns_enter(). */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

#define WIRE_NETNS_ADDR4_A "10.99.0.1"
#define WIRE_NETNS_ADDR4_B "10.99.0.2"
#define WIRE_NETNS_ADDR6_A "fd00:99::1"
#define WIRE_NETNS_ADDR6_B "fd00:99::2"

/** struct wire_netns - end 0 is a, end 1 is b */
struct wire_netns {
	int home;
	int ns[2];
	int tun[2]; /* to be handed to bo_wire_new(), which consumes them */
	int stamps
		[2]; /* of the devices, for bo_wire_new_stamped(); -1 where the kernel gives none */
};

/** wire_netns_enter() - first thing in main(): get the right to make namespaces.  Exits with 77 and
 * a reason if that is not to be had */
void wire_netns_enter(void);
/** wire_netns_up() - false with a message on stderr */
bool wire_netns_up(struct wire_netns *w, bool with_tun);
void wire_netns_down(struct wire_netns *w);
/** wire_netns_switch() - move the calling thread into the namespace of @end, or home with -1 */
bool wire_netns_switch(const struct wire_netns *w, int end);
/** wire_netns_socket() - a socket inside the namespace of @end, or -1 */
int wire_netns_socket(const struct wire_netns *w, int end, int family, int type, int protocol);
/** wire_netns_address() - the address of @end on the wire */
socklen_t wire_netns_address(int end, int family, int port, struct sockaddr_storage *ret);
/** wire_netns_configure() - addresses of @end on @device, and up; the calling thread is inside @end
 * already */
bool wire_netns_configure(int end, const char *device);
