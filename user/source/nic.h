#ifndef TMP_NIC
#define TMP_NIC
#include <net/if.h>
#include <stdint.h>
#include <stdbool.h>
struct nic { char name[IFNAMSIZ]; int ifindex; uint32_t mtu; uint16_t type; uint32_t rx_queues; bool loopback; };
int nic_read(struct nic *n, const char *name);
#endif
