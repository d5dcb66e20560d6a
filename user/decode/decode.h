/* SPDX-License-Identifier: MIT */
/*
 * decode — frames to packets: link layers, tunnels, IP, fragments, TCP/UDP/ICMP/SCTP headers.
 *
 * The innermost IP layer names the flow.  Where what a tunnel carries is no IP, or damaged before
 * an IP header could be read, the packet belongs to the tunnel's own flow.
 *
 * Owner:   one decoder per worker; the defragmenter is shared and used in block order only.
 * Bounds:  conf.max_layers headers per frame; the defragmenter has its own caps (defrag.h).
 * Errors:  none: every frame gets a verdict, every drop a reason.
 */
#ifndef USER_DECODE_DECODE_H
#define USER_DECODE_DECODE_H

#include "user/decode/defrag.h"
#include "user/decode/packet.h"
#include "user/source/block.h"

enum checksum_mode { CHECKSUM_COUNT, CHECKSUM_DROP, CHECKSUM_OFF };

struct decode_conf {
	struct rm_hash_key key;
	enum checksum_mode checksum;
	uint32_t max_layers;
	bool walk_always; /* for tests: never take the short cut for usual frames */
};

/* What was seen, in EVE's names where EVE has one: X(name). */
#define DECODE_COUNTS(X)           \
	X(pkts)                    \
	X(bytes)                   \
	X(ethernet)                \
	X(sll)                     \
	X(sll2)                    \
	X(raw)                     \
	X(null)                    \
	X(ppp)                     \
	X(chdlc)                   \
	X(frame_relay)             \
	X(ieee80211)               \
	X(nflog)                   \
	X(pktap)                   \
	X(vlan)                    \
	X(vlan_qinq)               \
	X(vntag)                   \
	X(mpls)                    \
	X(pppoe)                   \
	X(arp)                     \
	X(unknown_ethertype)       \
	X(ipv4)                    \
	X(ipv6)                    \
	X(ipv4_fragments)          \
	X(ipv6_fragments)          \
	X(datagrams_reassembled)   \
	X(fragment_overlaps)       \
	X(fragment_conflicts)      \
	X(tcp)                     \
	X(udp)                     \
	X(icmpv4)                  \
	X(icmpv6)                  \
	X(sctp)                    \
	X(ah)                      \
	X(esp)                     \
	X(gre)                     \
	X(erspan)                  \
	X(ipip)                    \
	X(vxlan)                   \
	X(geneve)                  \
	X(gtp)                     \
	X(teredo)                  \
	X(ayiya)                   \
	X(l2tp)                    \
	X(snaplen_cut)             \
	X(ip_length_zero)          \
	X(ip_length_exceeds_frame) \
	X(ipv4_bad_checksum)       \
	X(tcp_bad_checksum)        \
	X(udp_bad_checksum)        \
	X(icmp_bad_checksum)

struct decode_counts {
#define DECODE_MEMBER(name) uint64_t name;
	DECODE_COUNTS(DECODE_MEMBER)
#undef DECODE_MEMBER
};

/* One fragment met while decoding a block, to be settled in capture order. */
struct fragment_note {
	uint32_t index; /* of the frame */
	/* places in block.buf: header of IP, its payload (IPv6: the fragment header), its captured
	 * end */
	uint32_t l3, l4, end;
	uint32_t true_len; /* payload by header */
	uint8_t depth, ip_layers;
};

struct decoder {
	const struct decode_conf *conf;
	struct decode_counts counts;
	struct fragment_note *note;
	uint32_t notes;
	struct slots mem;
};

int decoder_open(struct decoder *d, const struct decode_conf *conf);
void decoder_close(struct decoder *d);

/* Starts a block: no packets yet. */
void decode_begin(struct decoder *d, struct packets *p);

/* Decodes frame i of the block.  Fragments get VERDICT_HELD and wait in d->note. */
void decode_frame(struct decoder *d, struct block *b, const struct iface *iface, struct packets *p,
		  uint32_t i);

/* Of which datagram it is. */
void decode_fragment_key(struct fragment_key *key, const struct block *b,
			 const struct fragment_note *n);

/* Settles the block's fragments, in the order of blocks: datagrams that are now whole become
 * packets of the frame that completed them. */
void decode_fragments(struct decoder *d, struct defrag *defrag, struct block *b, struct packets *p);

#endif
