/* SPDX-License-Identifier: MIT */
/* extract — see extract.h. */
#include "user/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/event/json.h"
#include "user/event/record_http.h"
#include "user/privileges.h"
#include "user/shard.h"

#define PART_NAME 48U

static void fail(struct extract *x, const char *folder)
{
	if (!x->failed)
		log_line("--extract-files %s: %s", folder,
			 strerror(errno)); /* NOLINT(concurrency-mt-unsafe) */
	x->failed = true;
}

int extract_open(struct shard *s)
{
	struct extract *x = &s->extract;
	const char *folder = s->conf->extract;
	bool made;

	x->folder = x->index = -1;
	if (!folder)
		return 0;
	made = mkdir(folder, 0755) == 0;
	if (!made && errno != EEXIST) {
		fail(x, folder);
		return -EIO;
	}
	x->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (x->folder >= 0 && made && s->conf->ifaces.n)
		privileges_give(x->folder, s->conf->user); /* whether it can write is checked */
	if (x->folder >= 0)
		x->index = openat(x->folder, "index.jsonl",
				  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (x->index < 0) {
		fail(x, folder);
		return -EIO;
	}
	x->on = true;
	return 0;
}

void extract_close(struct shard *s)
{
	if (s->extract.index >= 0 && s->extract.on)
		close(s->extract.index);
	if (s->extract.folder >= 0 && s->extract.on)
		close(s->extract.folder);
}

/* While a body is not told: one file per stream, transaction and side. */
static void part_name(const struct shard *s, uint32_t slot, uint32_t tx_id, int side,
		      char name[PART_NAME])
{
	snprintf(name, PART_NAME, ".part-%016llx-%u-%d",
		 (unsigned long long)s->inventory.more[slot].id, tx_id, side);
}

void extract_body(struct shard *s, uint32_t slot, const struct parse_body *b)
{
	struct extract *x = &s->extract;
	char name[PART_NAME];
	struct span rest = b->bytes;
	int fd;

	if (b->last)
		return;
	part_name(s, slot, b->tx_id, b->side, name);
	/* Opened for each piece: there may be more bodies under way than descriptors. */
	fd = openat(x->folder, name,
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (b->off == 0 ? O_TRUNC : 0), 0644);
	while (fd >= 0 && rest.at < rest.end) {
		ssize_t n = write(fd, rest.at, span_len(rest));

		if (n <= 0)
			break;
		rest.at += n;
	}
	if (fd < 0 || rest.at < rest.end)
		fail(x, s->conf->extract);
	if (fd >= 0)
		close(fd);
	x->bytes += span_len(b->bytes);
}

static void hex(const uint8_t *hash, char out[65])
{
	for (int i = 0; i < 32; i++)
		sprintf(out + 2 * i, "%02x", hash[i]);
}

static void index_line(struct shard *s, uint32_t slot, const struct http1_transaction *t, int side,
		       const char *sha256)
{
	static const char *const directions[] = {"a_to_b", "b_to_a"};
	const struct http1_message *m = &t->side[side];
	struct span name = record_filename(t, side), url = t->text[HTTP1_TEXT_TARGET];
	struct span host = t->text[HTTP1_TEXT_HOST];
	struct json j = {.at = s->extract.line};

	json_lit(&j, "{\"sha256\":\"");
	json_name(&j, sha256);
	json_lit(&j, "\",\"size\":");
	json_u64(&j, m->length);
	json_lit(&j, ",\"whole\":");
	json_name(&j, m->file_whole ? "true" : "false");
	json_lit(&j, ",\"magic_kind\":\"");
	json_name(&j, magic_kind(span_of(m->magic, m->magic_len)));
	json_lit(&j, "\",\"stream_id\":");
	json_hex64(&j, s->inventory.more[slot].id);
	json_lit(&j, ",\"tx_id\":");
	json_u64(&j, t->tx_id);
	json_lit(&j, ",\"direction\":\"");
	json_name(&j, directions[side]);
	json_lit(&j, "\",\"filename\":");
	json_text(&j, (const char *)name.at, span_len(name));
	json_lit(&j, ",\"host\":");
	json_text(&j, (const char *)host.at, span_len(host));
	json_lit(&j, ",\"url\":");
	json_text(&j, (const char *)url.at, span_len(url));
	json_lit(&j, "}\n");
	if (write(s->extract.index, s->extract.line, (size_t)(j.at - s->extract.line)) !=
	    j.at - s->extract.line)
		fail(&s->extract, s->conf->extract);
}

void extract_http(struct shard *s, uint32_t slot, const struct http1_transaction *t)
{
	struct extract *x = &s->extract;

	for (int side = 0; side < 2; side++) {
		char part[PART_NAME], sha256[65];

		if (!t->side[side].length)
			continue;
		part_name(s, slot, t->tx_id, side, part);
		hex(t->side[side].sha256, sha256);
		if (renameat(x->folder, part, x->folder, sha256) < 0)
			fail(x, s->conf->extract);
		else
			index_line(s, slot, t, side, sha256);
		x->files++;
	}
}
