/* SPDX-License-Identifier: MIT */
/* notify — see notify.h. */
#include "user/source/notify.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

int notify_open(struct notify *n, const char *folder)
{
	const uint32_t what = IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF |
			      IN_MOVE_SELF | IN_ONLYDIR;
	int err;

	n->at = n->have = 0;
	n->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (n->fd < 0)
		return -errno;
	if (inotify_add_watch(n->fd, folder, what) >= 0)
		return 0;
	err = -errno;
	notify_close(n);
	return err;
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static enum news news_of(const struct inotify_event *e)
{
	if (e->mask & IN_Q_OVERFLOW)
		return NEWS_LOST;
	if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED))
		return NEWS_GONE;
	if (e->len == 0 || (e->mask & IN_ISDIR))
		return NEWS_NONE;
	return e->mask & IN_MOVED_TO      ? NEWS_MOVED
	       : e->mask & IN_CLOSE_WRITE ? NEWS_CLOSED
	       : e->mask & IN_CREATE      ? NEWS_CREATED
					  : NEWS_NONE;
}

enum news notify_next(struct notify *n, const char **name)
{
	while (n->fd >= 0) {
		const struct inotify_event *e;
		enum news news;

		if (n->at == n->have) {
			ssize_t got = read(n->fd, n->buf, sizeof(n->buf));

			if (got <= 0)
				break;
			n->at = 0;
			n->have = (size_t)got;
		}
		e = (const struct inotify_event *)(n->buf + n->at);
		n->at += sizeof(*e) + e->len;
		news = news_of(e);
		*name = e->name;
		if (news != NEWS_NONE)
			return news;
	}
	return NEWS_NONE;
}
