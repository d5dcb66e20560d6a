/* SPDX-License-Identifier: MIT */
/* incoming — see incoming.h. */
#include "user/source/incoming.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/source/folder.h"
#include "user/source/merge.h"
#include "user/source/peer.h"

#define BEGIN_NS 20000000ULL  /* spent on beginning files, in one block */
#define LOOK_NS  20000000ULL  /* between looks at files that grow, and while files gather */
#define HOLD_NS  300000000ULL /* files that gather hold others up for no longer */
#define OPEN_MAX 4096         /* files being begun */

struct watched {
	struct folder *folder;
	uint32_t file; /* its number, where names ran out */
	bool single;   /* one file, and no more once that has ended */
	bool given, over;
};

/* A file of a folder.  `input` is first: the merge hands that back. */
struct incoming_file {
	struct input input;
	struct watched *from;
	struct folder_file file;
	uint64_t looked_ns;
	struct incoming_file *next; /* of those that have no packet yet */
};

struct incoming {
	struct watched *watched;
	struct peer **peer;
	struct pcap_live **iface;
	size_t n_watched, n_peers, n_ifaces, ifaces_left;
	char **name;
	uint32_t n_names, first_file;
	struct merge merge;
	struct incoming_file *opening;
	uint32_t n_opening;
	struct pollfd *ready;
	size_t turn; /* of peers and interfaces: who is asked first */
	uint64_t last_ns, held_ns, taken;
	bool in_real_time, began, trouble;
};

/* ---- files ---- */

/* A number for a name, or UINT32_MAX where there is none. */
static uint32_t add_name(struct incoming *l, const char *text)
{
	char *copy = l->n_names < INCOMING_FILES ? strdup(text) : NULL;

	if (!copy)
		return UINT32_MAX;
	l->name[l->n_names] = copy;
	return l->first_file + l->n_names++;
}

static void end_file(struct incoming *l, struct incoming_file *x)
{
	struct input *in = &x->input;

	input_end(in);
	if (in->foreign)
		log_line("%s: no capture: left out", in->path);
	l->trouble |= in->trouble;
	l->taken += in->taken;
	folder_done(x->from->folder, &x->file, in->taken, in->packets);
	x->from->over |= x->from->single;
	free(x->file.path);
	free(x);
}

/* It has its first packet: in among the others. */
static void admit(struct incoming *l, struct incoming_file *x, const struct intake *in)
{
	const struct record *first = &x->input.head;

	if (in->clock.seen && first->ts_ns < in->clock.now_ns && x->file.pass == 0) {
		uint64_t ms = (in->clock.now_ns - first->ts_ns) / 1000000;

		log_line("%s begins %llu.%03llu s before what was read already", x->input.path,
			 (unsigned long long)(ms / 1000), (unsigned long long)(ms % 1000));
	}
	if (merge_add(&l->merge, &x->input) < 0) {
		log_line("%s: out of memory: not read", x->input.path);
		l->trouble = true;
		end_file(l, x);
	}
}

static void begin_file(struct incoming *l, struct ifaces *t, struct watched *w,
		       const struct folder_file *file)
{
	struct incoming_file *x = calloc(1, sizeof(*x));
	uint32_t number = add_name(l, file->path), rows = t->n;

	if (!x) {
		close(file->fd);
		free(file->path);
		l->trouble = true;
		return;
	}
	x->from = w;
	w->given = true;
	x->file = *file;
	x->input = (struct input){.path = file->path,
				  .name = file->path,
				  .named = w->single,
				  .size = file->size,
				  .live = true,
				  .grows = file->grows,
				  .pass = file->pass};
	input_begin_fd(&x->input, t, number == UINT32_MAX ? w->file : number, file->fd);
	x->file.fd = -1;
	if (x->input.ended && number != UINT32_MAX && rows == t->n)
		free(l->name[--l->n_names]); /* nobody speaks of it */
	x->next = l->opening;
	l->opening = x;
	l->n_opening++;
}

/* What a file that grows has come to, now and then. */
static void look_at(struct incoming_file *x, uint64_t now_ns)
{
	struct input *in = &x->input;

	if (!in->grows || in->has_head || in->ended || now_ns - x->looked_ns < LOOK_NS)
		return;
	x->looked_ns = now_ns;
	switch (folder_growth(x->from->folder, &x->file, bytes_taken(in->bytes))) {
	case FOLDER_GROWS:
		break;
	case FOLDER_CLOSED:
	case FOLDER_REPLACED:
		input_grown(in);
		break;
	case FOLDER_TRUNCATED:
		in->ended = true;
		break;
	}
}

/* Files that were begun and had no packet yet. */
static void go_on_opening(struct incoming *l, struct ifaces *t, const struct intake *in,
			  uint64_t now_ns)
{
	struct incoming_file **at = &l->opening, *x;

	while ((x = *at)) {
		look_at(x, now_ns);
		if (!input_next(&x->input, t) && !x->input.ended) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		l->n_opening--;
		if (x->input.ended)
			end_file(l, x);
		else
			admit(l, x, in);
	}
}

/* News of the folders; files that are complete are begun.  True where others may turn out to be
 * earlier than what is there. */
static bool look_round(struct incoming *l, struct ifaces *t, const struct intake *in)
{
	uint64_t began_ns = clock_ns(), now_ns = began_ns;
	bool gives = false, gathers = false;

	for (size_t i = 0; i < l->n_watched; i++) {
		struct watched *w = &l->watched[i];
		struct folder_file file;

		if (!w->over && !folder_turn(w->folder, now_ns))
			w->over = true;
		while (!(w->single && w->given) && l->n_opening < OPEN_MAX &&
		       now_ns - began_ns < BEGIN_NS && folder_next(w->folder, now_ns, &file)) {
			begin_file(l, t, w, &file);
			go_on_opening(l, t, in, now_ns);
			now_ns = clock_ns();
		}
		gives |= folder_gives(w->folder, now_ns);
		gathers |= folder_gathers(w->folder);
		l->trouble |= folder_trouble(w->folder);
	}
	go_on_opening(l, t, in, now_ns);
	for (const struct incoming_file *x = l->opening; x; x = x->next)
		gives |= !x->input.grows;
	for (size_t i = 0; i < l->merge.active; i++)
		look_at((struct incoming_file *)l->merge.order[i], now_ns);
	if (l->merge.active || !gathers)
		l->held_ns = now_ns;
	return !l->merge.active && (gives || (gathers && now_ns - l->held_ns < HOLD_NS));
}

/* Copies a frame, with the time that passed since the last one was read. */
static void take(struct incoming *l, struct intake *in, struct block *b, const struct record *r,
		 const uint8_t *frame, uint64_t number)
{
	uint64_t passed_ns = 0;

	if (b->n == 0) {
		uint64_t now_ns = clock_ns();

		passed_ns = now_ns - l->last_ns;
		l->last_ns = now_ns;
	}
	intake_copy_after(in, b, r, frame, number, passed_ns);
}

static void take_files(struct incoming *l, struct ifaces *t, struct intake *in, struct block *b)
{
	if (!merge_refresh(&l->merge, t))
		return;
	while (intake_room(in, b)) {
		struct input *f = merge_pick(&l->merge, t);

		if (l->merge.retired) {
			end_file(l, (struct incoming_file *)l->merge.retired);
			l->merge.retired = NULL;
			continue;
		}
		if (!f)
			break;
		take(l, in, b, &f->head, input_frame(f), f->packets);
		if (!input_next(f, t) && !f->ended && !f->grows)
			break;
	}
}

/* ---- peers and interfaces ---- */

static void take_peer(struct incoming *l, struct peer *p, struct ifaces *t, struct intake *in,
		      struct block *b)
{
	struct input *f = peer_turn(p, t, clock_ns());

	while (f && intake_room(in, b)) {
		take(l, in, b, &f->head, input_frame(f), f->packets);
		if (!peer_next(p, t))
			break;
	}
}

static void take_iface(struct incoming *l, struct pcap_live *p, struct intake *in, struct block *b)
{
	const uint8_t *frame;
	struct record r;
	int got = 0;

	if (pcap_live_fd(p) < 0)
		return;
	while (intake_room(in, b) && (got = pcap_live_next(p, &r, &frame)) == 1)
		take(l, in, b, &r, frame, pcap_live_frames(p));
	if (got < 0) {
		l->trouble = true;
		l->ifaces_left--;
	}
}

/* ---- a block ---- */

static bool alive(const struct incoming *l)
{
	if (l->merge.n || l->opening || l->n_peers || l->ifaces_left)
		return true;
	for (size_t i = 0; i < l->n_watched; i++)
		if (!l->watched[i].over || folder_gives(l->watched[i].folder, clock_ns()) ||
		    folder_gathers(l->watched[i].folder))
			return true;
	return false;
}

/* A file gave nothing because it was long enough at it. */
static bool hurries(const struct incoming *l)
{
	for (const struct incoming_file *x = l->opening; x; x = x->next)
		if (x->input.more)
			return true;
	for (size_t i = 0; i < l->merge.active; i++)
		if (l->merge.order[i]->more)
			return true;
	return false;
}

static void wait_for(struct incoming *l, uint64_t ns)
{
	struct timespec t = {.tv_nsec = (long)ns};
	nfds_t n = 0;

	for (size_t i = 0; i < l->n_watched; i++)
		l->ready[n++] =
			(struct pollfd){.fd = folder_fd(l->watched[i].folder), .events = POLLIN};
	for (size_t i = 0; i < l->n_peers; i++, n++)
		l->ready[n].fd = peer_fd(l->peer[i], &l->ready[n].events);
	for (size_t i = 0; i < l->n_ifaces; i++)
		l->ready[n++] = (struct pollfd){.fd = pcap_live_fd(l->iface[i]), .events = POLLIN};
	ppoll(l->ready, n, &t, NULL);
}

static void take_all(struct incoming *l, struct ifaces *t, struct intake *in, struct block *b)
{
	size_t feeds = l->n_peers + l->n_ifaces;

	if (!look_round(l, t, in))
		take_files(l, t, in, b);
	for (size_t k = 0; k < feeds && intake_room(in, b); k++) {
		size_t i = (l->turn + k) % feeds;

		if (i < l->n_peers)
			take_peer(l, l->peer[i], t, in, b);
		else
			take_iface(l, l->iface[i - l->n_peers], in, b);
	}
	l->turn++;
}

void incoming_fill(struct incoming *l, struct ifaces *t, struct intake *in, struct block *b)
{
	uint64_t now_ns = clock_ns(), until_ns = now_ns + INCOMING_WAIT_NS;

	if (!l->began)
		l->last_ns = l->held_ns = now_ns; /* files may have been read before */
	l->began = true;
	for (;;) {
		take_all(l, t, in, b);
		if (b->n || in->ended)
			return;
		if (!alive(l)) {
			in->ended = true;
			return;
		}
		now_ns = clock_ns();
		if (now_ns >= until_ns)
			break;
		if (!hurries(l))
			wait_for(l, until_ns - now_ns < LOOK_NS ? until_ns - now_ns : LOOK_NS);
	}
	if (l->in_real_time && in->clock.seen)
		b->idle_clock_ns = in->clock.now_ns + (now_ns - l->last_ns);
}

/* ---- opening ---- */

static int open_folder(struct incoming *l, const struct folder_conf *conf, const char *name,
		       bool single)
{
	struct watched *w = &l->watched[l->n_watched];
	int err = folder_open(&w->folder, conf);

	if (err < 0)
		return err;
	l->n_watched++;
	w->single = single;
	w->file = add_name(l, name);
	return 0;
}

/* The folder that the file is in: links are followed, its writer knows nothing of them. */
static int open_followed(struct incoming *l, const struct incoming_conf *conf)
{
	char *path = realpath(conf->followed, NULL), *name = path ? strrchr(path, '/') : NULL;
	struct folder_conf f = {.follow = true, .settle_ns = conf->settle_ns};
	int err;

	if (!name) {
		err = -errno;
		free(path);
		return err;
	}
	f.only = name + 1;
	f.path = name == path ? "/" : path;
	*name = 0;
	err = open_folder(l, &f, conf->followed, true);
	free(path);
	return err;
}

static int open_all(struct incoming *l, const struct incoming_conf *conf, struct ifaces *t)
{
	struct folder_conf f = {.follow = conf->follow, .settle_ns = conf->settle_ns};
	int err = conf->followed ? open_followed(l, conf) : 0;

	for (size_t i = 0; i < conf->n_folders && err == 0; i++) {
		f.path = conf->folders[i];
		err = open_folder(l, &f, conf->folders[i], false);
	}
	for (size_t i = 0; i < conf->n_peers && err == 0; i++) {
		err = peer_open(&l->peer[i], conf->peers[i], add_name(l, conf->peers[i]));
		l->n_peers += err == 0;
	}
	for (size_t i = 0; i < conf->n_ifaces && err == 0; i++) {
		err = pcap_live_open(&l->iface[i], conf->ifaces[i], &conf->pcap, t,
				     add_name(l, conf->ifaces[i]));
		l->n_ifaces += err == 0;
	}
	l->ifaces_left = l->n_ifaces;
	return err;
}

int incoming_open(struct incoming **out, const struct incoming_conf *conf, struct ifaces *t)
{
	struct incoming *l = calloc(1, sizeof(*l));
	size_t folders = conf->n_folders + 1, n = folders + conf->n_peers + conf->n_ifaces;
	int err = -ENOMEM;

	*out = NULL;
	if (!l)
		return -ENOMEM;
	l->watched = calloc(folders, sizeof(*l->watched));
	l->peer = calloc(conf->n_peers + 1, sizeof(struct peer *));
	l->iface = calloc(conf->n_ifaces + 1, sizeof(struct pcap_live *));
	l->ready = calloc(n, sizeof(*l->ready));
	l->name = calloc(INCOMING_FILES, sizeof(char *));
	l->first_file = conf->first_file;
	l->in_real_time = conf->follow || conf->followed || conf->n_peers || conf->n_ifaces;
	t->share = true;
	if (l->watched && l->peer && l->iface && l->ready && l->name)
		err = open_all(l, conf, t);
	if (err < 0) {
		incoming_close(l);
		return err;
	}
	*out = l;
	return 0;
}

static void free_file(struct incoming_file *x)
{
	input_end(&x->input);
	free(x->file.path);
	free(x);
}

void incoming_close(struct incoming *l)
{
	struct incoming_file *x;

	if (!l)
		return;
	while ((x = l->opening)) {
		l->opening = x->next;
		free_file(x);
	}
	for (size_t i = 0; i < l->merge.n; i++)
		free_file((struct incoming_file *)l->merge.order[i]);
	merge_close(&l->merge);
	for (size_t i = 0; i < l->n_watched; i++)
		folder_close(l->watched[i].folder);
	for (size_t i = 0; i < l->n_peers; i++)
		peer_close(l->peer[i]);
	for (size_t i = 0; i < l->n_ifaces; i++)
		pcap_live_close(l->iface[i]);
	for (uint32_t i = 0; l->name && i < l->n_names; i++)
		free(l->name[i]);
	free(l->name);
	free(l->watched);
	free(l->peer);
	free(l->iface);
	free(l->ready);
	free(l);
}

/* ---- questions ---- */

bool incoming_several(const struct incoming *l)
{
	for (size_t i = 0; i < l->n_watched; i++)
		if (!l->watched[i].single)
			return true;
	return l->n_watched + l->n_peers + l->n_ifaces > 1;
}

const char *incoming_name(const struct incoming *l, uint32_t file)
{
	return l->name[file - l->first_file];
}

void incoming_was_read(struct incoming *l, const struct input *in)
{
	for (size_t i = 0; i < l->n_watched; i++)
		folder_was_read(l->watched[i].folder, in->path, in->taken, in->packets);
}

bool incoming_trouble(const struct incoming *l)
{
	return l->trouble;
}

uint64_t incoming_taken(const struct incoming *l)
{
	uint64_t taken = l->taken;

	for (size_t i = 0; i < l->merge.active; i++)
		if (l->merge.order[i]->bytes)
			taken += bytes_taken(l->merge.order[i]->bytes);
	for (size_t i = 0; i < l->n_peers; i++)
		taken += peer_taken(l->peer[i]);
	return taken;
}

struct source_drops incoming_drops(const struct incoming *l)
{
	struct source_drops sum = {0};

	for (size_t i = 0; i < l->n_ifaces; i++) {
		struct source_drops one = pcap_live_drops(l->iface[i]);

		sum.received += one.received;
		sum.dropped += one.dropped;
		sum.iface_dropped += one.iface_dropped;
	}
	return sum;
}
