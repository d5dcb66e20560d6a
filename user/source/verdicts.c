/* SPDX-License-Identifier: MIT */
/* verdicts — see verdicts.h. */
#include "user/source/verdicts.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t bytes_of(uint32_t rows)
{
	return ((size_t)rows * sizeof(struct rm_offload_row) + 4095) & ~(size_t)4095;
}

int verdicts_open(struct verdicts *v, uint32_t rows)
{
	LIBBPF_OPTS(bpf_map_create_opts, hash, .map_flags = BPF_F_NO_PREALLOC);
	LIBBPF_OPTS(bpf_map_create_opts, array, .map_flags = BPF_F_MMAPABLE);
	void *mem;

	*v = (struct verdicts){.map = -1, .counters = -1, .rows = rows};
	v->map = bpf_map_create(BPF_MAP_TYPE_HASH, "verdicts", sizeof(struct rm_flow_id),
				sizeof(struct rm_verdict), rows, &hash);
	if (v->map < 0)
		return v->map;
	v->counters = bpf_map_create(BPF_MAP_TYPE_ARRAY, "rows", sizeof(uint32_t),
				     sizeof(struct rm_offload_row), rows, &array);
	if (v->counters < 0)
		return v->counters;
	mem = mmap(NULL, bytes_of(rows), PROT_READ, MAP_SHARED, v->counters, 0);
	if (mem == MAP_FAILED)
		return -errno;
	v->row = mem;
	return 0;
}

void verdicts_close(struct verdicts *v)
{
	if (v->row)
		munmap(v->row, bytes_of(v->rows));
	if (v->rows && v->counters >= 0)
		close(v->counters);
	if (v->rows && v->map >= 0)
		close(v->map);
	*v = (struct verdicts){0};
}

bool verdicts_set(const struct verdicts *v, const struct rm_flow_id *id,
		  const struct rm_verdict *verdict)
{
	return bpf_map_update_elem(v->map, id, verdict, BPF_ANY) == 0;
}

void verdicts_clear(const struct verdicts *v, const struct rm_flow_id *id)
{
	bpf_map_delete_elem(v->map, id);
}

void verdicts_read(const struct verdicts *v, uint32_t row, struct rm_offload_row *out)
{
	const struct rm_offload_row *r = &v->row[row];

	for (int dir = 0; dir < 2; dir++) {
		out->packets[dir] = __atomic_load_n(&r->packets[dir], __ATOMIC_RELAXED);
		out->bytes[dir] = __atomic_load_n(&r->bytes[dir], __ATOMIC_RELAXED);
		out->payload_bytes[dir] = __atomic_load_n(&r->payload_bytes[dir], __ATOMIC_RELAXED);
		out->last_ns[dir] = __atomic_load_n(&r->last_ns[dir], __ATOMIC_RELAXED);
	}
}
