/* SPDX-License-Identifier: MIT */
/* capture — see capture.h. */
#include "tools/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER = 24, RECORD_HEADER = 16, ETHERNET = 14, MAX_FILE = 16 << 20 };

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

struct segment {
	const uint8_t *at;
	size_t len;
	unsigned sport, dport;
	uint32_t seq;
	bool syn;
};

/* False where the frame is no TCP over IPv4. */
static bool segment_of(const uint8_t *f, size_t n, struct segment *s)
{
	size_t ip = ETHERNET, tcp, data, total;

	if (n < ETHERNET + 40 || be16(f + 12) != 0x0800 || f[ip] >> 4 != 4 || f[ip + 9] != 6)
		return false;
	tcp = ip + (size_t)(f[ip] & 15) * 4;
	total = ip + be16(f + ip + 2);
	if (total > n || tcp + 20 > total)
		return false;
	data = tcp + (size_t)(f[tcp + 12] >> 4) * 4;
	if (data > total)
		return false;
	*s = (struct segment){.at = f + data,
			      .len = total - data,
			      .sport = be16(f + tcp),
			      .dport = be16(f + tcp + 2),
			      .seq = be32(f + tcp + 4),
			      .syn = f[tcp + 13] & 2};
	return true;
}

static uint8_t *read_file(const char *path, size_t *len)
{
	uint8_t *at = malloc(MAX_FILE);
	FILE *f = fopen(path, "rb");

	*len = f && at ? fread(at, 1, MAX_FILE, f) : 0;
	if (f)
		fclose(f);
	return at;
}

/* One side of the first connection to a port, while its frames are read. */
struct side {
	unsigned port, client; /* client: its port, 0 until it is known */
	bool server;
	uint32_t first; /* sequence number of the first byte */
	uint8_t *bytes;
	size_t len;
};

static void take(struct side *d, const struct segment *s)
{
	bool back = s->sport == d->port;
	unsigned other = back ? s->dport : s->sport;
	size_t off;

	if (!back && s->dport != d->port)
		return;
	if (!d->client)
		d->client = other;
	if (other != d->client || back != d->server)
		return;
	if (s->syn) {
		d->first = s->seq + 1;
		return;
	}
	off = s->seq - d->first;
	if (off + s->len > MAX_FILE)
		return;
	memcpy(d->bytes + off, s->at, s->len);
	d->len = off + s->len > d->len ? off + s->len : d->len;
}

uint8_t *capture_side(const char *path, unsigned port, bool server, size_t *len)
{
	size_t size, pos = FILE_HEADER;
	uint8_t *file = read_file(path, &size);
	struct side d = {.port = port, .server = server, .bytes = calloc(1, MAX_FILE)};

	while (file && d.bytes && pos + RECORD_HEADER <= size) {
		size_t n = le32(file + pos + 8);
		struct segment s;

		pos += RECORD_HEADER;
		if (n > size - pos)
			break;
		if (segment_of(file + pos, n, &s))
			take(&d, &s);
		pos += n;
	}
	free(file);
	*len = d.len;
	if (d.len)
		return d.bytes;
	free(d.bytes);
	return NULL;
}
