/* SPDX-License-Identifier: MIT */
/* content — what content.c and download.c share: bytes of a direction in one piece, and chains. */
#ifndef API_CONTENT_H
#define API_CONTENT_H

#include "api/inside.h"
#include "user/view/transform.h"

#define GATHER_MOST (16UL << 20) /* bytes of a message that is transformed */

enum { STEP_WHOLE, STEP_CUT }; /* call.step: GATHER_MOST was reached */

/* The transform the call asks for; false after an answer. */
bool content_chain(struct api *a, struct call *c, struct transform_chain *chain);
/* Bytes [c->at, c->end) of c->dir behind the c->n ones in c->bytes, holes left out; then goes on.
 */
void content_gather(struct api *a, struct call *c, void (*then)(struct api *a, struct call *c));

#endif
