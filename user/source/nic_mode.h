/* SPDX-License-Identifier: MIT */
/*
 * nic_mode — how to capture from an interface, and why: XDP takes the packets it redirects away
 * from the host, so that `auto` redirects only where nobody else can miss them.
 *
 * Pure but for nic_show_list: the answer follows from the struct nic alone.  Bytes of names that
 * are not printable ASCII are written as '?'.
 *
 * Threads: any.
 */
#ifndef USER_SOURCE_NIC_MODE_H
#define USER_SOURCE_NIC_MODE_H

#include <stdio.h>

#include "user/source/nic.h"

#define NIC_WHY 160 /* holds every reason in full */

enum nic_mode {
	NIC_REDIRECT, /* XDP to AF_XDP */
	NIC_TAP,      /* AF_PACKET: copies */
	NIC_PCAP,     /* what only libpcap may be able to open */
};

const char *nic_mode_name(enum nic_mode mode);

/* False, with the first reason in words: "eth0 has the address 10.0.0.2/24". */
bool nic_redirect_safe(const struct nic *n, char *why, size_t why_size);

/* What `auto` stands for, and the reason; that it is down is said there as well. */
enum nic_mode nic_auto(const struct nic *n, char *why, size_t why_size);

/* LINKTYPE_* of what AF_PACKET gives: Ethernet, bare IP (tun, WireGuard, PPP), 802.11; 0 where the
 * type is for libpcap to read. */
uint32_t nic_linktype(const struct nic *n);

/* A line each for offloads that change what XDP sees, with the command that ends that. */
void nic_warn(const struct nic *n, FILE *out);

/* A table for people. */
void nic_show(const struct nic *rows, size_t n, FILE *out);
/* The same of all interfaces there are; errors as nic_list. */
int nic_show_list(FILE *out);

#endif
