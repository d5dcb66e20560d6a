/* SPDX-License-Identifier: MIT */
/* parser — see parser.h. */
#include "user/parse/parser.h"

int parser_open(struct parser *p, const struct parser_ops *ops, struct parse_host *host,
		uint32_t states)
{
	size_t stride = (ops->state_bytes + 63) & ~(size_t)63;

	*p = (struct parser){.ops = ops, .host = host, .cap = states};
	return slots_open(&p->states, stride, states);
}

void parser_close(struct parser *p)
{
	slots_close(&p->states);
}

uint32_t parser_start(struct parser *p)
{
	uint32_t state = p->free;

	if (state) {
		memcpy(&p->free, parser_state(p, state), sizeof(p->free));
	} else if (p->fresh < p->cap) {
		slots_reach(&p->states, p->fresh);
		state = ++p->fresh;
	} else {
		p->refused++;
		return 0;
	}
	memset(parser_state(p, state), 0, p->ops->state_bytes);
	p->ops->start(p, state);
	return state;
}

void parser_end(struct parser *p, uint32_t state)
{
	p->ops->end(p, state);
	memcpy(parser_state(p, state), &p->free, sizeof(p->free));
	p->free = state;
}
