/* SPDX-License-Identifier: Apache-2.0 */
/* closed.c — the clients of a closed loop.
 * Owns: the clients.  Threads: the load's.  Privilege: none.
 *
 * All clients are alike, so which of them an answer belongs to does not matter: one that waits is
 * taken, whichever it is.  All think for the same time, so they are due in the order in which they
 * began to. */
#include "closed.h"

#include <errno.h>
#include <stdlib.h>

static void rest(struct bo_closed *c, struct bo_closed_client *client)
{
	client->next = c->resting;
	c->resting = client;
}

int bo_closed_init(struct bo_closed *c, size_t clients, int64_t think_ns)
{
	*c = (struct bo_closed){ .think_ns = think_ns, .until_ns = INT64_MIN };
	if (!clients)
		return 0;
	c->clients = calloc(clients, sizeof(*c->clients));
	if (!c->clients)
		return -ENOMEM;
	c->len = clients;
	for (size_t i = 0; i < clients; i++)
		rest(c, &c->clients[i]);
	return 0;
}

void bo_closed_done(struct bo_closed *c)
{
	free(c->clients);
	*c = (struct bo_closed){ 0 };
}

/* The list of those who rest also holds those who wait for an answer: @asking of them are not free
 * yet. */
static size_t resting(const struct bo_closed *c)
{
	size_t n = 0;

	for (const struct bo_closed_client *i = c->resting; i; i = i->next)
		n++;
	return n;
}

static void think(struct bo_closed *c, int64_t at_ns)
{
	struct bo_closed_client *client = c->resting;

	c->resting = client->next;
	bo_deadline_set(&c->thinking, &client->think, at_ns, client);
}

void bo_closed_on(struct bo_closed *c, int64_t from_ns, int64_t until_ns)
{
	if (!c->len)
		return;
	c->until_ns = until_ns;
	for (size_t n = resting(c) - c->asking; n; n--)
		think(c, from_ns);
}

void bo_closed_off(struct bo_closed *c)
{
	c->until_ns = INT64_MIN;
	while (c->thinking.first) {
		struct bo_closed_client *client = c->thinking.first->owner;

		bo_deadline_cancel(&client->think);
		rest(c, client);
	}
}

int64_t bo_closed_next(const struct bo_closed *c)
{
	return bo_deadlines_next(&c->thinking);
}

void bo_closed_ask(struct bo_closed *c)
{
	struct bo_closed_client *client = c->thinking.first->owner;

	bo_deadline_cancel(&client->think);
	rest(c, client);
	c->asking++;
}

void bo_closed_answered(struct bo_closed *c, int64_t now_ns)
{
	if (!c->len)
		return;
	c->asking--;
	if (now_ns + c->think_ns < c->until_ns)
		think(c, now_ns + c->think_ns);
}
