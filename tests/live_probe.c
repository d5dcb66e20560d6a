/* SPDX-License-Identifier: MIT */
/*
 * live_probe — can live capture be tested here: makes a network namespace and a veth pair in it,
 * loads an XDP program of two instructions and attaches it by a link.  All of it goes with the
 * process.
 *
 * Says which call failed as "CALL: errno N (TEXT)"; the exit status is 1 then, else 0.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
	struct nlmsghdr head;
	struct ifinfomsg info;
	struct rtattr attr[16];
};

static struct rtattr *put(struct request *q, unsigned short type, const char *text, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)q + q->head.nlmsg_len);

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), text, len);
	q->head.nlmsg_len += RTA_ALIGN(a->rta_len);
	return a;
}

static void end(const struct request *q, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)((const char *)q + q->head.nlmsg_len - (char *)nest);
}

/* Sends, and waits for the kernel's answer. */
static int ask(const struct request *q)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr error;
		char room[512];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, q, q->head.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.error)))
		err = errno ? -errno : -EPROTO;
	else if (answer.head.nlmsg_type == NLMSG_ERROR)
		err = answer.error.error;
	close(fd);
	return err;
}

static int make_pair(void)
{
	struct request q = {
		.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			 .nlmsg_type = RTM_NEWLINK,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL}};
	const struct ifinfomsg peer_info = {0};
	struct rtattr *link, *data, *peer;

	put(&q, IFLA_IFNAME, "probe0", sizeof("probe0"));
	link = put(&q, IFLA_LINKINFO, NULL, 0);
	put(&q, IFLA_INFO_KIND, "veth", 4);
	data = put(&q, IFLA_INFO_DATA, NULL, 0);
	peer = put(&q, VETH_INFO_PEER, (const char *)&peer_info, sizeof(peer_info));
	put(&q, IFLA_IFNAME, "probe1", sizeof("probe1"));
	end(&q, peer);
	end(&q, data);
	end(&q, link);
	return ask(&q);
}

static int fails(const char *call, int err)
{
	/* strerror: there is one thread */
	printf("%s: errno %d (%s)\n", call, -err,
	       strerror(-err)); /* NOLINT(concurrency-mt-unsafe) */
	return EXIT_FAILURE;
}

int main(void)
{
	const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT}};
	int prog, link, err;

	if (unshare(CLONE_NEWNET) < 0)
		return fails("unshare(CLONE_NEWNET)", -errno);
	err = make_pair();
	if (err < 0)
		return fails("RTM_NEWLINK veth", err);
	prog = bpf_prog_load(BPF_PROG_TYPE_XDP, "probe", "MIT", pass,
			     sizeof(pass) / sizeof(pass[0]), NULL);
	if (prog < 0)
		return fails("bpf(BPF_PROG_LOAD, XDP)", prog);
	link = bpf_link_create(prog, (int)if_nametoindex("probe0"), BPF_XDP, NULL);
	if (link < 0)
		return fails("bpf(BPF_LINK_CREATE, XDP)", link);
	return EXIT_SUCCESS;
}
