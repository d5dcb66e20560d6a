/* SPDX-License-Identifier: MIT */
/* main — options, run, report, exit status. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void on_signal(int sig)
{
	/* --max-seconds is a wish, and live capture has no other end; else an interrupt is trouble
	 */
	run_interrupt(&run, sig != SIGALRM && !run.live);
}

static void catch_signals(const struct conf *conf)
{
	struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGALRM, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL); /* a size limit is an error like a full disk */
	if (conf->max_seconds)
		alarm((unsigned)conf->max_seconds);
}

static bool write_stats(const struct conf *conf, const char *line, size_t len)
{
	FILE *f = fopen(conf->stats_output, "w");
	bool good = f && fwrite(line, 1, len, f) == len;

	if (f && fclose(f) != 0)
		good = false;
	if (!good)
		log_line("--stats-output %s: cannot be written", conf->stats_output);
	return good;
}

static bool write_perf(const struct conf *conf, const struct report *r)
{
	FILE *f = strcmp(conf->perf_report, "-") == 0 ? stdout : fopen(conf->perf_report, "we");
	bool good = f;

	if (f)
		ledger_show(&r->ledger, &run, f);
	if (f && (f == stdout ? fflush(f) : fclose(f)) != 0)
		good = false;
	if (!good)
		log_line("--perf-report %s: cannot be written", conf->perf_report);
	return good;
}

static int report(const struct conf *conf)
{
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
	if (conf->perf_report && run.live && !write_perf(conf, &r))
		status = 1;
	if (conf->stats_output && !write_stats(conf, line, len))
		status = 1;
	for (uint32_t w = 0; w < conf->workers; w++)
		if (run.shard[w].extract.failed)
			status = 1;
	if (run.interrupted) {
		log_line("interrupted after %llu packets", (unsigned long long)run.totals.packets);
		status = 1;
	}
	if (!r.balanced) {
		log_line("the balance sheet does not add up: please report this");
		status = 1;
	}
	return source_trouble(run.source) ? 1 : status;
}

int main(int argc, char **argv)
{
	static struct conf conf;
	int status = conf_read(&conf, argc, argv), err;

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
	catch_signals(&conf);
	err = run_begin(&run, &conf);
	if (err == 0)
		err = conf.ifaces.n ? capture_run(&run) : replay_run(&run);
	if (err == 0)
		status = report(&conf);
	else
		status = err == -EINVAL ? 2 : 1;
	run_close(&run);
	conf_free(&conf);
	return status;
}
