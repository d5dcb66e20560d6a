/* SPDX-License-Identifier: MIT */
/* watch — see watch.h. */
#include "user/watch.h"

#include <errno.h>
#include <stdlib.h>

#include "user/shard.h"
#include "user/tell.h"

int watch_open(struct shard *s)
{
	const struct messages_conf conf = {
		.total = WATCH_MESSAGES, .per_stream = WATCH_MESSAGES, .streams = 1};
	struct watch *w = &s->watch;

	w->on = s->conf->show || s->conf->follow;
	if (!w->on)
		return 0;
	w->id = s->conf->watched;
	w->match = calloc(WATCH_MATCHES, sizeof(*w->match));
	return w->match ? messages_open(&w->messages, &conf) : -ENOMEM;
}

void watch_close(struct shard *s)
{
	messages_close(&s->watch.messages);
	free(s->watch.match);
}

bool watch_is(const struct shard *s, uint32_t slot)
{
	return s->watch.on && s->inventory.more[slot].id == s->watch.id;
}

static uint8_t client_dir(const struct shard *s, uint32_t slot)
{
	return inventory_at(&s->inventory, slot)->flags & STREAM_CLIENT_HI ? 1 : 0;
}

void watch_http(struct shard *s, const struct http1_transaction *t, uint32_t slot)
{
	struct message m;

	for (uint8_t side = 0; side < 2; side++)
		if (tell_http_message(t, side, client_dir(s, slot), &m))
			messages_add(&s->watch.messages, 0, &m);
}

void watch_websocket(struct shard *s, const struct websocket_message *w)
{
	struct message m;

	tell_websocket_message(w, &m);
	messages_add(&s->watch.messages, 0, &m);
}

void watch_match(struct shard *s, const struct scan_match *m)
{
	struct watch *w = &s->watch;

	if (w->matches == WATCH_MATCHES) {
		w->missed++;
		return;
	}
	w->match[w->matches++] = (struct watch_match){
		.from = m->from, .to = m->to, .name = m->pattern->name, .dir = m->row & 1};
}

void watch_flow(struct shard *s, uint32_t slot)
{
	struct watch *w = &s->watch;
	const struct flow *f = &s->flows.flow[slot];
	const struct tcp_conn *c = &s->tcp.conn[slot];

	w->found = true;
	if (f->proto == 6)
		w->view = content_view(&s->content, slot, c->dir[0].off, c->dir[1].off);
	else
		w->view = content_view(&s->content, slot, f->payload_bytes[0], f->payload_bytes[1]);
	flow_key_at(&s->flows, slot, &w->key);
	w->client_hi = client_dir(s, slot);
	w->service = inventory_at(&s->inventory, slot)->service;
	w->first_ns = s->inventory.more[slot].first_ns;
	w->last_ns = f->last_ns;
	w->packets = f->packets[0] + f->packets[1];
}
