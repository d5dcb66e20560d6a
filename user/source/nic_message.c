/* SPDX-License-Identifier: MIT */
/* nic_message — see nic_message.h. */
#include "user/source/nic_message.h"

#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "user/source/netlink.h"

#define PPPOE_LINE 128 /* id, MAC address and name take 50 */

/* The other end of such a pair is no user of this end. */
static bool is_pair(const char *kind)
{
	return strcmp(kind, "veth") == 0 || strcmp(kind, "netkit") == 0 ||
	       strcmp(kind, "vxcan") == 0;
}

static void read_kind(struct span rest, struct nic *n)
{
	struct netlink_attr a;

	while (netlink_attr_next(&rest, &a))
		if (a.type == IFLA_INFO_KIND)
			netlink_text(&a, n->kind, sizeof(n->kind));
}

static void read_xdp(struct span rest, struct nic *n)
{
	uint32_t by_mode = 0;
	struct netlink_attr a;

	while (netlink_attr_next(&rest, &a)) {
		if (a.type == IFLA_XDP_ATTACHED && netlink_u8(&a) <= NIC_XDP_SEVERAL)
			n->xdp = (enum nic_xdp)netlink_u8(&a);
		else if (a.type == IFLA_XDP_PROG_ID)
			n->xdp_program = netlink_u32(&a);
		else if (a.type >= IFLA_XDP_DRV_PROG_ID && a.type <= IFLA_XDP_HW_PROG_ID &&
			 by_mode == 0)
			by_mode = netlink_u32(&a);
	}
	if (n->xdp_program == 0)
		n->xdp_program = by_mode;
}

static void read_link_attr(const struct netlink_attr *a, struct nic *n, int *link)
{
	switch (a->type) {
	case IFLA_IFNAME:
		netlink_text(a, n->name, sizeof(n->name));
		break;
	case IFLA_ADDRESS:
		if (span_len(a->value) == sizeof(n->mac))
			memcpy(n->mac, a->value.at, sizeof(n->mac));
		break;
	case IFLA_MTU:
		n->mtu = netlink_u32(a);
		break;
	case IFLA_LINK:
		*link = (int)netlink_u32(a);
		break;
	case IFLA_LINK_NETNSID:
		n->link_netns = (int32_t)netlink_u32(a);
		break;
	case IFLA_MASTER:
		n->master = (int)netlink_u32(a);
		break;
	case IFLA_PROMISCUITY:
		n->promisc |= netlink_u32(a) > 0;
		break;
	case IFLA_NUM_RX_QUEUES:
		n->rx_queues = netlink_u32(a);
		break;
	case IFLA_NUM_TX_QUEUES:
		n->tx_queues = netlink_u32(a);
		break;
	case IFLA_LINKINFO:
		read_kind(a->value, n);
		break;
	case IFLA_XDP:
		read_xdp(a->value, n);
		break;
	default:
		break;
	}
}

bool nic_message_link(struct span body, struct nic *n)
{
	struct ifinfomsg head;
	struct netlink_attr a;
	int link = 0;

	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	*n = (struct nic){.ifindex = head.ifi_index,
			  .type = head.ifi_type,
			  .up = (head.ifi_flags & IFF_UP) != 0,
			  .running = (head.ifi_flags & IFF_RUNNING) != 0,
			  .loopback = (head.ifi_flags & IFF_LOOPBACK) != 0,
			  .promisc = (head.ifi_flags & IFF_PROMISC) != 0,
			  .link_netns = -1};
	while (netlink_attr_next(&body, &a))
		read_link_attr(&a, n, &link);
	if (is_pair(n->kind)) {
		n->peer = link;
		n->peer_elsewhere = n->link_netns >= 0;
	} else {
		n->lower = link;
	}
	return n->ifindex > 0 && n->name[0] != '\0';
}

static size_t address_bytes(uint8_t family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* Bits of an address of that family. */
static uint8_t prefix_of(uint8_t family, uint8_t prefix)
{
	size_t bits = 8 * address_bytes(family);

	return prefix < bits ? prefix : (uint8_t)bits;
}

bool nic_message_address(struct span body, struct nic_address *a, int *ifindex)
{
	bool local = false, any = false;
	struct ifaddrmsg head;
	struct netlink_attr attr;

	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	*a = (struct nic_address){.family = head.ifa_family,
				  .prefix = prefix_of(head.ifa_family, head.ifa_prefixlen),
				  .scope = head.ifa_scope};
	*ifindex = (int)head.ifa_index;
	while (netlink_attr_next(&body, &attr)) {
		size_t n = address_bytes(a->family);

		/* On a point-to-point link IFA_ADDRESS is the peer's. */
		if ((attr.type == IFA_LOCAL || (attr.type == IFA_ADDRESS && !local)) && n > 0 &&
		    span_len(attr.value) == n) {
			memcpy(a->at, attr.value.at, n);
			local |= attr.type == IFA_LOCAL;
			any = true;
		}
	}
	return any && *ifindex > 0;
}

/* ff00::/8: each interface with IPv6 has that route. */
static bool multicast6(const struct nic_address *a)
{
	return a->family == AF_INET6 && a->prefix >= 8 && a->at[0] == 0xff;
}

bool nic_message_route(struct span body, struct nic_route *r)
{
	bool gateway = false;
	struct netlink_attr a;
	struct rtmsg head;

	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	*r = (struct nic_route){
		.to = {.family = head.rtm_family,
		       .prefix = prefix_of(head.rtm_family, head.rtm_dst_len),
		       .scope = head.rtm_scope},
		.cached = (head.rtm_flags & RTM_F_CLONED) != 0,
		.hops = span_of(body.at, 0),
	};
	while (netlink_attr_next(&body, &a)) {
		if (a.type == RTA_DST && span_len(a.value) == address_bytes(r->to.family))
			memcpy(r->to.at, a.value.at, span_len(a.value));
		else if (a.type == RTA_OIF)
			r->through[0] = netlink_u32(&a);
		else if (a.type == RTA_IIF)
			r->through[1] = netlink_u32(&a);
		else if (a.type == RTA_GATEWAY || a.type == RTA_VIA)
			gateway = true;
		else if (a.type == RTA_MULTIPATH)
			r->hops = a.value;
	}
	r->link_local = !gateway && (nic_link_local(&r->to) || multicast6(&r->to));
	return true;
}

static bool hop_next(struct span *hops, int *ifindex)
{
	struct rtnexthop hop;
	size_t padded;

	if (span_len(*hops) < sizeof(hop))
		return false;
	memcpy(&hop, hops->at, sizeof(hop));
	if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > span_len(*hops))
		return false;
	padded = RTNH_ALIGN((size_t)hop.rtnh_len);
	hops->at += padded < span_len(*hops) ? padded : span_len(*hops);
	*ifindex = hop.rtnh_ifindex;
	return true;
}

bool nic_route_through(struct nic_route *r, int *ifindex)
{
	for (size_t i = 0; i < 2; i++) {
		*ifindex = (int)r->through[i];
		r->through[i] = 0;
		if (*ifindex != 0)
			return true;
	}
	return hop_next(&r->hops, ifindex);
}

bool nic_message_nexthop(struct span body, uint32_t *id, int *ifindex)
{
	struct netlink_attr a;
	struct nhmsg head;

	*id = 0;
	*ifindex = 0;
	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	while (netlink_attr_next(&body, &a)) {
		if (a.type == NHA_ID)
			*id = netlink_u32(&a);
		else if (a.type == NHA_OIF)
			*ifindex = (int)netlink_u32(&a);
	}
	return *id != 0 && *ifindex > 0;
}

bool nic_message_namespace(struct span body, int32_t *id)
{
	struct netlink_attr a;
	struct rtgenmsg head;

	*id = -1;
	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	while (netlink_attr_next(&body, &a))
		if (a.type == NETNSA_NSID && span_len(a.value) >= sizeof(*id))
			*id = (int32_t)netlink_u32(&a);
	return true;
}

bool nic_message_family(struct span body, uint16_t *id)
{
	struct genlmsghdr head;
	struct netlink_attr a;

	*id = 0;
	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	while (netlink_attr_next(&body, &a))
		if (a.type == CTRL_ATTR_FAMILY_ID)
			*id = netlink_u16(&a);
	return *id != 0;
}

bool nic_message_features(struct span body, struct nic_features *f, int *ifindex)
{
	struct genlmsghdr head;
	struct netlink_attr a;
	uint64_t bits = 0;

	*f = (struct nic_features){.known = false};
	*ifindex = 0;
	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	while (netlink_attr_next(&body, &a)) {
		if (a.type == NETDEV_ATTR_IFINDEX) {
			*ifindex = (int)netlink_u32(&a);
		} else if (a.type == NETDEV_ATTR_XDP_FEATURES && span_len(a.value) >= 8) {
			bits = netlink_u64(&a);
			f->known = true;
		} else if (a.type == NETDEV_ATTR_XDP_ZC_MAX_SEGS) {
			f->zc_max_segs = netlink_u32(&a);
		}
	}
	f->basic = (bits & NETDEV_BIT_BASIC) != 0;
	f->redirect = (bits & NETDEV_BIT_REDIRECT) != 0;
	f->ndo_xmit = (bits & NETDEV_BIT_NDO_XMIT) != 0;
	f->xsk_zerocopy = (bits & NETDEV_BIT_XSK_ZEROCOPY) != 0;
	f->rx_sg = (bits & NETDEV_BIT_RX_SG) != 0;
	return f->known && *ifindex > 0;
}

bool nic_message_queue(struct span body, bool *receives)
{
	struct genlmsghdr head;
	struct netlink_attr a;
	bool typed = false;

	*receives = false;
	if (!netlink_header(&body, (uint8_t *)&head, sizeof(head)))
		return false;
	while (netlink_attr_next(&body, &a))
		if (a.type == NETDEV_ATTR_QUEUE_TYPE && span_len(a.value) >= sizeof(uint32_t)) {
			*receives = netlink_u32(&a) == 0;
			typed = netlink_u32(&a) <= 1;
		}
	return typed;
}

/* Below the heading, a line is: id, MAC address of the access concentrator, interface. */
bool nic_pppoe_on(FILE *table, const char *name)
{
	char line[PPPOE_LINE];

	while (fgets(line, sizeof(line), table)) {
		char *save = NULL, *word[4];

		for (int i = 0; i < 4; i++)
			word[i] = strtok_r(i == 0 ? line : NULL, " \t\n", &save);
		if (word[0] && word[1] && strchr(word[1], ':') && word[2] && !word[3] &&
		    strcmp(word[2], name) == 0)
			return true;
	}
	return false;
}
