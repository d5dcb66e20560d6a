/* SPDX-License-Identifier: MIT */
/*
 * mirror — a copy of all that an interface receives and sends, through a veth pair of ours.
 *
 * tc programs (TCX links; clsact before Linux 6.6) clone every packet into the near end; the far
 * end lies in a network namespace that only this process holds, with XDP and AF_XDP on it
 * (redirect.h).  However the process ends, the namespace goes with it, and with that both ends.
 *
 * Owner:  the main thread.
 * Errors: logged with the call and what it takes.
 */
#ifndef USER_SOURCE_MIRROR_H
#define USER_SOURCE_MIRROR_H

#include "user/source/redirect.h"

struct mirror {
	struct mirror_bpf *program;
	int link[2]; /* ingress, egress */
	int ifindex; /* of the interface */
	bool clsact;
	int home, away;           /* network namespaces: the process's, and the far end's */
	char near[16];            /* of this interface and process */
	struct redirect redirect; /* on the far end */
};

/* conf names the interface; its queues are the veth's, and private_end is set here. */
int mirror_open(struct mirror *m, const struct redirect_conf *conf, bool incoming_only);
void mirror_close(struct mirror *m);
/* No further copies are made; what is on its way arrives within some milliseconds. */
void mirror_stop(struct mirror *m);

/* Sets n[RM_KERNEL_MAX] to frames of the interface; frames that were lost inside the veth. */
uint64_t mirror_counts(const struct mirror *m, uint64_t *n);

#endif
