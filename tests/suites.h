/* SPDX-License-Identifier: MIT */
/* suites — the test tables, in pipeline order; each file exports one: X(NOUN). */
#ifndef TESTS_SUITES_H
#define TESTS_SUITES_H

#include <CUnit/CUnit.h>

#define SUITES(X)              \
	X(base)                \
	X(pieces)              \
	X(opt)                 \
	X(format)              \
	X(bytes)               \
	X(source)              \
	X(places)              \
	X(cbpf_kernel)         \
	X(cbpf)                \
	X(nic)                 \
	X(nic_mode)            \
	X(nic_live)            \
	X(watch)               \
	X(peer)                \
	X(pipe)                \
	X(link)                \
	X(decode)              \
	X(defrag)              \
	X(flow)                \
	X(id)                  \
	X(tcp)                 \
	X(tcp_model)           \
	X(stream)              \
	X(content)             \
	X(identify)            \
	X(pattern)             \
	X(scan)                \
	X(scan_any)            \
	X(pack)                \
	X(rescan)              \
	X(lines)               \
	X(coding)              \
	X(coding_damage)       \
	X(coding_bounds)       \
	X(ciphertext)          \
	X(http1_line)          \
	X(http1_talks)         \
	X(http1_facts)         \
	X(http1_bounds)        \
	X(websocket)           \
	X(websocket_deflate)   \
	X(websocket_holes)     \
	X(websocket_talks)     \
	X(json)                \
	X(record)              \
	X(sink)                \
	X(slice)               \
	X(messages)            \
	X(channel)             \
	X(view)                \
	X(deltas)              \
	X(timeline)            \
	X(transform)           \
	X(transform_text)      \
	X(transform_http)      \
	X(transform_websocket) \
	X(show)                \
	X(replay)              \
	X(steer)               \
	X(handover)

#define SUITE_EXTERN(noun) extern CU_TestInfo noun##_tests[];
SUITES(SUITE_EXTERN)
#undef SUITE_EXTERN

#endif
