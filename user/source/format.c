/* SPDX-License-Identifier: MIT */
/* format — see format.h. */
#include "user/source/format.h"

#include <string.h>

#define CLASSIC_HEADER  24
#define CLASSIC_RECORD  16
#define MODIFIED_RECORD 24
#define SECTION_MAGIC   0x1a2b3c4dU
#define NS              1000000000ULL

enum { BLOCK_INTERFACE = 1, BLOCK_PACKET = 2, BLOCK_SIMPLE = 3, BLOCK_ENHANCED = 6 };
#define BLOCK_SECTION 0x0a0d0d0aU

static const struct {
	uint32_t magic;
	bool ns, modified;
} magics[] = {
	{0xa1b2c3d4, false, false},
	{0xa1b23c4d, true, false},
	{0xa1b2cd34, false, true}, /* Kuznetzov's: 8 more bytes in each record header */
};

static uint32_t get32(const struct format *f, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return f->swap ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct format *f, const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return f->swap ? __builtin_bswap16(v) : v;
}

static uint64_t get64(const struct format *f, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return f->swap ? __builtin_bswap64(v) : v;
}

int ifaces_open(struct ifaces *t)
{
	int err = slots_open(&t->mem, sizeof(struct iface), IFACE_MAX);

	t->row = (struct iface *)t->mem.base;
	t->n = 0;
	return err;
}

void ifaces_close(struct ifaces *t)
{
	slots_close(&t->mem);
	t->row = NULL;
}

static bool iface_equal(const struct iface *a, const struct iface *b)
{
	return a->linktype == b->linktype && a->file == b->file && a->ticks_num == b->ticks_num &&
	       a->ticks_den == b->ticks_den && a->offset_s == b->offset_s &&
	       a->snaplen == b->snaplen && memcmp(a->name, b->name, sizeof(a->name)) == 0;
}

uint32_t ifaces_add(struct ifaces *t, const struct iface *iface)
{
	for (uint32_t i = 0; t->share && i < t->n; i++)
		if (iface_equal(&t->row[i], iface))
			return i;
	if (t->n >= IFACE_MAX)
		return IFACE_NONE;
	slots_reach(&t->mem, t->n);
	t->row[t->n] = *iface;
	return t->n++;
}

static enum format_got need(struct record *r, uint64_t total)
{
	r->total = total;
	return FORMAT_NEED;
}

static enum format_got skip(struct record *r, uint64_t total)
{
	r->total = total;
	return FORMAT_SKIP;
}

static enum format_got bad(struct record *r, const char *why)
{
	r->why = why;
	return FORMAT_BAD;
}

enum format_got format_begin(struct format *f, struct ifaces *t, const uint8_t *p, size_t have,
			     struct record *r)
{
	uint32_t magic, link;
	uint16_t minor;

	if (have < 4)
		return need(r, 4);
	memcpy(&magic, p, sizeof(magic));
	if (magic == BLOCK_SECTION) {
		f->ng = true;
		return skip(r, 0);
	}
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		f->swap = magic == __builtin_bswap32(magics[i].magic);
		if (magic != magics[i].magic && !f->swap)
			continue;
		if (have < CLASSIC_HEADER)
			return need(r, CLASSIC_HEADER);
		f->ns = magics[i].ns;
		f->modified = magics[i].modified;
		minor = get16(f, p + 6);
		/* Before version 2.3 the two lengths stood in the other order. */
		f->swapped_lengths = get16(f, p + 4) == 2 && minor < 3;
		/* The upper bits say whether an FCS follows the frame; IP lengths cut it off. */
		link = get32(f, p + 20) & 0xffff;
		f->iface = ifaces_add(t, &(struct iface){.linktype = link,
							 .file = f->file,
							 .ticks_num = 1,
							 .ticks_den = 1,
							 .snaplen = get32(f, p + 16)});
		return skip(r, CLASSIC_HEADER);
	}
	return bad(r, "no capture file: neither pcap nor pcapng");
}

static enum format_got classic_next(const struct format *f, const uint8_t *p, size_t have,
				    struct record *r)
{
	uint32_t header = f->modified ? MODIFIED_RECORD : CLASSIC_RECORD;
	uint32_t fraction;

	if (have < header)
		return need(r, header);
	r->caplen = get32(f, p + 8);
	r->len = get32(f, p + 12);
	if (f->swapped_lengths && r->caplen > r->len) {
		uint32_t len = r->caplen;

		r->caplen = r->len;
		r->len = len;
	}
	if (r->caplen > FORMAT_MAX_FRAME)
		return bad(r, "a record claims more than 1 MiB of captured bytes");
	r->total = header + r->caplen;
	if (have < r->total)
		return FORMAT_NEED;
	fraction = get32(f, p + 4);
	r->ts_ns = get32(f, p) * NS + (f->ns ? fraction : fraction * 1000ULL);
	r->at = header;
	r->iface = f->iface;
	return FORMAT_FRAME;
}

/* Ticks of an interface to ns since 1970, saturating: the field is anybody's number. */
static uint64_t ticks_ns(const struct iface *i, uint64_t ticks)
{
	__int128 ns = (__int128)ticks * (__int128)i->ticks_num / (__int128)i->ticks_den;

	ns += (__int128)i->offset_s * (__int128)NS;
	if (ns < 0)
		return 0;
	return ns > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

static void set_resolution(struct iface *i, uint8_t resolution)
{
	uint32_t exponent = resolution & 0x7f;

	i->ticks_num = NS;
	i->ticks_den = 1;
	if (resolution & 0x80) {
		i->ticks_den = 1ULL << (exponent > 63 ? 63 : exponent);
		return;
	}
	for (uint32_t n = 0; n < exponent && n < 19; n++)
		i->ticks_den *= 10;
}

/* Interface description block: link type, snaplen, options if_name, if_tsresol, if_tsoffset. */
static enum format_got interface_block(struct format *f, struct ifaces *t, const uint8_t *p,
				       uint32_t total, struct record *r)
{
	struct iface i = {.file = f->file, .section = f->section};
	uint32_t at = 16, row;

	if (total < 20)
		return bad(r, "an interface description block is too short");
	i.linktype = get16(f, p + 8);
	i.snaplen = get32(f, p + 12);
	set_resolution(&i, 6);
	while (total - 4 - at >= 4) {
		uint32_t code = get16(f, p + at), len = get16(f, p + at + 2);
		uint32_t padded = (len + 3) & ~3U;
		const uint8_t *value = p + at + 4;

		if (code == 0 || len > total - 4 - at - 4)
			break;
		if (code == 2)
			memcpy(i.name, value, len < sizeof(i.name) ? len : sizeof(i.name) - 1);
		else if (code == 9 && len >= 1)
			set_resolution(&i, value[0]);
		else if (code == 14 && len >= 8)
			i.offset_s = (int64_t)get64(f, value);
		if (padded > total - 4 - at - 4)
			break;
		at += 4 + padded;
	}
	row = ifaces_add(t, &i);
	if (f->n_ifaces == 0)
		f->iface = row;
	f->scattered |= row != f->iface + f->n_ifaces;
	if (f->n_ifaces < FORMAT_ROWS)
		f->row[f->n_ifaces] = (uint16_t)row;
	f->n_ifaces++;
	return skip(r, total);
}

/* The row of a section's interface, or IFACE_NONE where it was refused. */
static uint32_t iface_row(const struct format *f, const struct ifaces *t, uint32_t id)
{
	uint32_t row = f->iface;

	if (row == IFACE_NONE)
		return IFACE_NONE;
	if (!f->scattered)
		return row + id < t->n ? row + id : IFACE_NONE;
	if (id < FORMAT_ROWS)
		return f->row[id];
	for (; row < t->n; row++)
		if (t->row[row].section == f->section && id-- == 0)
			return row;
	return IFACE_NONE;
}

static enum format_got frame_block(const struct format *f, const struct ifaces *t, uint32_t id,
				   uint64_t ticks, struct record *r)
{
	r->iface = IFACE_NONE;
	r->ts_ns = ticks * 1000;
	if (id >= f->n_ifaces)
		return bad(r, "a packet names an interface that was not described");
	r->iface = iface_row(f, t, id);
	if (r->iface != IFACE_NONE)
		r->ts_ns = ticks_ns(&t->row[r->iface], ticks);
	return FORMAT_FRAME;
}

static enum format_got packet_block(const struct format *f, const struct ifaces *t,
				    const uint8_t *p, uint32_t type, struct record *r)
{
	uint32_t total = (uint32_t)r->total, id = 0, snaplen;
	uint64_t ticks = 0;

	if (type == BLOCK_SIMPLE) {
		if (total < 16)
			return bad(r, "a simple packet block is too short");
		r->at = 12;
		r->len = get32(f, p + 8);
		snaplen = f->n_ifaces && f->iface < t->n ? t->row[f->iface].snaplen : 0;
		r->caplen = r->len < total - 16 ? r->len : total - 16;
		if (snaplen && r->caplen > snaplen)
			r->caplen = snaplen;
	} else {
		if (total < 32)
			return bad(r, "a packet block is too short");
		r->at = 28;
		r->caplen = get32(f, p + 20);
		r->len = get32(f, p + 24);
		id = type == BLOCK_PACKET ? get16(f, p + 8) : get32(f, p + 8);
		ticks = (uint64_t)get32(f, p + 12) << 32 | get32(f, p + 16);
		if (r->caplen > total - 32)
			return bad(r, "a packet block claims more bytes than it holds");
	}
	return frame_block(f, t, id, ticks, r);
}

static enum format_got section_block(struct format *f, struct ifaces *t, const uint8_t *p,
				     size_t have, struct record *r)
{
	uint32_t total;

	if (have < 12)
		return need(r, 12);
	f->swap = false;
	if (get32(f, p + 8) != SECTION_MAGIC) {
		f->swap = true;
		if (get32(f, p + 8) != SECTION_MAGIC)
			return bad(r, "a section header has no valid byte-order magic");
	}
	total = get32(f, p + 4);
	if (total < 28 || total % 4)
		return bad(r, "a section header has an impossible length");
	f->in_section = true;
	f->section = ++t->sections;
	f->scattered = false;
	f->n_ifaces = 0;
	f->iface = IFACE_NONE;
	return skip(r, total);
}

static enum format_got ng_next(struct format *f, struct ifaces *t, const uint8_t *p, size_t have,
			       struct record *r)
{
	uint32_t type, total;

	if (have < 8)
		return need(r, 8);
	type = get32(f, p);
	if (type == BLOCK_SECTION)
		return section_block(f, t, p, have, r);
	total = get32(f, p + 4);
	if (!f->in_section || total < 12 || total % 4)
		return bad(r, "a block has an impossible length");
	r->total = total;
	if (type != BLOCK_INTERFACE && type != BLOCK_PACKET && type != BLOCK_SIMPLE &&
	    type != BLOCK_ENHANCED)
		return FORMAT_SKIP;
	if (total > FORMAT_MAX_FRAME + 4096)
		return bad(r, "a packet block is longer than 1 MiB");
	if (have < total)
		return FORMAT_NEED;
	if (get32(f, p + total - 4) != total)
		return bad(r, "the two lengths of a block differ");
	if (type == BLOCK_INTERFACE)
		return interface_block(f, t, p, total, r);
	return packet_block(f, t, p, type, r);
}

enum format_got format_next(struct format *f, struct ifaces *t, const uint8_t *p, size_t have,
			    struct record *r)
{
	return f->ng ? ng_next(f, t, p, have, r) : classic_next(f, p, have, r);
}
