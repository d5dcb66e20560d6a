/* SPDX-License-Identifier: MIT */
/* filter — see filter.h. */
#include "user/source/filter.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"

#define FILTER_LINKS 16

struct filter {
	char *expression;
	struct {
		uint32_t linktype;
		bool good;
		struct bpf_program program;
	} link[FILTER_LINKS];
	int n;
};

/* A row for the link type; the expression may make no sense for it. */
static int compile(struct filter *f, uint32_t linktype, char *why, size_t why_size)
{
	/* Raw IP has another number as a DLT than in files. */
	pcap_t *dead = pcap_open_dead(linktype == 101 ? DLT_RAW : (int)linktype, 262144);
	int rc;

	if (!dead)
		return -ENOMEM;
	f->link[f->n].linktype = linktype;
	rc = pcap_compile(dead, &f->link[f->n].program, f->expression, 1, PCAP_NETMASK_UNKNOWN);
	f->link[f->n].good = rc == 0;
	if (rc != 0)
		snprintf(why, why_size, "%s", pcap_geterr(dead));
	pcap_close(dead);
	f->n++;
	return rc == 0 ? 0 : -EINVAL;
}

int filter_open(struct filter **out, const char *expression, char *why, size_t why_size)
{
	struct filter *f = calloc(1, sizeof(*f));
	int err;

	*out = NULL;
	if (!f)
		return -ENOMEM;
	f->expression = strdup(expression);
	err = f->expression ? compile(f, DLT_EN10MB, why, why_size) : -ENOMEM;
	if (err < 0) {
		filter_close(f);
		return err;
	}
	*out = f;
	return 0;
}

void filter_close(struct filter *f)
{
	if (!f)
		return;
	for (int i = 0; i < f->n; i++)
		if (f->link[i].good)
			pcap_freecode(&f->link[i].program);
	free(f->expression);
	free(f);
}

static pcap_t *open_handle(const char *iface, char *why, size_t why_size)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p;
	int rc;

	if (!iface)
		return pcap_open_dead(DLT_EN10MB, 262144);
	p = pcap_create(iface, text);
	rc = p ? pcap_activate(p) : PCAP_ERROR;
	if (rc >= 0)
		return p;
	snprintf(why, why_size, "%s: %s", iface, p ? pcap_geterr(p) : text);
	if (p)
		pcap_close(p);
	return NULL;
}

int filter_compile(struct filter_code *out, const char *expression, const char *iface, char *why,
		   size_t why_size)
{
	struct bpf_program program;
	pcap_t *p = open_handle(iface, why, why_size);
	int err = -EINVAL;

	*out = (struct filter_code){0};
	if (!p)
		return -EIO;
	if (pcap_compile(p, &program, expression, 1, PCAP_NETMASK_UNKNOWN) == 0) {
		/* struct sock_filter has the same members at the same places. */
		size_t bytes = program.bf_len * sizeof(*program.bf_insns);

		out->at = malloc(bytes);
		out->n = program.bf_len;
		err = out->at ? 0 : -ENOMEM;
		if (out->at)
			memcpy(out->at, program.bf_insns, bytes);
		pcap_freecode(&program);
	} else {
		snprintf(why, why_size, "%s", pcap_geterr(p));
	}
	pcap_close(p);
	return err;
}

void filter_code_free(struct filter_code *code)
{
	free(code->at);
	*code = (struct filter_code){0};
}

bool filter_match(struct filter *f, uint32_t linktype, const uint8_t *frame, uint32_t caplen,
		  uint32_t len)
{
	char why[PCAP_ERRBUF_SIZE];
	int i;

	for (i = 0; i < f->n; i++)
		if (f->link[i].linktype == linktype)
			break;
	if (i == f->n) {
		if (f->n == FILTER_LINKS)
			return false;
		if (compile(f, linktype, why, sizeof(why)) < 0)
			log_line("--capture-filter: not for link type %u: %s", linktype, why);
	}
	return f->link[i].good && bpf_filter(f->link[i].program.bf_insns, frame, len, caplen) != 0;
}
