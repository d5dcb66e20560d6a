/* SPDX-License-Identifier: MIT */
/*
 * embed — files as C source: plain, gzip and brotli, each with an ETag.
 *
 * usage: embed FOLDER NAME... > OUT.c   (a FOLDER's index.html is the path /)
 */
#include <brotli/encode.h>
#include <openssl/sha.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FILE_MAX (4U << 20)

static uint8_t plain[FILE_MAX], packed[2 * FILE_MAX];

static const char *type_of(const char *name)
{
	static const char *const types[][2] = {
		{".html", "text/html; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".svg", "image/svg+xml"},
	};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}

static size_t gzip(size_t n)
{
	z_stream z = {.next_in = plain, .avail_in = (uInt)n, .next_out = packed};

	z.avail_out = sizeof(packed);
	if (deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK ||
	    deflate(&z, Z_FINISH) != Z_STREAM_END)
		return 0;
	deflateEnd(&z);
	return z.total_out;
}

static size_t brotli(size_t n)
{
	size_t out = sizeof(packed);

	return BrotliEncoderCompress(BROTLI_MAX_QUALITY, BROTLI_MAX_WINDOW_BITS, BROTLI_MODE_TEXT,
				     n, plain, &out, packed)
		       ? out
		       : 0;
}

static void put(const char *what, int file, const uint8_t *at, size_t n)
{
	printf("static const uint8_t %s_%d[] = {", what, file);
	for (size_t i = 0; i < n; i++)
		printf("%s%u,", i % 24 ? "" : "\n", at[i]);
	printf("\n};\n");
}

static int put_file(const char *folder, const char *name, int file)
{
	char path[4096];
	FILE *in;
	size_t n, small, smaller;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	in = fopen(path, "rb");
	if (!in) {
		perror(path);
		return -1;
	}
	n = fread(plain, 1, sizeof(plain), in);
	fclose(in);
	if (n == 0 || n == sizeof(plain) || !type_of(name)) {
		fprintf(stderr, "embed: %s: empty, too large, or of no known type\n", path);
		return -1;
	}
	put("plain", file, plain, n);
	small = gzip(n);
	put("gzip", file, packed, small);
	smaller = brotli(n);
	put("brotli", file, packed, smaller);
	return small && smaller ? 0 : -1;
}

static void put_row(const char *folder, const char *name, int file)
{
	uint8_t hash[SHA256_DIGEST_LENGTH];
	char path[4096], etag[17];
	FILE *in;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	in = fopen(path, "rb");
	SHA256(plain, in ? fread(plain, 1, sizeof(plain), in) : 0, hash);
	if (in)
		fclose(in);
	for (size_t i = 0; i < 8; i++)
		snprintf(etag + 2 * i, 3, "%02x", hash[i]);
	printf("\t{\"/%s\", \"%s\", \"%.*s\", \"%s\",\n\t {{plain_%d, sizeof(plain_%d)},\n"
	       "\t  {gzip_%d, sizeof(gzip_%d)},\n\t  {brotli_%d, sizeof(brotli_%d)}}},\n",
	       strcmp(name, "index.html") == 0 ? "" : name, type_of(name),
	       (int)strcspn(type_of(name), ";"), type_of(name), etag, file, file, file, file, file,
	       file);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: embed FOLDER NAME... > OUT.c\n");
		return 2;
	}
	printf("#include \"api/asset.h\"\n\n");
	for (int i = 2; i < argc; i++)
		if (put_file(argv[1], argv[i], i) < 0)
			return 1;
	printf("\nconst struct asset assets[] = {\n");
	for (int i = 2; i < argc; i++)
		put_row(argv[1], argv[i], i);
	printf("};\nconst uint32_t asset_count = sizeof(assets) / sizeof(assets[0]);\n");
	return fflush(stdout) == 0 ? 0 : 1;
}
