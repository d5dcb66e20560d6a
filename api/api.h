/* SPDX-License-Identifier: MIT */
/*
 * api — the HTTP interface: a thread that owns the view and runs the server.
 *
 * Contract: API.md.  The workers tell it what happens through channels and answer what it asks; it
 * never reads what is theirs.  It runs at a lower priority than they do.
 *
 * Threads: all of these by the main thread; api_open before privileges are given up (it opens the
 *          listener, certificates, the token and the saved state).
 * Errors:  said where they happen.
 */
#ifndef API_API_H
#define API_API_H

#include <stdbool.h>
#include <stddef.h>

struct api;
struct run;

/* 0 or negative errno (-EINVAL: a setting is wrong). */
int api_open(struct api **out, struct run *run);
/* A tcpdump expression for all but the API's own connections; false where there are none on a
 * network. */
bool api_others(const struct api *a, char *out, size_t size);
/* The workers are about to start. */
int api_start(struct api *a);
/* The input has ended, and run->worker holds what was counted in all. */
void api_ended(struct api *a);
/* Stops serving; with answers under way finished, as far as that takes no longer than a moment. */
void api_close(struct api *a);

#endif
