/* SPDX-License-Identifier: MIT */
/*
 * lines — whole lines out of chunks: in place where one lies in a chunk, joined in a buffer where
 * it does not.
 *
 * Every line given out ends in its '\n', which is the scanners' sentinel: no byte behind it is
 * read.  A line longer than conf line_bytes is given out cut: its beginning, its last LINE_END
 * bytes (where a request line has its version), and the '\n'.
 *
 * Owner:   one worker.
 * Memory:  `buffers` of line_bytes address space each; pages are touched as lines need them.
 * Bounds:  as above; a tail that finds no buffer is dropped up to its line's end (refused).
 */
#ifndef USER_PARSE_LINES_H
#define USER_PARSE_LINES_H

#include <stdbool.h>

#include "user/base/slots.h"
#include "user/base/span.h"

#define LINE_END 16U

/* What a direction keeps of an unfinished line. */
struct line_tail {
	uint32_t entry; /* + 1, 0 = none */
	uint32_t len : 31, cut : 1;
};

struct lines {
	uint64_t refused; /* tails that found no buffer */
	/* private */
	struct slots slots;
	uint32_t line_bytes, cap, free, fresh; /* + 1 */
};

int lines_open(struct lines *l, uint32_t line_bytes, uint32_t buffers);
void lines_close(struct lines *l);

/* The next line of *in, which moves behind it; false where more bytes are needed.  The line is
 * valid until lines_done. */
bool lines_next(struct lines *l, struct line_tail *t, struct span *in, struct span *line);
/* What is kept of an unfinished line. */
struct span lines_held(const struct lines *l, const struct line_tail *t);
/* Keeps bytes as an unfinished line does; false where not all found room. */
bool lines_hold(struct lines *l, struct line_tail *t, struct span bytes);
/* The line was looked at; true where it had been cut. */
bool lines_done(struct lines *l, struct line_tail *t);

#endif
