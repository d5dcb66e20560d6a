/* SPDX-License-Identifier: MIT */
/* nic_device — see nic_device.h. */
#include "user/source/nic_device.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/source/nic_message.h"

static struct ifreq request_of(const char *name)
{
	struct ifreq r = {.ifr_flags = 0};

	memcpy(r.ifr_name, name, strnlen(name, sizeof(r.ifr_name) - 1));
	return r;
}

static uint32_t ethtool_flags(int fd, const char *name)
{
	struct ethtool_value v = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq r = request_of(name);

	r.ifr_data = (char *)&v;
	return ioctl(fd, SIOCETHTOOL, &r) < 0 ? 0 : v.data;
}

static void read_ethtool(int fd, struct nic *n)
{
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq r = request_of(n->name);
	uint32_t flags = ethtool_flags(fd, n->name);

	r.ifr_data = (char *)&driver;
	if (ioctl(fd, SIOCETHTOOL, &r) == 0)
		memcpy(n->driver, driver.driver, strnlen(driver.driver, sizeof(n->driver) - 1));
	n->lro = (flags & ETH_FLAG_LRO) != 0;
	n->rx_vlan_strip = (flags & ETH_FLAG_RXVLAN) != 0;
	n->tx_vlan_insert = (flags & ETH_FLAG_TXVLAN) != 0;
	if (n->peer_name[0] != '\0')
		n->peer_tx_vlan_insert = (ethtool_flags(fd, n->peer_name) & ETH_FLAG_TXVLAN) != 0;
}

/* A file of an interface in /sys, cut to size - 1. */
static bool read_sys(const char *name, const char *file, char *dst, size_t size)
{
	char path[64];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, file);
	f = fopen(path, "re");
	if (!f)
		return false;
	ok = fgets(dst, (int)size, f) != NULL;
	fclose(f);
	return ok;
}

/* Is it the same interface in /sys? */
static bool in_sys(const struct nic *n)
{
	static const uint8_t none[6] = {0};
	char text[32], mac[32];

	if (!read_sys(n->name, "ifindex", text, sizeof(text)) ||
	    strtol(text, NULL, 10) != n->ifindex ||
	    !read_sys(n->name, "address", text, sizeof(text)))
		return false;
	if (memcmp(n->mac, none, sizeof(none)) == 0 && strcmp(text, "\n") == 0)
		return true;
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x\n", n->mac[0], n->mac[1],
		 n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
	return strcmp(text, mac) == 0;
}

/* Entries of an interface's folder that begin so; the name behind that of the last one. */
static uint32_t count_sys(const char *name, const char *folder, const char *begin,
			  char rest[IFNAMSIZ])
{
	size_t skip = strlen(begin);
	uint32_t count = 0;
	struct dirent *e;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, folder);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((e = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe): a stream of our own */
		size_t n = strlen(e->d_name);

		if (n < skip || n - skip >= IFNAMSIZ || memcmp(e->d_name, begin, skip) != 0)
			continue;
		memcpy(rest, e->d_name + skip, n - skip + 1);
		count++;
	}
	closedir(dir);
	return count;
}

/* IFLA_NUM_*_QUEUES says what was made at most (256 of a tun device).  In use are what the driver
 * says, or else what /sys shows. */
static void read_queues(int fd, struct nic *n, bool sys)
{
	struct ethtool_channels c = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq r = request_of(n->name);
	uint32_t rx = 0, tx = 0;
	char rest[IFNAMSIZ];

	r.ifr_data = (char *)&c;
	if (ioctl(fd, SIOCETHTOOL, &r) == 0) {
		rx = c.rx_count + c.combined_count;
		tx = c.tx_count + c.combined_count;
	} else if (sys) {
		rx = count_sys(n->name, "queues", "rx-", rest);
		tx = count_sys(n->name, "queues", "tx-", rest);
	}
	if (rx > 0 && rx < n->rx_queues)
		n->rx_queues = rx;
	if (tx > 0 && tx < n->tx_queues)
		n->tx_queues = tx;
}

static void read_pppoe(struct nic *n)
{
	FILE *sessions = fopen("/proc/thread-self/net/pppoe", "re");

	if (!sessions)
		return;
	n->pppoe = nic_pppoe_on(sessions, n->name);
	fclose(sessions);
}

int nic_device_read(struct nic *rows, size_t n)
{
	/* Any socket will do; this one is there without IPv4 too. */
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		bool sys = in_sys(&rows[i]);

		read_ethtool(fd, &rows[i]);
		read_queues(fd, &rows[i], sys);
		/* Some stand upon others without saying so by IFLA_LINK, as hsr does. */
		if (sys && rows[i].upper[0] == '\0' && rows[i].master == 0)
			count_sys(rows[i].name, "", "upper_", rows[i].upper);
		read_pppoe(&rows[i]);
	}
	close(fd);
	return 0;
}
