/* SPDX-License-Identifier: MIT */
/* pcap_live — see pcap_live.h. */
#include "user/source/pcap_live.h"

#include <errno.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"

#define SNAPLEN    262144 /* the largest that libpcap takes */
#define TIMEOUT_MS 10

struct pcap_live {
	pcap_t *handle;
	char *name;
	uint32_t row; /* of the interface table */
	uint64_t frames;
	bool ns, gone;
	struct source_drops drops; /* as last read */
	uint32_t last_recv, last_drop, last_ifdrop;
};

uint32_t pcap_live_linktype(int dlt)
{
	/* Numbers that were taken twice, so that files have others (pcap-linktype(7)). */
	static const struct {
		int dlt;
		uint32_t linktype;
	} rows[] = {
		{DLT_RAW, 101},         {14, 101} /* the same on OpenBSD */,
		{DLT_ATM_RFC1483, 100}, {DLT_SLIP_BSDOS, 102},
		{DLT_PPP_BSDOS, 103},   {DLT_ATM_CLIP, 106},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].dlt == dlt)
			return rows[i].linktype;
	return (uint32_t)dlt;
}

static int set_filter(struct pcap_live *p, const char *filter)
{
	struct bpf_program program;
	int rc;

	if (!filter)
		return 0;
	if (pcap_compile(p->handle, &program, filter, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return -EINVAL;
	rc = pcap_setfilter(p->handle, &program);
	pcap_freecode(&program);
	return rc < 0 ? -EIO : 0;
}

static int activate(struct pcap_live *p, const struct pcap_live_conf *conf)
{
	pcap_t *h = p->handle;
	int rc;

	pcap_set_snaplen(h, conf->snaplen ? (int)conf->snaplen : SNAPLEN);
	pcap_set_timeout(h, conf->timeout_ms ? (int)conf->timeout_ms : TIMEOUT_MS);
	pcap_set_promisc(h, conf->promiscuous);
	pcap_set_immediate_mode(h, conf->immediate);
	if (conf->buffer_bytes)
		pcap_set_buffer_size(h, (int)conf->buffer_bytes);
	p->ns = pcap_set_tstamp_precision(h, PCAP_TSTAMP_PRECISION_NANO) == 0;
	rc = pcap_activate(h);
	if (rc > 0)
		log_line("%s: %s", p->name,
			 *pcap_geterr(h) ? pcap_geterr(h) : pcap_statustostr(rc));
	if (rc >= 0)
		return 0;
	if (rc == PCAP_ERROR_NO_SUCH_DEVICE)
		log_line("--iface %s: there is no such interface", p->name);
	else if (strcmp(pcap_geterr(h), pcap_statustostr(rc)) == 0 || !*pcap_geterr(h))
		log_line("%s: %s", p->name, pcap_statustostr(rc));
	else
		log_line("%s: %s: %s%s", p->name, pcap_statustostr(rc), pcap_geterr(h),
			 rc == PCAP_ERROR_PERM_DENIED ? " (needs CAP_NET_RAW)" : "");
	return rc == PCAP_ERROR_NO_SUCH_DEVICE ? -ENODEV
	       : rc == PCAP_ERROR_PERM_DENIED  ? -EPERM
	       : rc == PCAP_ERROR_IFACE_NOT_UP ? -ENETDOWN
					       : -EIO;
}

int pcap_live_open(struct pcap_live **out, const char *iface, const struct pcap_live_conf *conf,
		   struct ifaces *t, uint32_t file)
{
	char why[PCAP_ERRBUF_SIZE] = "";
	struct pcap_live *p = calloc(1, sizeof(*p));
	struct iface row = {.file = file, .ticks_num = 1, .ticks_den = 1};
	int err = -ENOMEM;

	*out = NULL;
	if (!p)
		return -ENOMEM;
	p->name = strdup(iface);
	if (!p->name)
		goto fail;
	p->handle = pcap_create(iface, why);
	if (!p->handle) {
		log_line("%s: %s", iface, why);
		goto fail;
	}
	err = activate(p, conf);
	if (err < 0)
		goto fail;
	err = set_filter(p, conf->filter);
	if (err == 0 && pcap_setnonblock(p->handle, 1, why) < 0)
		err = -EIO;
	if (err < 0) {
		log_line("%s: %s", iface, *why ? why : pcap_geterr(p->handle));
		goto fail;
	}
	row.linktype = pcap_live_linktype(pcap_datalink(p->handle));
	row.snaplen = (uint32_t)pcap_snapshot(p->handle);
	snprintf(row.name, sizeof(row.name), "%s", iface);
	p->row = ifaces_add(t, &row);
	*out = p;
	return 0;
fail:
	pcap_live_close(p);
	return err;
}

void pcap_live_close(struct pcap_live *p)
{
	if (!p)
		return;
	if (p->handle)
		pcap_close(p->handle);
	free(p->name);
	free(p);
}

int pcap_live_fd(const struct pcap_live *p)
{
	return p->gone ? -1 : pcap_get_selectable_fd(p->handle);
}

int pcap_live_next(struct pcap_live *p, struct record *r, const uint8_t **frame)
{
	struct pcap_pkthdr *h;
	int rc;

	if (p->gone)
		return -ENODEV;
	do /* what no block has room for cannot come: the snaplen is below */
		rc = pcap_next_ex(p->handle, &h, frame);
	while (rc == 1 && h->caplen > FORMAT_MAX_FRAME);
	if (rc == 0)
		return 0;
	if (rc < 0) {
		log_line("%s: %s: its capture ends here", p->name,
			 if_nametoindex(p->name) ? pcap_geterr(p->handle)
						 : "the interface is gone");
		p->gone = true;
		return -ENODEV;
	}
	*r = (struct record){.ts_ns = (uint64_t)h->ts.tv_sec * 1000000000 +
				      (uint64_t)h->ts.tv_usec * (p->ns ? 1 : 1000),
			     .caplen = h->caplen,
			     .len = h->len,
			     .iface = p->row};
	p->frames++;
	return 1;
}

uint64_t pcap_live_frames(const struct pcap_live *p)
{
	return p->frames;
}

/* libpcap's counters are 32 bits wide. */
static void add(uint64_t *sum, uint32_t *last, uint32_t now)
{
	*sum += now - *last;
	*last = now;
}

struct source_drops pcap_live_drops(struct pcap_live *p)
{
	struct pcap_stat st;

	if (!p->gone && pcap_stats(p->handle, &st) == 0) {
		add(&p->drops.received, &p->last_recv, st.ps_recv);
		add(&p->drops.dropped, &p->last_drop, st.ps_drop);
		add(&p->drops.iface_dropped, &p->last_ifdrop, st.ps_ifdrop);
	}
	return p->drops;
}
