#include "user/source/nic.h"
#include <string.h>
#include <errno.h>
#include <stdio.h>
#include <glob.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
int nic_read(struct nic *n, const char *name)
{
	struct ifreq r = {0};
	char p[200]; glob_t g;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(n, 0, sizeof *n);
	snprintf(n->name, sizeof n->name, "%s", name);
	n->ifindex = (int)if_nametoindex(name);
	if (!n->ifindex) return -ENODEV;
	strcpy(r.ifr_name, n->name);
	ioctl(fd, SIOCGIFMTU, &r); n->mtu = (uint32_t)r.ifr_mtu;
	ioctl(fd, SIOCGIFFLAGS, &r); n->loopback = r.ifr_flags & IFF_LOOPBACK;
	close(fd);
	snprintf(p, sizeof p, "/sys/class/net/%s/queues/rx-*", name);
	if (glob(p, 0, NULL, &g) == 0) n->rx_queues = (uint32_t)g.gl_pathc;
	return 0;
}
