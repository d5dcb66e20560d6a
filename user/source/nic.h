/* SPDX-License-Identifier: MIT */
/*
 * nic — what the kernel says about network interfaces: state, queues, addresses, who uses them.
 *
 * Asked by rtnetlink, generic netlink and ethtool in the network namespace of the calling thread.
 * /sys may show another namespace (only `ip netns exec` mounts it anew), so that it is believed
 * only where the interface's index and MAC address are the same there.
 *
 * Threads: any, at start; nothing is kept between calls.
 * Bounds:  NIC_ROWS interfaces, NIC_ADDRESSES addresses of each (more are counted); uppers in
 *          other namespaces are looked for in NIC_NAMESPACES of them, those where the process has
 *          CAP_NET_ADMIN.
 * Errors:  -ENODEV where there is no such interface, -E2BIG beyond NIC_ROWS, -EAGAIN where the
 *          interfaces changed again and again while they were read, else the kernel's errno.  What
 *          only some kernels or drivers tell stays 0, "" or `known` = false.
 */
#ifndef USER_SOURCE_NIC_H
#define USER_SOURCE_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NIC_ROWS       65536
#define NIC_ADDRESSES  16
#define NIC_NAMESPACES 1024

struct nic_address {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefix, scope;
	uint8_t at[16]; /* the first 4 where it is AF_INET */
};

/* XDP_ATTACHED_* of linux/if_link.h. */
enum nic_xdp {
	NIC_XDP_NONE,
	NIC_XDP_NATIVE,
	NIC_XDP_GENERIC,
	NIC_XDP_HARDWARE,
	NIC_XDP_SEVERAL,
};

/* What the driver can do with XDP; Linux 6.3 and newer tell. */
struct nic_features {
	bool known;
	bool basic; /* native XDP: pass, drop, aborted, tx */
	bool redirect, ndo_xmit, xsk_zerocopy, rx_sg;
	uint32_t zc_max_segs;
};

struct nic {
	char name[IFNAMSIZ];
	char kind[16]; /* IFLA_INFO_KIND: "veth", "bridge"; "" for most hardware */
	char driver[32];
	int ifindex;
	uint32_t mtu;
	uint16_t type; /* ARPHRD_* */
	uint8_t mac[6];
	bool up, running, loopback, promisc;
	bool lro, rx_vlan_strip, tx_vlan_insert;
	uint32_t rx_queues, tx_queues; /* in use */
	struct nic_features features;
	enum nic_xdp xdp; /* attached now */
	uint32_t xdp_program;

	/* The other end of a veth or netkit pair. */
	int peer;
	bool peer_elsewhere;      /* in another namespace: the index is one of there */
	char peer_name[IFNAMSIZ]; /* "" where it is elsewhere */
	bool peer_tx_vlan_insert;

	/* Who uses it. */
	int lower;          /* what it is itself upon, as a VLAN is */
	int32_t link_netns; /* of peer or lower; -1: this one */
	int master;
	char master_name[IFNAMSIZ];
	char upper[IFNAMSIZ], upper_kind[16]; /* the first found, "" for none */
	bool upper_elsewhere;
	bool routed; /* `route` goes through it: not a link-local one; the default route first */
	struct nic_address route;
	uint32_t nexthop; /* a next hop object through it, or 0 */
	bool pppoe;

	struct nic_address address[NIC_ADDRESSES];
	uint32_t n_addresses, more_addresses;
};

/* By name, or by one of the alternative names the kernel knows.  Cleared where it fails. */
int nic_read(struct nic *n, const char *name);
/* All, by index; *rows is the caller's to free. */
int nic_list(struct nic **rows, size_t *n);

/* 169.254.0.0/16 (RFC 3927 §2.1), fe80::/10 (RFC 4291 §2.4) or a part of them. */
bool nic_link_local(const struct nic_address *a);

#endif
