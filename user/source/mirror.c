/* SPDX-License-Identifier: MIT */
/* mirror — see mirror.h. */
#include "user/source/mirror.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mirror.skel.h"
#include "user/base/log.h"
#include "user/source/netlink.h"

/* Debian 12's headers are older than TCX (Linux 6.6). */
#define TCX_INGRESS 46
#define TCX_EGRESS  47
/* Handle and priority of a clsact filter of ours, to know it again: "rm". */
#define CLSACT_ID 0x726dU
#define QUEUE     1000U /* segments of up to 64 KiB: 64 MB at most */
#define FEATURES  256   /* of a device that have names: 64 and some in Linux 6.18 */

/* ---- the pair ---- */

struct message {
	struct nlmsghdr head;
	struct ifinfomsg info;
	uint8_t room[512];
};

static struct rtattr *put(struct message *m, uint16_t type, const void *value, size_t len)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)m + NLMSG_ALIGN(m->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), value, len);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(const struct message *m, struct rtattr *nest)
{
	nest->rta_len = (uint16_t)((const uint8_t *)m + m->head.nlmsg_len - (uint8_t *)nest);
}

/* Sends, and waits for the answer. */
static int ask(struct message *m)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	uint8_t answer[1024];
	struct nlmsghdr *head = (struct nlmsghdr *)answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	if (sendto(fd, m, m->head.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel)) <
	    0)
		err = -errno;
	got = err ? 0 : recv(fd, answer, sizeof(answer), 0);
	if (err == 0 && (got < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
			 head->nlmsg_type != NLMSG_ERROR))
		err = -EPROTO;
	if (err == 0)
		err = ((struct nlmsgerr *)NLMSG_DATA(head))->error;
	close(fd);
	return err;
}

/* The far end here, the near end in the namespace `home`; both down. */
static int make_pair(const char *far, const char *near, int home, uint32_t mtu)
{
	struct message m = {
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = RTM_NEWLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL},
	};
	struct ifinfomsg peer_info = {0};
	struct rtattr *info, *data, *peer;

	put(&m, IFLA_IFNAME, far, strlen(far) + 1);
	put(&m, IFLA_MTU, &mtu, sizeof(mtu));
	info = put(&m, IFLA_LINKINFO, NULL, 0);
	put(&m, IFLA_INFO_KIND, "veth", 5);
	data = put(&m, IFLA_INFO_DATA, NULL, 0);
	peer = put(&m, VETH_INFO_PEER, &peer_info, sizeof(peer_info));
	put(&m, IFLA_IFNAME, near, strlen(near) + 1);
	put(&m, IFLA_MTU, &mtu, sizeof(mtu));
	put(&m, IFLA_NET_NS_FD, &home, sizeof(home));
	end(&m, peer);
	end(&m, data);
	end(&m, info);
	return ask(&m);
}

/* Up, without addresses: a private link needs none, and what it says by itself would be captured.
 */
static int link_up(uint32_t ifindex)
{
	struct message m = {
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = RTM_SETLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.info = {.ifi_index = (int)ifindex},
	};
	struct message up = m;
	uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct rtattr *spec, *v6;

	spec = put(&m, IFLA_AF_SPEC, NULL, 0);
	v6 = put(&m, AF_INET6, NULL, 0);
	put(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	end(&m, v6);
	end(&m, spec);
	ask(&m); /* a kernel without IPv6 has nothing to turn off */
	up.info.ifi_flags = up.info.ifi_change = IFF_UP;
	return ask(&up);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes to it */
static int ethtool(int fd, const char *name, char *command)
{
	struct ifreq r = {.ifr_data = command};

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &r);
}

/* Tags of 802.1ad have no flag of their own, only a feature with a name. */
static void turn_off_feature(int fd, const char *name, const char *feature)
{
	struct {
		struct ethtool_gstrings head;
		char name[FEATURES][ETH_GSTRING_LEN];
	} all = {.head = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES}};
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block block[FEATURES / 32];
	} set = {.head = {.cmd = ETHTOOL_SFEATURES}};
	struct {
		struct ethtool_sset_info head;
		uint32_t count;
	} sets = {.head = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES}};

	if (ethtool(fd, name, (char *)&sets) < 0 || sets.count > FEATURES ||
	    ethtool(fd, name, (char *)&all) < 0)
		return;
	set.head.size = (sets.count + 31) / 32;
	for (uint32_t i = 0; i < sets.count; i++)
		if (strncmp(all.name[i], feature, ETH_GSTRING_LEN) == 0)
			set.block[i / 32].valid = 1U << i % 32;
	ethtool(fd, name, (char *)&set);
}

/* Checksums are filled in and tags put into the data before the copy reaches XDP. */
static void turn_off_offloads(const char *name)
{
	static const uint32_t off[] = {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SFLAGS};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; fd >= 0 && i < sizeof(off) / sizeof(off[0]); i++) {
		struct ethtool_value value = {.cmd = off[i]};

		ethtool(fd, name, (char *)&value); /* what it has not, it need not turn off */
	}
	if (fd >= 0)
		turn_off_feature(fd, name, "tx-vlan-stag-hw-insert");
	if (fd >= 0)
		close(fd);
}

/* A large segment becomes dozens of frames at once, and a veth has room for 256: without a queue
 * before it the rest is dropped.  With one, since Linux 6.16, they wait. */
static int queue_copies(uint32_t ifindex)
{
	const struct tcmsg head = {.tcm_ifindex = (int)ifindex, .tcm_parent = TC_H_ROOT};
	const struct tc_fifo_qopt limit = {.limit = QUEUE};
	struct netlink_request r;
	struct netlink_message m;
	struct netlink nl;
	int err = netlink_open(&nl, NETLINK_ROUTE);

	if (err < 0)
		return err;
	netlink_begin(&r, RTM_NEWQDISC, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
		      span_of((const uint8_t *)&head, sizeof(head)));
	netlink_put(&r, TCA_KIND, span_of((const uint8_t *)"pfifo", sizeof("pfifo")));
	netlink_put(&r, TCA_OPTIONS, span_of((const uint8_t *)&limit, sizeof(limit)));
	err = netlink_ask(&nl, &r);
	if (err == 0)
		err = netlink_next(&nl, &m);
	netlink_close(&nl);
	return err;
}

/* ---- the programs ---- */

static int attach_clsact(struct mirror *m, bool incoming_only)
{
	int err = 0;

	for (int i = 0; i < (incoming_only ? 1 : 2) && err == 0; i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = m->ifindex,
			    .attach_point = i ? BPF_TC_EGRESS : BPF_TC_INGRESS);
		/* One that a killed sensor left behind is replaced. */
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_ID, .priority = CLSACT_ID,
			    .prog_fd = bpf_program__fd(m->program->progs.mirror),
			    .flags = BPF_TC_F_REPLACE);

		err = bpf_tc_hook_create(&hook);
		if (err == 0 || err == -EEXIST)
			err = bpf_tc_attach(&hook, &opts);
	}
	m->clsact = err == 0;
	return err;
}

static void detach_clsact(struct mirror *m)
{
	for (int i = 0; i < 2; i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = m->ifindex,
			    .attach_point = i ? BPF_TC_EGRESS : BPF_TC_INGRESS);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_ID, .priority = CLSACT_ID);

		bpf_tc_detach(&hook, &opts);
	}
	m->clsact = false;
}

static int attach(struct mirror *m, bool incoming_only)
{
	int fd = bpf_program__fd(m->program->progs.mirror);

	m->link[0] = bpf_link_create(fd, m->ifindex, (enum bpf_attach_type)TCX_INGRESS, NULL);
	if (m->link[0] == -EINVAL)
		return attach_clsact(m, incoming_only);
	if (m->link[0] < 0)
		return m->link[0];
	if (incoming_only)
		return 0;
	m->link[1] = bpf_link_create(fd, m->ifindex, (enum bpf_attach_type)TCX_EGRESS, NULL);
	return m->link[1] < 0 ? m->link[1] : 0;
}

static int load(struct mirror *m, uint32_t target)
{
	m->program = mirror_bpf__open();
	if (!m->program)
		return -errno;
	m->program->rodata->target = target;
	return mirror_bpf__load(m->program);
}

/* ---- opening ---- */

/* In a namespace of its own: the pair, and capture on its far end. */
static int open_far_end(struct mirror *m, const struct redirect_conf *conf, const char **step)
{
	struct redirect_conf far = *conf;
	int err;

	if (far.mtu > ETH_MAX_MTU) /* loopback has one more */
		far.mtu = ETH_MAX_MTU;
	*step = "making a network namespace (needs CAP_SYS_ADMIN)";
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	m->away = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	*step = "making a veth pair (needs CAP_NET_ADMIN)";
	err = m->away < 0 ? -errno : make_pair("far", m->near, m->home, far.mtu);
	if (err < 0)
		return err;
	far.name = "far";
	far.ifindex = (int)if_nametoindex("far");
	err = link_up((uint32_t)far.ifindex);
	if (err < 0)
		return err;
	far.queues = 1;
	far.promisc = false;
	far.private_end = true;
	*step = NULL; /* says so itself */
	return redirect_open(&m->redirect, &far);
}

int mirror_open(struct mirror *m, const struct redirect_conf *conf, bool incoming_only)
{
	const char *step = "opening its network namespace";
	uint32_t near;
	int err;

	*m = (struct mirror){.link = {-1, -1}, .ifindex = conf->ifindex, .away = -1};
	m->redirect =
		(struct redirect){.link = -1, .promisc = -1, .filter = {-1, -1}, .self = {-1, -1}};
	snprintf(m->near, sizeof(m->near), "rmx%d_%d", conf->ifindex % 1000, getpid());
	m->home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	err = m->home < 0 ? -errno : open_far_end(m, conf, &step);
	if (m->home >= 0 && setns(m->home, CLONE_NEWNET) < 0 && err == 0)
		err = -errno;
	if (err == 0) {
		near = if_nametoindex(m->near);
		step = "bringing up the veth";
		err = near ? link_up(near) : -ENODEV;
	}
	if (err == 0) {
		turn_off_offloads(m->near);
		queue_copies(near); /* a kernel may lack it: losses are counted */
		step = "loading the mirror program (needs CAP_BPF and CAP_PERFMON)";
		err = load(m, near);
	}
	if (err == 0) {
		step = "attaching to tc (needs CAP_NET_ADMIN)";
		err = attach(m, incoming_only);
	}
	if (err < 0 && step)
		log_line("%s: %s: %s", conf->name, step,
			 strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
	return err;
}

void mirror_stop(struct mirror *m)
{
	for (int i = 0; i < 2; i++) {
		if (m->link[i] >= 0)
			close(m->link[i]);
		m->link[i] = -1;
	}
	if (m->clsact)
		detach_clsact(m);
}

void mirror_close(struct mirror *m)
{
	if (!m->near[0])
		return;
	mirror_stop(m);
	redirect_close(&m->redirect);
	mirror_bpf__destroy(m->program);
	if (m->home >= 0)
		close(m->home);
	if (m->away >= 0)
		close(m->away);
	*m = (struct mirror){.link = {-1, -1}};
}

uint64_t mirror_counts(const struct mirror *m, uint64_t *n)
{
	uint64_t far[RM_KERNEL_MAX] = {0}, arrived = 0, sent;

	bpf_counts_add(bpf_map__fd(m->program->maps.counts), n);
	sent = n[RM_KERNEL_DELIVERED];
	redirect_counts(&m->redirect, far);
	for (int i = 0; i < RM_KERNEL_MAX; i++) {
		arrived += far[i];
		n[i] = i == RM_KERNEL_CLONE_FAILED ? n[i] : far[i];
	}
	return sent > arrived ? sent - arrived : 0;
}
