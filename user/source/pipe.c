/* SPDX-License-Identifier: MIT */
/* pipe — see pipe.h. */
#include "user/source/pipe.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"

#define OF_NOW_NS   600000000000ULL /* clocks of hosts differ */
#define OLD_MOST_NS 2000000000ULL

bool pipe_is(const struct input *in)
{
	bool standard = strcmp(in->path, "-") == 0;
	struct stat st;

	return (standard ? fstat(STDIN_FILENO, &st) : stat(in->path, &st)) == 0 &&
	       (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || S_ISCHR(st.st_mode));
}

bool pipe_begin(struct pipe *p, struct input *in, struct ifaces *t)
{
	*p = (struct pipe){.in = in};
	in->live = true;
	return input_begin(in, t, 0) || !in->ended;
}

/* The capture clock that may be assumed where nothing has come for so long. */
static uint64_t assume(uint64_t clock_ns, uint64_t passed_ns)
{
	uint64_t wall_ns = clock_wall_ns();
	bool of_now = (clock_ns > wall_ns ? clock_ns - wall_ns : wall_ns - clock_ns) < OF_NOW_NS;

	return clock_ns + (of_now || passed_ns < OLD_MOST_NS ? passed_ns : OLD_MOST_NS);
}

/* False where the block is to wait no longer for what is not there now. */
static bool await(const struct pipe *p, const struct intake *to, const struct block *b,
		  uint64_t waited_ns)
{
	uint64_t most_ns = to->clock.pending_ns ? PIPE_STEP_NS : b->n ? 0 : PIPE_WAIT_NS;

	if (waited_ns >= most_ns)
		return false;
	if (!p->in->more)
		bytes_wait(p->in->bytes, most_ns - waited_ns);
	return true;
}

void pipe_fill(struct pipe *p, struct ifaces *t, struct intake *to, struct block *b)
{
	struct input *in = p->in;
	uint64_t began_ns = clock_ns();

	while (intake_room(to, b)) {
		if (in->has_head || input_next(in, t)) {
			intake_copy(to, b, &in->head, input_frame(in), in->packets);
			input_next(in, t);
		} else if (in->ended) {
			to->ended = true;
		} else if (!await(p, to, b, clock_ns() - began_ns)) {
			break;
		}
	}
	if (b->n)
		p->last_ns = clock_ns();
	else if (to->clock.seen)
		b->idle_clock_ns = assume(to->clock.now_ns, clock_ns() - p->last_ns);
}
