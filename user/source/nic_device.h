/* SPDX-License-Identifier: MIT */
/*
 * nic_device — what is asked for one interface at a time: ethtool, /sys/class/net, /proc/net/pppoe.
 *
 * Threads: any, at start.
 * Errors:  what a driver or kernel does not tell is left as it is.
 * Source:  linux/ethtool.h; Documentation/ABI/testing/sysfs-class-net and -queues.
 */
#ifndef USER_SOURCE_NIC_DEVICE_H
#define USER_SOURCE_NIC_DEVICE_H

#include "user/source/nic.h"

/* Adds to what rtnetlink said: driver, offloads, queues in use, uppers only /sys knows, PPPoE. */
int nic_device_read(struct nic *rows, size_t n);

#endif
