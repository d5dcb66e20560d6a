/* SPDX-License-Identifier: MIT */
/* tap — see tap.h. */
#include "user/source/tap.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <arpa/inet.h>
#include <unistd.h>

#include "user/base/clock.h"

#ifndef PACKET_FANOUT_FLAG_IGNORE_OUTGOING /* younger than Debian 12's headers */
#define PACKET_FANOUT_FLAG_IGNORE_OUTGOING 0x4000
#endif

#define VLAN_BYTES 4U /* room before a frame, to put a stripped tag back */

static struct tpacket_block_desc *block_of(const struct tap_ring *r, uint32_t i)
{
	return (struct tpacket_block_desc *)(r->base + (size_t)i * TAP_BLOCK);
}

static int set(int fd, int option, const void *value, socklen_t len)
{
	return setsockopt(fd, SOL_PACKET, option, value, len) < 0 ? -errno : 0;
}

int tap_open(struct tap_ring *r, uint8_t *area, uint32_t at, uint32_t bytes, uint32_t timeout_ms)
{
	struct tpacket_req3 req = {
		.tp_block_size = TAP_BLOCK,
		.tp_frame_size = 2048, /* unused by V3, but it must divide the block */
		.tp_block_nr = bytes / TAP_BLOCK,
		.tp_frame_nr = bytes / 2048,
		.tp_retire_blk_tov = timeout_ms,
	};
	int version = TPACKET_V3, reserve = VLAN_BYTES, err;
	void *base;

	*r = (struct tap_ring){.at = at, .blocks = req.tp_block_nr};
	/* Protocol 0: nothing comes in before it is bound, and then nothing before tap_begin: until
	 * all have joined, each would get every packet. */
	r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0)
		return -errno;
	tap_stop(r);
	err = set(r->fd, PACKET_VERSION, &version, sizeof(version));
	if (err == 0)
		err = set(r->fd, PACKET_RESERVE, &reserve, sizeof(reserve));
	if (err == 0)
		err = set(r->fd, PACKET_RX_RING, &req, sizeof(req));
	if (err == 0) {
		base = mmap(area + at, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED | MAP_POPULATE, r->fd, 0);
		if (base == MAP_FAILED)
			err = -errno;
		else
			r->base = base;
	}
	if (err < 0)
		tap_close(r);
	return err;
}

int tap_join(struct tap_ring *r, int ifindex, uint16_t *group, int prog, bool promisc,
	     bool incoming_only)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
	struct packet_mreq all = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};
	/* The socket's own option ends where the group begins: that has a flag of its own. */
	int flags = incoming_only ? PACKET_FANOUT_FLAG_IGNORE_OUTGOING : 0;
	int fanout, one = 1, err = 0;
	socklen_t len = sizeof(fanout);

	/* A number that nobody else has is the kernel's to find. */
	if (prog >= 0)
		flags |= PACKET_FANOUT_FLAG_UNIQUEID;
	fanout = (int)((prog >= 0 ? 0U : *group) | (unsigned)(PACKET_FANOUT_EBPF | flags) << 16);

	if (incoming_only)
		err = set(r->fd, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	if (err == 0 && promisc)
		err = set(r->fd, PACKET_ADD_MEMBERSHIP, &all, sizeof(all));
	if (err == 0 && bind(r->fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		err = -errno;
	if (err == 0)
		err = set(r->fd, PACKET_FANOUT, &fanout, sizeof(fanout));
	if (err == 0 && prog >= 0)
		err = set(r->fd, PACKET_FANOUT_DATA, &prog, sizeof(prog));
	if (err == 0 && prog >= 0) {
		if (getsockopt(r->fd, SOL_PACKET, PACKET_FANOUT, &fanout, &len) < 0)
			err = -errno;
		*group = (uint16_t)fanout;
	}
	return err;
}

int tap_begin(struct tap_ring *r, int prog)
{
	int unused = 0, rc;

	if (prog >= 0)
		rc = setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog));
	else
		rc = setsockopt(r->fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused));
	return rc < 0 ? -errno : 0;
}

void tap_close(struct tap_ring *r)
{
	/* The mapping is part of the caller's, and goes with it. */
	if (r->fd >= 0)
		close(r->fd);
	*r = (struct tap_ring){.fd = -1};
}

void tap_stop(struct tap_ring *r)
{
	struct sock_filter none = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &none};

	setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

/* The tag that the kernel took out of the frame goes back where it was on the wire. */
static void put_tag_back(struct tpacket3_hdr *h, struct frame *f)
{
	uint8_t *mac = (uint8_t *)h + h->tp_mac;
	uint16_t type = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid : 0x8100;
	uint16_t tag[2] = {htons(type), htons((uint16_t)h->hv1.tp_vlan_tci)};

	if (f->caplen < 12)
		return;
	memmove(mac - VLAN_BYTES, mac, 12);
	memcpy(mac + 12 - VLAN_BYTES, tag, VLAN_BYTES);
	f->at -= VLAN_BYTES;
	f->caplen += VLAN_BYTES;
	f->len += VLAN_BYTES;
}

static void next_block(struct tap_ring *r)
{
	r->block = (r->block + 1) % r->blocks;
	r->held++;
}

bool tap_peek(struct tap_ring *r)
{
	struct tpacket3_hdr *h;

	if (r->head)
		return true;
	while (r->left == 0) {
		const struct tpacket_block_desc *b = block_of(r, r->block);

		if (r->held == r->blocks)
			return false;
		/* pairs with the kernel's barrier: the frames were written before the status */
		if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return false;
		r->left = b->hdr.bh1.num_pkts;
		r->next = r->block * TAP_BLOCK + b->hdr.bh1.offset_to_first_pkt;
		if (r->left == 0) /* retired by its timer, empty */
			next_block(r);
	}
	h = (struct tpacket3_hdr *)(r->base + r->next);
	r->frame = (struct frame){
		.ts_ns = h->tp_sec * NS_PER_S + h->tp_nsec,
		.at = r->at + r->next + h->tp_mac,
		.caplen = h->tp_snaplen,
		.len = h->tp_len,
		.flags = h->tp_status & TP_STATUS_CSUMNOTREADY ? FRAME_PARTIAL_SUM : 0,
	};
	if (h->tp_status & TP_STATUS_VLAN_VALID)
		put_tag_back(h, &r->frame);
	r->next += h->tp_next_offset;
	if (--r->left == 0)
		next_block(r);
	r->head = true;
	return true;
}

void tap_release(struct tap_ring *r)
{
	/* A frame that was only looked at keeps its block, were it the last one there. */
	uint32_t keep = r->head && r->left == 0;

	for (; r->held > keep; r->held--, r->first = (r->first + 1) % r->blocks)
		/* pairs with the kernel's look at it: our reads are over */
		__atomic_store_n(&block_of(r, r->first)->hdr.bh1.block_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
}

uint32_t tap_waiting(const struct tap_ring *r)
{
	uint32_t n = 0, end = r->blocks - r->held;

	/* The kernel fills them in order: those that wait are the first of the rest. */
	while (n < end) {
		uint32_t middle = n + (end - n) / 2;
		const struct tpacket_block_desc *b = block_of(r, (r->block + middle) % r->blocks);

		if (__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_RELAXED) & TP_STATUS_USER)
			n = middle + 1;
		else
			end = middle;
	}
	return n;
}

void tap_read_counters(struct tap_ring *r)
{
	struct tpacket_stats_v3 st;
	socklen_t len = sizeof(st);

	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len) < 0)
		return;
	r->kernel_packets += st.tp_packets;
	r->kernel_drops += st.tp_drops;
}
