/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * wire — all that kernel programs and user space must agree on: why a packet was lost, and the
 * hash that steers it.  The only header both sides include; it has no state and allocates nothing.
 *
 * Kernel side: include "vmlinux.h" first.  User side: <linux/types.h> is taken from here.
 */
#ifndef RM_WIRE_H
#define RM_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * Every way to lose a frame, in one list: X(NAME, json name, help).  A new way is a new row.
 * A frame is credited to a flow, or counted as `other`, or dropped for exactly one of these.
 */
#define RM_DROPS(X)                                                                             \
	X(FILTERED, "filtered", "rejected by --capture-filter")                                 \
	X(LINK_UNSUPPORTED, "link_unsupported", "link type that is not decoded")                \
	X(LINK_HEADER, "link_header", "frame ends inside its link-layer header")                \
	X(LINK_ENCRYPTED, "link_encrypted", "802.11 frame with protected body")                 \
	X(IPV4_HEADER, "ipv4_header", "IPv4 header cut short or impossible")                    \
	X(IPV6_HEADER, "ipv6_header", "IPv6 header or extension chain cut short or impossible") \
	X(DEPTH, "depth", "more nested layers than --max-layers")                               \
	X(TCP_HEADER, "tcp_header", "TCP header cut short or impossible")                       \
	X(UDP_HEADER, "udp_header", "UDP header cut short or impossible")                       \
	X(SCTP_HEADER, "sctp_header", "SCTP header cut short")                                  \
	X(CHECKSUM, "checksum", "bad checksum, with --checksum-validation drop")                \
	X(FRAGMENT_INCOMPLETE, "fragment_incomplete", "fragment of a datagram never completed") \
	X(FRAGMENT_INVALID, "fragment_invalid", "fragment that no datagram can hold")           \
	X(FRAGMENT_CAP, "fragment_cap", "no room to reassemble fragments")                      \
	X(INTERFACE_CAP, "interface_cap", "more capture interfaces than can be told apart")     \
	X(HANDOVER, "handover", "ring to the worker that owns the flow was full")               \
	X(FLOW_CAP, "flow_cap", "flow table full and nothing to evict")

#define RM_DROP_ENUM(name, json, help) RM_DROP_##name,
enum rm_drop { RM_KEEP = 0, RM_DROPS(RM_DROP_ENUM) RM_DROP_MAX };
#undef RM_DROP_ENUM

/* Secret of one run: nobody outside can choose packets that collide.  Tests fix it. */
struct rm_hash_key {
	__u64 word[10];
};

/*
 * A conversation's endpoints in canonical order, as they lie in the packet (network byte order).
 * IPv4 addresses stand in word 3, words 0..2 are zero.
 */
struct rm_tuple {
	__u32 lo[4], hi[4];
	__u32 ports; /* lo port in the upper half, hi port in the lower */
	__u32 proto;
};

/* What XDP writes before each frame that it hands to a socket; the time is CLOCK_MONOTONIC. */
#define RM_META_MAGIC 0x726d7864U
struct rm_meta {
	__u32 magic;
	__u32 len; /* on the wire */
	__u64 hash;
	__u64 time_ns;
};

/*
 * What became of a frame in the kernel, each in exactly one row: X(NAME, json name, help).  The
 * rows of one interface lie in a per-CPU array.
 */
#define RM_KERNEL_COUNTS(X)                                                    \
	X(DELIVERED, "delivered", "handed to a socket, in full")               \
	X(CUT, "cut", "handed to a socket, cut by offload")                    \
	X(COUNTED, "counted", "counted by offload, not handed on")             \
	X(FILTERED, "filtered", "rejected by --capture-filter in the kernel")  \
	X(FILTERED_SELF, "filtered_self", "of the sensor's own connections")   \
	X(NO_SOCKET, "no_socket", "no socket for its queue: left to the host") \
	X(CLONE_FAILED, "clone_failed", "mirror: the copy could not be made or handed over")

#define RM_KERNEL_ENUM(name, json, help) RM_KERNEL_##name,
enum rm_kernel_count { RM_KERNEL_COUNTS(RM_KERNEL_ENUM) RM_KERNEL_MAX };
#undef RM_KERNEL_ENUM

/*
 * Offload: what the kernel does with further packets of one direction of a flow.  SYN, FIN and RST
 * always pass.  User space writes the verdicts, the kernel the rows that they name; and a SYN takes
 * a verdict back at once, for what follows may be another connection.
 */
enum rm_offload {
	RM_FULL,  /* handed on as they are */
	RM_CUT,   /* without all but the first RM_CUT_BYTES of their payload */
	RM_COUNT, /* counted in their row, and not handed on */
};

#define RM_CUT_BYTES 24

struct rm_flow_id {
	struct rm_tuple tuple;
	__u32 layers; /* IP headers; IPv6 where bit 8 is set */
	__u32 pad;
};

struct rm_verdict {
	__u32 row;
	__u8 what[2]; /* enum rm_offload, of packets from the lower and the higher endpoint */
	__u16 pad;
};

/* Only ever counted up; a new user of a row remembers what it found there. */
struct rm_offload_row {
	__u64 packets[2], bytes[2], payload_bytes[2];
	__u64 last_ns[2]; /* CLOCK_MONOTONIC */
};

_Static_assert(sizeof(struct rm_meta) == 24, "a multiple of 4, at most 32: bpf_xdp_adjust_meta");
_Static_assert(sizeof(struct rm_hash_key) == 80, "shared with BPF");
_Static_assert(sizeof(struct rm_flow_id) == 48, "a map's key: no hidden padding");
_Static_assert(sizeof(struct rm_verdict) == 8, "a map's value");
_Static_assert(sizeof(struct rm_offload_row) == 64, "a cache line");
_Static_assert(sizeof(struct rm_tuple) == 40, "shared with BPF");

/*
 * The canonical flow hash: sums of products of 32-bit words, each under its own 64-bit secret, so
 * that no input collides under every key.  The upper half steers (rm_steer), the lower half finds
 * the bucket.  Only 64-bit add, multiply, xor and shift: the same in BPF.  6 ns on one core.
 */
static inline __u64 rm_flow_hash(const struct rm_hash_key *k, const struct rm_tuple *t)
{
	__u64 h = (k->word[0] + t->lo[3]) * (k->word[1] + t->hi[3]) +
		  (k->word[2] + t->ports) * (k->word[3] + t->proto);

	if (t->lo[0] | t->lo[1] | t->lo[2] | t->hi[0] | t->hi[1] | t->hi[2])
		h += (k->word[4] + t->lo[0]) * (k->word[5] + t->hi[0]) +
		     (k->word[6] + t->lo[1]) * (k->word[7] + t->hi[1]) +
		     (k->word[8] + t->lo[2]) * (k->word[9] + t->hi[2]);
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15ULL;
	h ^= h >> 32;
	return h;
}

/* Which of `workers` owns the flow. */
static inline __u32 rm_steer(__u64 hash, __u32 workers)
{
	return (__u32)(((hash >> 32) * workers) >> 32);
}

#endif
