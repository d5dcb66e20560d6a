/* SPDX-License-Identifier: MIT */
/*
 * parity — the frames of captures through the steering program in the kernel, the same parser in
 * user space and the decoder: all must name the same hash.
 *
 *   parity FILE...
 *
 * Frames of other link types than Ethernet, and below 14 bytes (which the kernel refuses), are left
 * out.  Where the decoder opens more layers than the kernel, only the first two are compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/steer_host.h"
#include "user/decode/decode.h"
#include "user/source/source.h"

enum { SHORTEST = 14, LONGEST = 60000 };

struct tally {
	uint64_t frames, decoded, passed, failed;
};

struct parity {
	struct steer_host host;
	struct decode_conf conf;
	struct decoder decoder;
	struct packets packets;
	struct block block;
};

static bool equal(struct parity *p, uint32_t i, struct tally *t)
{
	const struct frame *f = &p->block.frame[i];
	const uint8_t *at = p->block.buf + f->at;
	const struct packet *row = &p->packets.row[i];
	struct rm_meta meta;
	uint8_t layers;
	bool fragment;
	uint64_t hash = steer_host_hash(&p->host, at, f->caplen, &layers, &fragment);

	t->frames++;
	if (!steer_host_run(&p->host, at, f->caplen, &meta) || meta.hash != hash)
		return false;
	if (row->verdict != VERDICT_FLOW || fragment || row->ip_layers != layers)
		return true;
	t->decoded++;
	return row->hash == hash;
}

static void run(struct parity *p, const char *path, struct tally *t)
{
	struct source_conf conf = {.paths = &path, .n_paths = 1};
	struct source *source;

	if (source_open(&source, &conf) < 0)
		return;
	p->block.index = 0;
	do {
		source_fill(source, &p->block);
		decode_begin(&p->decoder, &p->packets);
		for (uint32_t i = 0; i < p->block.n; i++) {
			const struct frame *f = &p->block.frame[i];
			const struct iface *iface =
				f->iface == IFACE_NONE ? NULL : source_iface(source, f->iface);

			decode_frame(&p->decoder, &p->block, iface, &p->packets, i);
			if (!iface || iface->linktype != 1 || f->caplen < SHORTEST ||
			    f->caplen > LONGEST)
				continue;
			if (equal(p, i, t)) {
				t->passed++;
			} else if (t->failed++ < 10) {
				fprintf(stderr, "parity: %s: frame %llu differs\n", path,
					(unsigned long long)p->block.first_number + i);
			}
		}
		p->block.index++;
	} while (!p->block.last);
	source_close(source);
}

int main(int argc, char **argv)
{
	static struct parity p;
	struct tally t = {0};

	if (!steer_host_open(&p.host))
		return 0;
	p.conf = (struct decode_conf){.key = p.host.key, .max_layers = 32};
	if (decoder_open(&p.decoder, &p.conf) < 0 || block_open(&p.block, false) < 0 ||
	    packets_open(&p.packets, BLOCK_FRAMES) < 0)
		return 1;
	for (int i = 1; i < argc; i++)
		run(&p, argv[i], &t);
	steer_host_close(&p.host);
	printf("parity: %llu frames, %llu of them with the decoder's hash\n",
	       (unsigned long long)t.frames, (unsigned long long)t.decoded);
	printf("%llu passed, %llu failed\n", (unsigned long long)t.passed,
	       (unsigned long long)t.failed);
	return t.failed ? 1 : 0;
}
