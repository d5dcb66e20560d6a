/* SPDX-License-Identifier: MIT */
/* block — see block.h. */
#include "user/source/block.h"

#define MEM (BLOCK_BYTES + FORMAT_MAX_FRAME + 8192 + BLOCK_EXTRA)

int block_open(struct block *b, bool several_files)
{
	int err;

	*b = (struct block){0};
	err = slots_open(&b->mem, 1, MEM);
	if (err == 0)
		err = slots_open(&b->frames, sizeof(struct frame), BLOCK_FRAMES);
	if (err == 0 && several_files)
		err = slots_open(&b->numbers, sizeof(uint32_t), BLOCK_FRAMES);
	if (err < 0) {
		block_close(b);
		return err;
	}
	slots_populate(&b->mem, BLOCK_BYTES + 8192);
	b->buf = b->mem.base;
	b->limit = MEM;
	b->frame = (struct frame *)b->frames.base;
	b->file_number = (uint32_t *)b->numbers.base;
	return 0;
}

void block_close(struct block *b)
{
	slots_close(&b->mem);
	slots_close(&b->frames);
	slots_close(&b->numbers);
	*b = (struct block){0};
}

uint8_t *block_append(struct block *b, uint32_t n)
{
	uint32_t at = (b->fill + 15) & ~15U;

	if (at > b->limit || n > b->limit - at)
		return NULL;
	b->fill = at + n;
	return b->buf + at;
}
