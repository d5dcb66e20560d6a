/* SPDX-License-Identifier: MIT */
/* xsk — see xsk.h. */
#include "user/source/xsk.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "bpf/wire.h"

/* Debian 12's headers are older than multi-buffer (Linux 6.6). */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

#define RX_MAX 32768U

int xsk_queue_open(struct xsk_queue *q, uint8_t *area, uint32_t at, uint32_t buffers,
		   uint32_t buffer_bytes, uint32_t id)
{
	struct xsk_umem_config conf = {
		/* Twice: the kernel shows frames before it shows that their buffers are taken. */
		.fill_size = 2 * buffers,
		.comp_size = 64,
		.frame_size = buffer_bytes,
	};
	uint32_t index;
	int err;

	*q = (struct xsk_queue){
		.id = id, .area = area, .at = at, .buffers = buffers, .buffer_bytes = buffer_bytes};
	err = xsk_umem__create(&q->umem, area + at, (uint64_t)buffers * buffer_bytes, &q->fill,
			       &q->done, &conf);
	if (err < 0)
		return err;
	pthread_spin_init(&q->lock, PTHREAD_PROCESS_PRIVATE);
	q->locked = true;
	if (xsk_ring_prod__reserve(&q->fill, buffers, &index) != buffers)
		return -ENOBUFS;
	for (uint32_t i = 0; i < buffers; i++)
		*xsk_ring_prod__fill_addr(&q->fill, index + i) = (uint64_t)i * buffer_bytes;
	xsk_ring_prod__submit(&q->fill, buffers);
	return 0;
}

void xsk_queue_close(struct xsk_queue *q)
{
	if (q->umem)
		xsk_umem__delete(q->umem);
	if (q->locked)
		pthread_spin_destroy(&q->lock);
	*q = (struct xsk_queue){0};
}

static int open_with(struct xsk_ring *r, const struct xsk_want *want, uint16_t bind_flags)
{
	struct xsk_queue *q = r->queue;
	struct xsk_socket_config conf = {
		.rx_size = q->buffers < RX_MAX ? q->buffers : RX_MAX,
		.libbpf_flags = XSK_LIBBPF_FLAGS__INHIBIT_PROG_LOAD,
		.xdp_flags = want->native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
		.bind_flags = (uint16_t)(bind_flags | XDP_USE_NEED_WAKEUP |
					 (want->frags ? XDP_USE_SG : 0)),
	};
	int err = 0;

	/* A queue is free again some milliseconds after who had it is gone. */
	for (int tries = 0; tries < 600; tries++) {
		err = xsk_socket__create_shared(&r->socket, want->iface, q->id, q->umem, &r->rx,
						NULL, &q->fill, &q->done, &conf);
		if (err != -EBUSY)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	if (err < 0)
		r->socket = NULL;
	return err;
}

int xsk_ring_open(struct xsk_ring *r, struct xsk_queue *q, const struct xsk_want *want)
{
	int err = -EOPNOTSUPP;

	*r = (struct xsk_ring){.queue = q};
	if (want->native)
		err = open_with(r, want, XDP_ZEROCOPY);
	if (err < 0 && err != -EBUSY)
		err = open_with(r, want, XDP_COPY);
	return err;
}

void xsk_ring_close(struct xsk_ring *r)
{
	if (r->socket)
		xsk_socket__delete(r->socket);
	r->socket = NULL;
}

/* Where a descriptor's bytes begin in the mapping. */
static uint32_t place_of(const struct xsk_ring *r, const struct xdp_desc *d)
{
	return r->queue->at + (uint32_t)d->addr;
}

static bool read_meta(const struct xsk_ring *r, const struct xdp_desc *d, struct rm_meta *meta)
{
	uint32_t into = (uint32_t)d->addr & (r->queue->buffer_bytes - 1);

	if (into < sizeof(*meta))
		return false;
	memcpy(meta, r->queue->area + place_of(r, d) - sizeof(*meta), sizeof(*meta));
	return meta->magic == RM_META_MAGIC;
}

bool xsk_peek(struct xsk_ring *r)
{
	struct rm_meta meta;

	if (r->head)
		return true;
	if (r->back + XSK_MAX_DESCS > XSK_BACK)
		return false;
	r->waiting = xsk_cons_nb_avail(&r->rx, r->rx.size);
	if (xsk_ring_cons__peek(&r->rx, 1, &r->index) == 0)
		return false;
	r->head = true;
	r->ts_ns = read_meta(r, xsk_ring_cons__rx_desc(&r->rx, r->index), &meta) ? meta.time_ns : 0;
	return true;
}

/* The pieces of a frame behind one another. */
static bool join(struct xsk_ring *r, struct block *b, struct frame *f, uint32_t pieces)
{
	uint8_t *at = block_append(b, f->caplen);

	if (!at)
		return false;
	f->at = (uint32_t)(at - b->buf);
	for (uint32_t i = 0; i < pieces; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&r->rx, r->index + i);

		memcpy(at, b->buf + place_of(r, d), d->len);
		at += d->len;
	}
	return true;
}

bool xsk_take(struct xsk_ring *r, struct block *b, struct frame *f)
{
	const struct xdp_desc *d = xsk_ring_cons__rx_desc(&r->rx, r->index);
	uint32_t pieces = 1, first = r->index, more;
	struct rm_meta meta;

	*f = (struct frame){.at = place_of(r, d), .caplen = d->len};
	f->len = read_meta(r, d, &meta) ? meta.len : 0;
	while (d->options & XDP_PKT_CONTD) {
		/* The kernel shows a frame's descriptors all at once. */
		if (pieces == XSK_MAX_DESCS || xsk_ring_cons__peek(&r->rx, 1, &more) == 0)
			break;
		d = xsk_ring_cons__rx_desc(&r->rx, more);
		f->caplen += d->len;
		pieces++;
	}
	if (pieces > 1 && !join(r, b, f, pieces)) {
		xsk_ring_cons__cancel(&r->rx, pieces - 1);
		return false;
	}
	if (f->len < f->caplen)
		f->len = f->caplen;
	for (uint32_t i = 0; i < pieces; i++) {
		uint64_t addr = xsk_ring_cons__rx_desc(&r->rx, first + i)->addr;

		r->addr[r->back++] = addr - addr % r->queue->buffer_bytes;
	}
	r->head = false;
	return true;
}

void xsk_release(struct xsk_ring *r)
{
	struct xsk_queue *q = r->queue;
	uint32_t index;

	if (r->back == 0)
		return;
	pthread_spin_lock(&q->lock);
	/* There is always room: the ring holds more than there are buffers. */
	if (xsk_ring_prod__reserve(&q->fill, r->back, &index) == r->back) {
		for (uint32_t i = 0; i < r->back; i++)
			*xsk_ring_prod__fill_addr(&q->fill, index + i) = r->addr[i];
		xsk_ring_prod__submit(&q->fill, r->back);
		xsk_ring_cons__release(&r->rx, r->back);
		r->back = 0;
	}
	pthread_spin_unlock(&q->lock);
	/* A driver that stopped for want of buffers goes on only when told. */
	xsk_kick(r);
}

void xsk_kick(struct xsk_ring *r)
{
	if (xsk_ring_prod__needs_wakeup(&r->queue->fill))
		recvfrom(xsk_socket__fd(r->socket), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

void xsk_read_counters(const struct xsk_ring *r, struct xsk_losses *out)
{
	struct xdp_statistics st = {0};
	socklen_t len = sizeof(st);

	getsockopt(xsk_socket__fd(r->socket), SOL_XDP, XDP_STATISTICS, &st, &len);
	*out = (struct xsk_losses){
		.dropped = st.rx_dropped,
		.ring_full = st.rx_ring_full,
		.fill_empty = st.rx_fill_ring_empty_descs,
	};
}
