# rm-xdp.  `make demo` and `make check` are all a newcomer needs; V=1 shows the commands.

# Pipeline order: read by people and by tools/lint-layers.
STAGES := base source decode steer flow tcp stream scan parse event sink view

comma := ,
O    := .out$(if $(SAN),-$(subst $(comma),-,$(SAN)))
SRC  := $(wildcard user/*.c) $(foreach s,$(STAGES),$(wildcard user/$s/*.c)) $(wildcard api/*.c)
RE   := $(foreach s,$(STAGES),$(wildcard user/$s/*.re))
TEST := $(wildcard tests/test_*.c tests/*_host.c) tests/main.c tests/guard.c tests/packets.c tests/runs.c
FUZZ := $(wildcard tests/fuzz_*.c)
BPF  := $(wildcard bpf/*.bpf.c)
SKEL := $(BPF:bpf/%.bpf.c=$O/%.skel.h)
HEAD := $(wildcard user/*.h user/*/*.h api/*.h bpf/*.h tests/*.h tools/*.h)
GEN  := $(RE:%.re=$O/%.re.o)
WEB  := index.html app.js app.css favicon.svg
OBJ  := $(SRC:%.c=$O/%.o) $(GEN) $O/web.o
LIB  := $(filter-out $O/user/main.o,$(OBJ))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla \
	-Wconversion -Wno-sign-conversion -Wimplicit-fallthrough $(if $(CI),-Werror)
CPPFLAGS += -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -I. -isystem $O
ARCH := $(if $(filter x86_64,$(shell uname -m)),-march=x86-64-v2)
# Stages call each other across files on every packet: link-time inlining saves a tenth.
CFLAGS ?= -O2 -g $(ARCH) $(if $(SAN),,-flto=auto)
STD  := -std=gnu11 -fno-common $(WARN)
SANF := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LIBS := -lxdp -lbpf -lcap-ng -lpcap -lh2o-evloop -lsqlite3 -ljson-c -lzstd -lbrotlidec -lhs -lssl -lcrypto \
	-lz -lpthread
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)
Q    := $(if $(V),,@)
say   = @printf '  %-5s %s\n' $1 $(patsubst $O/%,%,$@) && mkdir -p $(@D)
CCX   = $Q$(CC) $(STD) $(CPPFLAGS) $(CFLAGS) $(SANF)

all: $O/rm-xdp $O/rm-xdp.1

$O/rm-xdp: $(OBJ)
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) $(LIBS)
$O/rm-xdp.1: $O/rm-xdp
	$(call say,MAN)
	$Q$< --man > $@
$O/unit: $(TEST:%.c=$O/%.o) $(LIB)
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) $(LIBS) -lcunit -lbrotlienc -lpcre2-8
$O/mkpcap: $O/tools/mkpcap.o $O/tools/capture.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS)
$O/golden: $O/tests/golden.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) -ljson-c -lcrypto
$O/parity: $O/tests/parity.o $O/tests/steer_host.o $(LIB)
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) $(LIBS)
$O/perf/gen: $O/perf/gen.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) -lm
$O/perf/send: $O/perf/send.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS)
$O/perf/recv: $O/perf/recv.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) -lxdp -lbpf -lpthread
$O/perf/steer: $O/perf/steer.o $(LIB)
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) $(LIBS)
$O/live_probe: $O/tests/live_probe.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) -lbpf
$O/%.o: %.c | $(SKEL)
	$(call say,CC)
	$(CCX) -MD -MP -c $< -o $@
$O/user/main.o: CPPFLAGS += -DRM_XDP_VERSION='"$(VERSION)"'
$O/%.re.o: $O/%.re.c
	$(call say,CC)
	$(CCX) -MMD -MP -c $< -o $@
$O/%.re.c: %.re
	$(call say,RE2C)
	$Qre2c -W -Wno-sentinel-in-midrule --no-debug-info -o $@ $<

# The user interface: web/dist as it is committed, see `make web`.
$O/embed: $O/tools/embed.o
	$(call say,LD)
	$(CCX) $^ -o $@ $(LDFLAGS) -lbrotlienc -lcrypto -lz
$O/web.c: $(WEB:%=web/dist/%) $O/embed
	$(call say,EMBED)
	$Q$O/embed web/dist $(WEB) > $@.part && mv $@.part $@
$O/web.o: $O/web.c
	$(call say,CC)
	$(CCX) -MD -MP -c $< -o $@

# Kernel programs, and the headers that user space loads them with.
$O/vmlinux/vmlinux.h:
	@mkdir -p $(@D)
	$QPATH="$$PATH:/usr/sbin" bpftool btf dump file /sys/kernel/btf/vmlinux format c > $@ 2>/dev/null || \
		cp vmlinux/vmlinux_min.h $@
$O/%.bpf.o: bpf/%.bpf.c $O/vmlinux/vmlinux.h
	$(call say,BPF)
	$Qclang -target bpf -mcpu=v3 -O2 -g -Wall -Wextra $(if $(CI),-Werror) -I. -I$O/vmlinux \
		-DBPF_NO_PRESERVE_ACCESS_INDEX \
		-MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
$O/%.skel.h: $O/%.bpf.o
	$(call say,SKEL)
	$QPATH="$$PATH:/usr/sbin" bpftool gen skeleton $< name $*_bpf > $@

# ---- what people type ----
DEMO  := tests/captures/demo.pcap
CORPUS ?= ../shared/corpus
# Categories of the corpus judge, and kinds of records, that exist so far, and that do not yet.
GRADE := run,packets,flows,streams,client,http,workers
LATER := dns tls ssh quic http@http2
SUB   := $(MAKE) --no-print-directory

demo:
	$Qtools/deps build
	$Q$(SUB) all
	$O/rm-xdp $(DEMO)

# Unit tests, then golden captures at 1, 2 and 4 workers.
check:
	$Qtools/deps check live web
	$Qcd web && npm ci --no-audit --no-fund --loglevel=error
	$Q$(SUB) all run-check
run-check: $O/rm-xdp $O/unit $O/golden $O/mkpcap
	$Q$O/unit
	$QLATER="$(LATER)" $O/golden $O/rm-xdp $O/mkpcap tests/golden tests/captures
	$Q$(SUB) run-api
	$Q$(SUB) run-web
	$Q[ "$$(id -u)" != 0 ] || $(SUB) run-live

# The HTTP API against a client that asks for everything, rightly and wrongly.  WORDS='walk lists' runs some.
check-api:
	$Qtools/deps check
	$Q$(SUB) all run-api
# What libh2o keeps until the end is its own (SAN=address).
run-api: $O/rm-xdp $O/mkpcap
	$QLSAN_OPTIONS=suppressions=tests/lsan.supp:print_suppressions=0 tests/api/run --out $O $(WORDS)

# Live capture in network namespaces; a probe says where the kernel does not let us.  WORDS='tap life' runs some.
check-live:
	$Qtools/deps check live
	$Q$(SUB) all run-live
run-live: $O/rm-xdp $O/live_probe $O/perf/send
	$Qtests/live/run --out $O $(WORDS)

# The browser UI.  `make web` makes web/dist, which is committed; check-web tests it in Chromium.
web:
	$Qtools/deps web
	$Qcd web && npm ci --no-audit --no-fund --loglevel=error && npx svelte-check --fail-on-warnings --output machine && npx vite build --logLevel warn
check-web:
	$Qtools/deps check web
	$Qcd web && npm ci --no-audit --no-fund --loglevel=error
	$Q$(SUB) all run-web
# The README's screenshots, from recorded traffic.
shots: $O/rm-xdp
	$Qnode web/tests/e2e/shots.mjs $O web/shots
run-web: $O/rm-xdp $O/mkpcap
	$Qcd web && npx svelte-check --fail-on-warnings --output machine
	$Qrm -rf $O/web-dist && cd web && npx vite build --logLevel warn --emptyOutDir --outDir ../$O/web-dist
	$Qdiff -rq $O/web-dist web/dist || { echo "web/dist is not what web/src makes: run \`make web\`"; exit 1; }
	$Qcd web && npx vitest run --silent
	$Qnode web/tests/e2e/run.mjs --out $O $(WORDS)

run-unit: $O/unit
	$Q$<

# Captures with HTTP bodies, for a comparison with what tshark exports.
OBJECTS := arkime__80211http arkime__http-content-zip arkime__tcp-reassembly-synthetic ndpi__android \
	ndpi__ipp pcapplusplus__tcp-reassembly suricata__http-brotli-ce suricata__http-post-file \
	zeek__http-206_example_c zeek__http-bro.org zeek__http-get-gzip zeek__http-missing-zlib-header \
	zeek__http-multipart-form-data zeek__http-post

# Only where the corpus lies beside the checkout.
grade: $O/rm-xdp $O/parity
	$Q[ ! -f $(CORPUS)/grade.py ] || tools/grade $O/rm-xdp $(CORPUS)/grade.py $(GRADE)
	$Q[ ! -f $(CORPUS)/grade.py ] || $O/parity $(CORPUS)/*.pcap*
	$Q[ ! -f $(CORPUS)/grade.py ] || tools/objects $O/rm-xdp $(CORPUS) $(OBJECTS:%=%.pcap)

lint:
	$Qtools/deps lint
	$Q$(SUB) run-lint
# What bpftool writes is said to leak where it fails; it does not.
USES_SKEL := $(shell grep -l '#include "[a-z]*.skel.h"' $(SRC) $(TEST))
CSRC := $(SRC) $(TEST) $(FUZZ) tests/golden.c tests/parity.c tests/live_probe.c tools/mkpcap.c \
	tools/capture.c perf/gen.c perf/send.c perf/recv.c perf/steer.c
run-lint: $(RE:%.re=$O/%.re.c) $(SKEL)
	$Qtools/lint-layers $(STAGES)
	$Qclang-format --dry-run -Werror $(CSRC) $(BPF) $(HEAD)
	$Qprintf '%s\n' $(filter-out $(USES_SKEL),$(SRC) $(TEST)) tests/golden.c tests/parity.c \
		tests/live_probe.c tools/mkpcap.c tools/capture.c | \
		xargs -P 2 -n 4 sh -c 'clang-tidy --quiet "$$@" -- $(STD) $(CPPFLAGS) 2>/dev/null' tidy
	$Qclang-tidy --quiet --checks=-clang-analyzer-unix.Malloc $(USES_SKEL) -- $(STD) $(CPPFLAGS) \
		2>/dev/null

# FUZZ_SECONDS each, one after the other.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS := -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
fuzz:
	$Qtools/deps fuzz
	$Q$(SUB) run-fuzz
run-fuzz: $(FUZZ:tests/fuzz_%.c=$O/fuzz/%)
	$Qfor f in $^; do n=$${f##*/}; mkdir -p $O/corpus/$$n; echo "== $$n"; \
		$$f -close_fd_mask=2 -max_len=4096 -max_total_time=$(FUZZ_SECONDS) \
			-print_final_stats=1 -artifact_prefix=$O/fuzz/ $O/corpus/$$n \
			$$(ls -d tests/seeds/$$n 2>/dev/null) || exit 1; done
# Requests are fuzzed without the server.
$O/fuzz/request: NOT := api/http.c
$O/fuzz/%: tests/fuzz_%.c $(filter-out user/main.c,$(SRC)) $(RE:%.re=$O/%.re.c) | $(SKEL)
	$(call say,FUZZ)
	$Qclang -std=gnu11 $(CPPFLAGS) $(FUZZ_FLAGS) $(filter-out $(NOT),$^) -o $@ $(LIBS)

# SCALE=0.02 for a quick run; BENCH_DIR for captures of some GB.
SCALE ?= 1
bench:
	$Qtools/deps bench
	$Q$(SUB) $O/rm-xdp $O/perf/gen
	$Qperf/bench --bin $O/rm-xdp --gen $O/perf/gen --scale $(SCALE) \
		$(if $(BENCH_DIR),--dir $(BENCH_DIR)) $(BENCH_ARGS)

# Live capture, in network namespaces of its own; needs root.  LIVE_ARGS=--quick for a quick run.
bench-live:
	$Qtools/deps bench
	$Q$(SUB) $O/rm-xdp $O/perf/send $O/perf/recv $O/perf/steer
	$Qperf/live --out $O $(LIVE_ARGS)

# The HTTP API: what answers cost, and what clients cost; part of it needs root.
bench-api:
	$Qtools/deps bench
	$Q$(SUB) $O/rm-xdp $O/perf/gen $O/perf/send
	$Qperf/api --out $O --scale $(SCALE) $(if $(BENCH_DIR),--dir $(BENCH_DIR)) $(API_ARGS)

clean:
	rm -rf .out .out-*
.PHONY: web shots check-web run-web all demo check run-check check-api run-api check-live run-live run-unit grade lint run-lint fuzz run-fuzz bench \
	bench-live bench-api clean
.DELETE_ON_ERROR:
.SECONDARY:
-include $(SKEL:.skel.h=.bpf.d) $(OBJ:.o=.d) $(TEST:%.c=$O/%.d) $O/tools/mkpcap.d $O/tests/golden.d \
	$O/tests/parity.d $O/tests/live_probe.d $O/perf/gen.d $O/perf/send.d $O/perf/recv.d $O/perf/steer.d
