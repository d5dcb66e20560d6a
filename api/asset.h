/* SPDX-License-Identifier: MIT */
/* asset — the files of the user interface, made from web/dist by tools/embed; read only. */
#ifndef API_ASSET_H
#define API_ASSET_H

#include <stddef.h>
#include <stdint.h>

enum asset_coding { ASSET_PLAIN, ASSET_GZIP, ASSET_BROTLI, ASSET_CODINGS };

struct asset {
	/* type: with its charset; etag: without quotes, of the plain bytes */
	const char *path, *type, *media, *etag;
	struct {
		const uint8_t *at;
		size_t n;
	} coded[ASSET_CODINGS];
};

extern const struct asset assets[];
extern const uint32_t asset_count;

#endif
