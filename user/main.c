/* SPDX-License-Identifier: MIT */
/* main — options, run, report, exit status. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "user/base/log.h"
#include "user/conf.h"
#include "user/capture.h"
#include "user/replay.h"
#include "user/report.h"
#include "user/show.h"
#include "user/source/nic_mode.h"

#ifndef RM_XDP_VERSION
#define RM_XDP_VERSION "unknown"
#endif

static struct run run; /* the signal handler's way to it */

/* Files that are written at the end, opened while that may be done. */
static struct {
	FILE *stats, *perf;
} outputs;

static void on_signal(int sig)
{
	/* --max-seconds is a wish, and live capture has no other end; else an interrupt is trouble
	 */
	if (sig == SIGHUP) {
		if (run.sink)
			sink_rotate(run.sink);
		return;
	}
	run_interrupt(&run, sig != SIGALRM && !run.live &&
				    !(run.source && source_in_real_time(run.source)));
}

static void catch_signals(const struct conf *conf)
{
	struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
	struct sigaction late = {.sa_handler = on_signal};
	struct sigaction rotate = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGALRM, &late, NULL);
	if (conf->ifaces.n || conf->watch.n || conf->peers.n || conf->follow_file)
		sigaction(SIGHUP, &rotate, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);        /* a size limit is an error like a full disk */
	if (conf->max_seconds && !conf->ifaces.n) /* live capture counts from where it is open */
		alarm((unsigned)conf->max_seconds);
}

/* What the handlers reach is about to go. */
static void leave_signals(void)
{
	static const int caught[] = {SIGHUP, SIGINT, SIGTERM, SIGALRM};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++)
		sigaction(caught[i], &ignore, NULL);
}

static FILE *open_output(const char *option, const char *path)
{
	FILE *f = path && strcmp(path, "-") == 0 ? stdout : path ? fopen(path, "we") : NULL;

	if (path && !f)
		log_line("%s %s: %s", option, path,
			 strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
	return f;
}

static bool open_outputs(const struct conf *conf)
{
	outputs.stats = open_output("--stats-output", conf->stats_output);
	outputs.perf = open_output("--perf-report", conf->perf_report);
	return (outputs.stats || !conf->stats_output) && (outputs.perf || !conf->perf_report);
}

/* Whether all of it was written. */
static bool close_output(const char *option, FILE *f)
{
	bool good = !ferror(f) && (f == stdout ? fflush(f) : fclose(f)) == 0;

	if (!good)
		log_line("%s: cannot be written", option);
	return good;
}

/* Exit status. */
static int report(struct run *ended)
{
	const struct conf *conf = ended->conf;
	static struct report r;
	static char line[REPORT_STATS_MAX];
	size_t len;
	int status = 0;

	report_gather(&r, &run);
	len = report_stats(&r, line);
	if (run.sink) {
		sink_line(run.sink, line, len);
		if (sink_failed(run.sink))
			status = 1;
	} else if (conf->show || conf->follow) {
		status = show_stream(&run, stdout);
	} else if (run.totals.packets || !source_trouble(run.source)) {
		report_show(&r, stdout);
		if (fflush(stdout) != 0) {
			log_line("standard output: cannot be written");
			status = 1;
		}
	}
	if (outputs.perf && run.live)
		ledger_show(&r.ledger, &run, outputs.perf);
	if (outputs.perf && !close_output("--perf-report", outputs.perf))
		status = 1;
	if (outputs.stats)
		fwrite(line, 1, len, outputs.stats);
	if (outputs.stats && !close_output("--stats-output", outputs.stats))
		status = 1;
	for (uint32_t w = 0; w < conf->workers; w++)
		if (run.shard[w].extract.failed)
			status = 1;
	if (run.interrupted) {
		log_line("interrupted after %llu packets", (unsigned long long)run.totals.packets);
		status = 1;
	}
	if (run.live && !r.ledger.exact) {
		log_line("packets of the interfaces are missing in the books: please report this");
		status = 1;
	}
	if (!r.balanced) {
		log_line("the balance sheet does not add up: please report this");
		status = 1;
	}
	return source_trouble(run.source) || (run.live && live_trouble(run.live)) ? 1 : status;
}

/* What only libpcap can open has a replay's path: one handle, steered in user space. */
static bool by_pcap(const struct conf *conf)
{
	char why[NIC_WHY];
	struct nic nic;

	if (conf->capture_mode != LIVE_AUTO)
		return conf->capture_mode == LIVE_PCAP;
	for (size_t i = 0; i < conf->ifaces.n; i++) {
		const char *name = conf->ifaces.at[i];

		if (nic_read(&nic, name) == 0 ? nic_auto(&nic, why, sizeof(why)) != NIC_PCAP
					      : strcmp(name, "any") != 0)
			continue;
		log_line("%s: pcap, because %s", name,
			 nic.ifindex ? why : "it stands for all interfaces");
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	static struct conf conf;
	int status, err;

	if (argc == 2 && strcmp(argv[1], "--compile-patterns") == 0)
		return pattern_compile_apart();
	status = conf_read(&conf, argc, argv);

	if (status)
		return status;
	if (conf.list_interfaces)
		return nic_show_list(stdout) == 0 && fflush(stdout) == 0 ? 0 : 1;
	if (conf.help || conf.man || conf.version) {
		if (conf.version)
			printf("rm-xdp %s\n", RM_XDP_VERSION);
		else if (conf.man)
			conf_man();
		else
			conf_help();
		return fflush(stdout) == 0 ? 0 : 1;
	}
	if (!open_outputs(&conf))
		return 1;
	err = run_begin(&run, &conf);
	run.report = report;
	if (err == 0 && conf.api_listen)
		err = api_open(&run.api, &run);
	catch_signals(&conf);
	if (err == 0)
		err = conf.ifaces.n && !by_pcap(&conf) ? capture_run(&run) : replay_run(&run);
	if (err == 0)
		status = run.api ? run.status : report(&run);
	else
		status = err == -EINVAL ? 2 : 1;
	leave_signals();
	api_close(run.api);
	run_close(&run);
	conf_free(&conf);
	return status;
}
