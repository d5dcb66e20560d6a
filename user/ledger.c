/* SPDX-License-Identifier: MIT */
/* ledger — see ledger.h. */
#include "user/ledger.h"

#include <string.h>

static const char *const kernel_names[] = {
#define KERNEL_NAME(name, json, help) json,
	RM_KERNEL_COUNTS(KERNEL_NAME)
#undef KERNEL_NAME
};

static const char *const drop_names[] = {
#define DROP_NAME(name, json, help) json,
	LIVE_DROPS(DROP_NAME)
#undef DROP_NAME
};

static const struct live_ring_stats *ring_at(const struct run *r, uint32_t worker, uint32_t ring)
{
	return &r->ring[worker * r->rings + ring];
}

/* A socket says how many frames found no buffer or were too long for one; the queue says how many
 * buffers were missing. */
static void add_queue(struct ledger *l, const struct run *r, uint32_t ring)
{
	uint64_t missing = 0, empty = ring_at(r, 0, ring)->queue_fill_empty;

	for (uint32_t w = 0; w < r->conf->workers; w++) {
		const struct live_ring_stats *s = ring_at(r, w, ring);

		missing += s->drop[LIVE_DROP_FILL_EMPTY];
		l->drop[LIVE_DROP_RING_FULL] += s->drop[LIVE_DROP_RING_FULL];
		if (l->iface[s->iface].mode == LIVE_TAP)
			l->packets += s->kernel_packets;
	}
	if (empty > missing)
		empty = missing;
	l->drop[LIVE_DROP_FILL_EMPTY] += empty;
	l->drop[LIVE_DROP_OVERSIZE] += missing - empty;
}

void ledger_gather(struct ledger *l, const struct run *r)
{
	uint64_t kept = 0;

	*l = (struct ledger){.ifaces = live_ifaces(r->live)};
	for (uint32_t i = 0; i < l->ifaces; i++) {
		live_iface_stats(r->live, i, &l->iface[i]);
		l->drop[LIVE_DROP_VETH] += l->iface[i].lost_in_veth;
		l->packets += l->iface[i].lost_in_veth;
		for (int k = 0; k < RM_KERNEL_MAX; k++) {
			l->kernel[k] += l->iface[i].kernel[k];
			/* What a tap's ring got is counted there. */
			if (l->iface[i].mode != LIVE_TAP ||
			    (k != RM_KERNEL_DELIVERED && k != RM_KERNEL_CUT))
				l->packets += l->iface[i].kernel[k];
		}
	}
	for (uint32_t ring = 0; ring < r->rings; ring++)
		add_queue(l, r, ring);
	for (uint32_t w = 0; w < r->conf->workers; w++) {
		l->read += r->worker[w].counts.read;
		l->unread += r->worker[w].counts.unread;
	}
	for (int d = 0; d < LIVE_DROP_MAX; d++)
		l->lost += l->drop[d];
	l->lost += l->kernel[RM_KERNEL_CLONE_FAILED];
	for (int k = RM_KERNEL_COUNTED; k <= RM_KERNEL_NO_SOCKET; k++)
		kept += l->kernel[k];
	l->exact = l->packets == l->read + l->unread + l->lost + kept;
}

static void member(struct json *j, char before, const char *name, uint64_t value)
{
	*j->at++ = before;
	*j->at++ = '"';
	json_name(j, name);
	json_lit(j, "\":");
	json_u64(j, value);
}

static void named(struct json *j, const char *const *names, const uint64_t *n, int count)
{
	*j->at++ = '{';
	for (int i = 0, first = 1; i < count; i++)
		if (n[i]) {
			member(j, first ? ' ' : ',', names[i], n[i]);
			first = 0;
		}
	*j->at++ = '}';
}

static void ring_object(struct json *j, const struct ledger *l, uint32_t worker,
			const struct live_ring_stats *s)
{
	json_lit(j, "{\"interface\":");
	json_text(j, l->iface[s->iface].name, strlen(l->iface[s->iface].name));
	member(j, ',', "queue", s->queue);
	member(j, ',', "worker", worker);
	member(j, ',', "packets", s->packets);
	member(j, ',', "bytes", s->bytes);
	member(j, ',', "wakeups", s->wakeups);
	json_lit(j, ",\"drops\":");
	named(j, drop_names, s->drop, LIVE_DROP_MAX);
	*j->at++ = '}';
}

/* Bounded by REPORT_STATS_MAX: beyond so many rings the rest are left to --perf-report. */
#define RINGS_TOLD 256U

void ledger_members(struct json *j, const struct ledger *l, const struct run *r)
{
	struct offload_counts offload = {0};
	uint32_t told = 0;

	for (uint32_t w = 0; w < r->conf->workers; w++) {
		offload.flows += r->worker[w].offload.flows;
		offload.refused += r->worker[w].offload.refused;
		offload.late += r->worker[w].offload.late;
	}

	member(j, ',', "kernel_packets", l->packets);
	member(j, ',', "kernel_drops", l->lost);
	member(j, ',', "unread", l->unread);
	json_lit(j, ",\"kernel\":");
	named(j, kernel_names, l->kernel, RM_KERNEL_MAX);
	json_lit(j, ",\"drops\":");
	named(j, drop_names, l->drop, LIVE_DROP_MAX);
	json_lit(j, ",\"interfaces\":[");
	for (uint32_t i = 0; i < l->ifaces; i++) {
		if (i)
			*j->at++ = ',';
		json_lit(j, "{\"name\":");
		json_text(j, l->iface[i].name, strlen(l->iface[i].name));
		json_lit(j, ",\"mode\":\"");
		json_name(j, live_mode_name(l->iface[i].mode));
		json_lit(j, "\",\"kernel\":");
		named(j, kernel_names, l->iface[i].kernel, RM_KERNEL_MAX);
		*j->at++ = '}';
	}
	json_lit(j, "],\"queues\":[");
	for (uint32_t ring = 0; ring < r->rings; ring++)
		for (uint32_t w = 0; w < r->conf->workers && told < RINGS_TOLD; w++, told++) {
			if (told)
				*j->at++ = ',';
			ring_object(j, l, w, ring_at(r, w, ring));
		}
	*j->at++ = ']';
	if (r->conf->offload) {
		json_lit(j, ",\"offload\":");
		member(j, '{', "flows", offload.flows);
		member(j, ',', "refused", offload.refused);
		member(j, ',', "late_packets", offload.late);
		*j->at++ = '}';
	}
	json_lit(j, ",\"ok\":");
	json_name(j, l->exact ? "true" : "false");
}

/* ---- for a person ---- */

static void histogram(FILE *out, const uint64_t *step)
{
	uint64_t all = 0;

	for (int i = 0; i < LIVE_STEPS; i++)
		all += step[i];
	for (int i = 0; i < LIVE_STEPS; i++)
		fprintf(out, " %3.0f", all ? 100.0 * (double)step[i] / (double)all : 0.0);
}

static double busy_share(const struct run *r, uint32_t worker)
{
	const uint64_t *ticks = r->worker[worker].counts.ticks;
	uint64_t all = 0;

	for (int i = 0; i < STAGE_COUNT; i++)
		all += ticks[i];
	return all ? 1.0 - (double)ticks[STAGE_wait] / (double)all : 0;
}

static void show_rings(const struct ledger *l, const struct run *r, FILE *out)
{
	fprintf(out,
		"\ninterface        queue worker      packets        bytes  ring full  no buffer"
		"  wake-ups  ring fill in eighths, %% of turns  frames a turn: 1 2 4 .. 128, %%\n");
	for (uint32_t ring = 0; ring < r->rings; ring++)
		for (uint32_t w = 0; w < r->conf->workers; w++) {
			const struct live_ring_stats *s = ring_at(r, w, ring);

			fprintf(out, "%-16s %5u %6u %12llu %12llu %10llu %10llu %9llu ",
				l->iface[s->iface].name, s->queue, w,
				(unsigned long long)s->packets, (unsigned long long)s->bytes,
				(unsigned long long)s->drop[LIVE_DROP_RING_FULL],
				(unsigned long long)s->drop[LIVE_DROP_FILL_EMPTY],
				(unsigned long long)s->wakeups);
			histogram(out, s->fill);
			fprintf(out, "  ");
			histogram(out, s->batch);
			fputc('\n', out);
		}
}

static void show_workers(const struct run *r, FILE *out)
{
	static const char *const stages[] = {
#define STAGE_NAME(name) #name,
		SHARD_STAGES(STAGE_NAME)
#undef STAGE_NAME
	};

	fprintf(out, "\nworker  busy      packets  cycles per packet:");
	for (int i = 0; i < STAGE_COUNT; i++)
		if (i != STAGE_wait && i != STAGE_end)
			fprintf(out, " %10s", stages[i]);
	fputc('\n', out);
	for (uint32_t w = 0; w < r->conf->workers; w++) {
		const struct shard_counts *c = &r->worker[w].counts;

		fprintf(out, "%6u %4.0f %% %12llu                    ", w, 100 * busy_share(r, w),
			(unsigned long long)c->packets);
		for (int i = 0; i < STAGE_COUNT; i++)
			if (i != STAGE_wait && i != STAGE_end)
				fprintf(out, " %10.0f",
					c->packets ? (double)c->ticks[i] / (double)c->packets : 0);
		fputc('\n', out);
	}
}

/* Sentences about what is wrong, the worst first. */
static void show_findings(const struct ledger *l, const struct run *r, FILE *out)
{
	for (uint32_t ring = 0; ring < r->rings; ring++)
		for (uint32_t w = 0; w < r->conf->workers; w++) {
			const struct live_ring_stats *s = ring_at(r, w, ring);
			uint64_t lost =
				s->drop[LIVE_DROP_RING_FULL] + s->drop[LIVE_DROP_FILL_EMPTY];

			if (lost)
				fprintf(out,
					"%s queue %u lost %llu packets: worker %u is busy %.0f "
					"%%\n",
					l->iface[s->iface].name, s->queue, (unsigned long long)lost,
					w, 100 * busy_share(r, w));
		}
	for (int d = 0; d < LIVE_DROP_MAX; d++)
		if (l->drop[d])
			fprintf(out, "%llu lost (%s)\n", (unsigned long long)l->drop[d],
				drop_names[d]);
	for (int k = RM_KERNEL_CUT; k < RM_KERNEL_MAX; k++)
		if (l->kernel[k])
			fprintf(out, "%llu %s in the kernel\n", (unsigned long long)l->kernel[k],
				kernel_names[k]);
}

void ledger_show(const struct ledger *l, const struct run *r, FILE *out)
{
	fprintf(out,
		"%llu packets reached the interfaces = %llu read + %llu lost + %llu left unread"
		" at the end + what the kernel kept back\n",
		(unsigned long long)l->packets, (unsigned long long)l->read,
		(unsigned long long)l->lost, (unsigned long long)l->unread);
	for (uint32_t i = 0; i < l->ifaces; i++)
		fprintf(out, "%s: %s\n", l->iface[i].name, live_mode_name(l->iface[i].mode));
	show_findings(l, r, out);
	show_rings(l, r, out);
	show_workers(r, out);
}
