/* SPDX-License-Identifier: MIT */
/* messages — see messages.h. */
#include "user/view/messages.h"

#define NOBODY UINT32_MAX

struct entry {
	uint64_t next;   /* position of the stream's next one + 1, 0 = none */
	uint32_t stream; /* NOBODY: dropped */
	struct message message;
};

struct stream_messages {
	uint64_t first, last; /* positions + 1, 0 = none */
	uint32_t n;
	uint64_t dropped;
};

static struct entry *entry_at(const struct messages *m, uint64_t position)
{
	return (struct entry *)m->ring.base + position % m->conf.total;
}

static struct stream_messages *stream_at(const struct messages *m, uint32_t stream)
{
	return (struct stream_messages *)m->streams.base + stream;
}

int messages_open(struct messages *m, const struct messages_conf *conf)
{
	int err;

	*m = (struct messages){.conf = *conf};
	err = slots_open(&m->ring, sizeof(struct entry), conf->total);
	if (err == 0)
		err = slots_open(&m->streams, sizeof(struct stream_messages), conf->streams);
	if (err < 0)
		messages_close(m);
	return err;
}

void messages_close(struct messages *m)
{
	slots_close(&m->ring);
	slots_close(&m->streams);
}

/* A stream's oldest. */
static void drop(struct messages *m, uint32_t stream)
{
	struct stream_messages *s = stream_at(m, stream);
	struct entry *e = entry_at(m, s->first - 1);

	e->stream = NOBODY;
	s->first = e->next;
	if (!s->first)
		s->last = 0;
	s->n--;
}

static void make_room(struct messages *m)
{
	const struct entry *oldest = entry_at(m, m->oldest);

	if (m->next - m->oldest < m->conf.total)
		return;
	if (oldest->stream != NOBODY) { /* the oldest of all is its stream's oldest */
		stream_at(m, oldest->stream)->dropped++;
		m->dropped++;
		drop(m, oldest->stream);
	}
	m->oldest++;
}

void messages_add(struct messages *m, uint32_t stream, const struct message *message)
{
	struct stream_messages *s = stream_at(m, stream);

	m->added++;
	if (m->conf.total == 0 || m->conf.per_stream == 0) {
		s->dropped++;
		m->dropped++;
		return;
	}
	if (s->n == m->conf.per_stream) {
		s->dropped++;
		m->dropped++;
		drop(m, stream);
	}
	make_room(m);
	*entry_at(m, m->next) = (struct entry){.stream = stream, .message = *message};
	if (s->last)
		entry_at(m, s->last - 1)->next = m->next + 1;
	else
		s->first = m->next + 1;
	s->last = ++m->next;
	s->n++;
}

const struct message *messages_next(const struct messages *m, uint32_t stream, uint64_t *cursor)
{
	uint64_t at = stream_at(m, stream)->first;

	/* A cursor is the position to go on from; where its entry is gone, the next that is left.
	 */
	if (*cursor > at && *cursor > m->oldest && *cursor <= m->next &&
	    entry_at(m, *cursor - 1)->stream == stream)
		at = entry_at(m, *cursor - 1)->next;
	else
		while (at && at <= *cursor)
			at = entry_at(m, at - 1)->next;
	if (!at)
		return NULL;
	*cursor = at;
	return &entry_at(m, at - 1)->message;
}

uint64_t messages_dropped(const struct messages *m, uint32_t stream)
{
	return stream_at(m, stream)->dropped;
}

void messages_forget(struct messages *m, uint32_t stream)
{
	while (stream_at(m, stream)->first)
		drop(m, stream);
	*stream_at(m, stream) = (struct stream_messages){0};
}

static uint32_t put(char *out, uint32_t at, struct span text)
{
	for (; text.at < text.end && at < MESSAGE_SUMMARY - 1; text.at++)
		out[at++] = *text.at >= 0x20 && *text.at < 0x7f ? (char)*text.at : '.';
	return at;
}

void message_summarise(struct message *message, struct span first, struct span second)
{
	uint32_t at = put(message->summary, 0, first);

	if (span_len(second)) {
		at = put(message->summary, at, span_of((const uint8_t *)" ", 1));
		at = put(message->summary, at, second);
	}
	message->summary[at] = 0;
}
