/* SPDX-License-Identifier: MIT */
/* magic — see magic.h. */
#include "user/parse/magic.h"

const char *magic_kind(struct span first)
{
	static const struct {
		const char *kind;
		uint8_t len, bytes[8];
	} table[] = {
		{"png", 4, "\x89PNG"},
		{"jpeg", 3, "\xff\xd8\xff"},
		{"gif", 4, "GIF8"},
		{"webp_or_wav", 4, "RIFF"},
		{"bmp", 2, "BM"},
		{"icon", 4, {0, 0, 1, 0}},
		{"pdf", 5, "%PDF-"},
		{"zip", 4, "PK\x03\x04"},
		{"gzip", 2, "\x1f\x8b"},
		{"bzip2", 3, "BZh"},
		{"xz", 6, {0xfd, '7', 'z', 'X', 'Z', 0}},
		{"zstd", 4, "\x28\xb5\x2f\xfd"},
		{"7z", 6, "7z\xbc\xaf\x27\x1c"},
		{"rar", 4, "Rar!"},
		{"elf", 4, "\x7f\x45LF"},
		{"pe", 2, "MZ"},
		{"java_class", 4, "\xca\xfe\xba\xbe"},
		{"wasm", 4, {0, 'a', 's', 'm'}},
		{"sqlite", 6, "SQLite"},
		{"ogg", 4, "OggS"},
		{"flash", 3, "CWS"},
		{"flash", 3, "FWS"},
		{"script", 2, "#!"},
		{"html", 5, "<html"},
		{"html", 5, "<HTML"},
		{"html", 6, "<!DOCT"},
		{"html", 6, "<!doct"},
		{"xml", 5, "<?xml"},
		{"php", 5, "<?php"},
		{"json", 2, "{\""},
		{"json", 2, "[{"},
		{"pem", 5, "-----"},
	};
	size_t n = span_len(first);

	if (n == 0)
		return "empty";
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (n >= table[i].len && memcmp(first.at, table[i].bytes, table[i].len) == 0)
			return table[i].kind;
	for (const uint8_t *p = first.at; p < first.end; p++)
		if ((*p < 0x20 && *p != '\t' && *p != '\r' && *p != '\n') || *p == 0x7f)
			return "binary";
	return "text";
}
