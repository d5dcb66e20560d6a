/* SPDX-License-Identifier: MIT */
/* nic_mode — see nic_mode.h. */
#include "user/source/nic_mode.h"

#include <arpa/inet.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#ifndef ARPHRD_RAWIP
#define ARPHRD_RAWIP 519 /* linux/if_arp.h */
#endif

struct shown {
	char text[64];
};

/* Whoever made an interface chose its name: it must not speak to the terminal. */
static struct shown shown(const char *name)
{
	struct shown s = {.text = ""};

	for (size_t i = 0; i < sizeof(s.text) - 1 && name[i] != '\0'; i++)
		s.text[i] = name[i] > ' ' && name[i] < 0x7f ? name[i] : '?';
	return s;
}

static struct shown shown_address(const struct nic_address *a)
{
	char text[INET6_ADDRSTRLEN] = "";
	struct shown s;

	if (a->family == AF_INET || a->family == AF_INET6)
		inet_ntop(a->family, a->at, text, sizeof(text));
	snprintf(s.text, sizeof(s.text), "%s/%u", text, a->prefix);
	return s;
}

const char *nic_mode_name(enum nic_mode mode)
{
	static const char *const name[] = {
		[NIC_REDIRECT] = "redirect", [NIC_TAP] = "tap", [NIC_PCAP] = "pcap"};

	return name[mode];
}

/* Links that use this one. */
static bool link_uses(const struct nic *n, char *why, size_t size)
{
	if (n->master != 0)
		snprintf(why, size, "%s is a port of %s", shown(n->name).text,
			 n->master_name[0] ? shown(n->master_name).text : "another interface");
	else if (n->upper[0] != '\0')
		snprintf(why, size, "%s%s%s%s%s stands upon %s", shown(n->upper).text,
			 n->upper_kind[0] ? " (" : "", shown(n->upper_kind).text,
			 n->upper_kind[0] ? ")" : "",
			 n->upper_elsewhere ? " of another network namespace" : "",
			 shown(n->name).text);
	else
		return false;
	return true;
}

static bool address_uses(const struct nic *n, char *why, size_t size)
{
	for (uint32_t i = 0; i < n->n_addresses; i++)
		if (!nic_link_local(&n->address[i])) {
			snprintf(why, size, "%s has the address %s", shown(n->name).text,
				 shown_address(&n->address[i]).text);
			return true;
		}
	if (n->more_addresses > 0)
		snprintf(why, size, "%s has more than %d addresses", shown(n->name).text,
			 NIC_ADDRESSES);
	return n->more_addresses > 0;
}

static bool route_uses(const struct nic *n, char *why, size_t size)
{
	bool ip = n->route.family == AF_INET || n->route.family == AF_INET6;

	if (n->routed && ip && n->route.prefix == 0)
		snprintf(why, size, "%s carries the default route", shown(n->name).text);
	else if (n->routed && ip)
		snprintf(why, size, "%s carries the route to %s", shown(n->name).text,
			 shown_address(&n->route).text);
	else if (n->routed)
		snprintf(why, size, "%s carries a route of address family %u", shown(n->name).text,
			 n->route.family);
	else if (n->nexthop != 0)
		snprintf(why, size, "%s carries the next hop %u", shown(n->name).text, n->nexthop);
	return n->routed || n->nexthop != 0;
}

bool nic_redirect_safe(const struct nic *n, char *why, size_t why_size)
{
	if (n->loopback) {
		snprintf(why, why_size, "%s is the loopback interface", shown(n->name).text);
		return false;
	}
	if (link_uses(n, why, why_size) || address_uses(n, why, why_size) ||
	    route_uses(n, why, why_size))
		return false;
	if (n->pppoe)
		snprintf(why, why_size, "%s carries a PPPoE session", shown(n->name).text);
	else
		snprintf(why, why_size, "nothing uses %s", shown(n->name).text);
	return !n->pppoe;
}

uint32_t nic_linktype(const struct nic *n)
{
	static const struct {
		uint16_t type;
		uint32_t linktype;
	} rows[] = {
		{ARPHRD_ETHER, 1},
		{ARPHRD_LOOPBACK, 1},
		{ARPHRD_NONE, 101},
		{ARPHRD_RAWIP, 101},
		{ARPHRD_PPP, 101},
		{ARPHRD_TUNNEL, 101},
		{ARPHRD_TUNNEL6, 101},
		{ARPHRD_SIT, 101},
		{ARPHRD_IEEE80211, 105},
		{ARPHRD_IEEE80211_PRISM, 119},
		{ARPHRD_IEEE80211_RADIOTAP, 127},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].type == n->type)
			return rows[i].linktype;
	return 0;
}

enum nic_mode nic_auto(const struct nic *n, char *why, size_t why_size)
{
	enum nic_mode mode = nic_linktype(n) ? NIC_TAP : NIC_PCAP;
	bool safe = nic_redirect_safe(n, why, why_size);
	size_t len;

	if (mode == NIC_PCAP)
		snprintf(why, why_size, "%s has the hardware type %u, which is for libpcap to read",
			 shown(n->name).text, n->type);
	else if (safe && n->type != ARPHRD_ETHER)
		snprintf(why, why_size, "%s is no Ethernet", shown(n->name).text);
	else if (safe && n->xdp != NIC_XDP_NONE)
		snprintf(why, why_size, "%s has an XDP program already, id %u", shown(n->name).text,
			 n->xdp_program);
	else if (safe)
		mode = NIC_REDIRECT;
	len = strnlen(why, why_size);
	if (!n->up && len < why_size)
		snprintf(why + len, why_size - len, "; it is down");
	return mode;
}

void nic_warn(const struct nic *n, FILE *out)
{
	struct shown name = shown(n->name);
	bool pair = n->peer != 0;

	if (n->lro)
		fprintf(out,
			"%s: LRO is on: XDP is refused or sees merged packets; ethtool -K %s lro "
			"off\n",
			name.text, name.text);
	if (n->rx_vlan_strip && !pair)
		fprintf(out,
			"%s: VLAN tags are stripped: the VLAN tag is invisible to XDP; ethtool -K "
			"%s rxvlan off\n",
			name.text, name.text);
	if (n->peer_tx_vlan_insert)
		fprintf(out,
			"%s: its peer %s leaves VLAN tags to the hardware: the VLAN tag is "
			"invisible to XDP; ethtool -K %s txvlan off\n",
			name.text, shown(n->peer_name).text, shown(n->peer_name).text);
}

/* ---- the table ---- */

enum { COL_NAME, COL_STATE, COL_DRIVER, COL_QUEUES, COL_MTU, COL_XDP, COL_ZERO, COL_PROGRAM, COLS };

struct table_row {
	char cell[COLS][64];
};

static const char *state_of(const struct nic *n)
{
	if (!n->up)
		return "down";
	return n->running ? "up" : "no carrier";
}

static struct table_row row_of(const struct nic *n)
{
	static const char *const mode[] = {"", " native", " generic", " hardware", " several"};
	struct table_row r;

	snprintf(r.cell[COL_NAME], sizeof(r.cell[0]), "%s", shown(n->name).text);
	snprintf(r.cell[COL_STATE], sizeof(r.cell[0]), "%s", state_of(n));
	snprintf(r.cell[COL_DRIVER], sizeof(r.cell[0]), "%s",
		 n->driver[0] ? shown(n->driver).text : "-");
	snprintf(r.cell[COL_QUEUES], sizeof(r.cell[0]), "%u/%u", n->rx_queues, n->tx_queues);
	snprintf(r.cell[COL_MTU], sizeof(r.cell[0]), "%u", n->mtu);
	snprintf(r.cell[COL_XDP], sizeof(r.cell[0]), "%s",
		 !n->features.known  ? "unknown"
		 : n->features.basic ? "native"
				     : "generic only");
	snprintf(r.cell[COL_ZERO], sizeof(r.cell[0]), "%s",
		 !n->features.known         ? "unknown"
		 : n->features.xsk_zerocopy ? "yes"
					    : "no");
	if (n->xdp == NIC_XDP_NONE)
		snprintf(r.cell[COL_PROGRAM], sizeof(r.cell[0]), "-");
	else
		snprintf(r.cell[COL_PROGRAM], sizeof(r.cell[0]), "%u%s", n->xdp_program,
			 mode[n->xdp]);
	return r;
}

static void widen(size_t width[COLS], const struct table_row *r)
{
	for (int c = 0; c < COLS; c++)
		if (strlen(r->cell[c]) > width[c])
			width[c] = strlen(r->cell[c]);
}

static void show_row(const struct table_row *r, const size_t width[COLS], FILE *out)
{
	for (int c = 0; c < COLS - 1; c++)
		fprintf(out, "%-*s  ", (int)width[c], r->cell[c]);
	fprintf(out, "%s\n", r->cell[COLS - 1]);
}

static void show_addresses(const struct nic *n, FILE *out)
{
	if (n->n_addresses == 0)
		return;
	fputs("        addresses:", out);
	for (uint32_t i = 0; i < n->n_addresses; i++)
		fprintf(out, " %s", shown_address(&n->address[i]).text);
	if (n->more_addresses > 0)
		fprintf(out, " and %u more", n->more_addresses);
	fputc('\n', out);
}

void nic_show(const struct nic *rows, size_t n, FILE *out)
{
	static const struct table_row heading = {
		{"NAME", "STATE", "DRIVER", "QUEUES RX/TX", "MTU", "XDP", "ZERO-COPY", "PROGRAM"}};
	size_t width[COLS] = {0};
	char why[NIC_WHY];

	widen(width, &heading);
	for (size_t i = 0; i < n; i++) {
		struct table_row r = row_of(&rows[i]);

		widen(width, &r);
	}
	show_row(&heading, width, out);
	for (size_t i = 0; i < n; i++) {
		struct table_row r = row_of(&rows[i]);
		enum nic_mode mode = nic_auto(&rows[i], why, sizeof(why));

		show_row(&r, width, out);
		show_addresses(&rows[i], out);
		fprintf(out, "        auto: %s, because %s\n", nic_mode_name(mode), why);
	}
}

int nic_show_list(FILE *out)
{
	struct nic *rows;
	size_t n;
	int err = nic_list(&rows, &n);

	if (err == 0)
		nic_show(rows, n, out);
	free(rows);
	return err;
}
