# The README's two commands are `make run` and `make test`. `make` alone builds ./terrarium.
# SANITIZE=1 builds with ASan and UBSan into a tree of its own (build/sanitize).

CC ?= gcc
BUILD := build/$(if $(SANITIZE),sanitize,release)
# Loading a shared library is paid at every start: small ones are linked into the program, large ones loaded by those runs that need them
# (tools/lazy_library.sh). Unit tests link all of them as they are.
PACKAGES := libseccomp libzstd libsodium yaml-0.1 jansson libpcre2-8 zlib msgpack
LAZY_LIBRARIES := archive ssl crypto wslay Zydis
CFLAGS ?= -O2 -g
FORTIFY := $(if $(findstring -O0,$(CFLAGS)),,-D_FORTIFY_SOURCE=2)
override CFLAGS += -std=gnu17 -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -D_GNU_SOURCE -I. \
	-fno-strict-aliasing -fstack-protector-strong -ffunction-sections -fdata-sections -D_FILE_OFFSET_BITS=64 \
	$(if $(SANITIZE),-fsanitize=address$(comma)undefined -fno-omit-frame-pointer,$(FORTIFY))
comma := ,
LDFLAGS += $(if $(SANITIZE),-fsanitize=address$(comma)undefined) -Wl,-z,relro,-z,now -Wl,--gc-sections
PROGRAM_LDLIBS = -Wl,-Bstatic -lresolv -lhttp_parser $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -Wl,-Bdynamic
LDLIBS = $(PROGRAM_LDLIBS) $(LAZY_LIBRARIES:%=-l%)

ROOMS := vfs policy network trace kernel stubs supervisor cli
SOURCES := $(filter-out supervisor/glass/vdso.c supervisor/glass/lent.c,$(foreach room,$(ROOMS),$(wildcard $(room)/*.c) $(wildcard $(room)/*/*.c)))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/supervisor/glass/image.o $(BUILD)/supervisor/count/known_table.o $(BUILD)/supervisor/seccomp_table.o
# What unit tests link: everything but main.
LIBRARY := $(filter-out $(BUILD)/cli/main.o,$(OBJECTS))
UNITS := $(wildcard tests/unit/*.c)
UNIT_PROGRAMS := $(UNITS:tests/unit/%.c=$(BUILD)/unit/%)

# What Debian 12 must have. docs/dependencies.md says why each.
BUILD_NEEDS := gcc make pkg-config libc6-dev libseccomp-dev libarchive-dev libzstd-dev libsodium-dev libyaml-dev libjansson-dev libzydis-dev libpcre2-dev zlib1g-dev libhttp-parser-dev libwslay-dev libssl-dev libmsgpack-dev
PYTHON := /usr/bin/python3
RUN_NEEDS := python3
TEST_NEEDS := libcmocka-dev python3-pytest python3-numpy sqlite3 git procps musl-tools python3-jsonschema python3-yaml \
	perl xz-utils python3-venv python3-pip python3-psutil python3-pandas python3-pil python3-lxml \
	redis-server python3-redis postgresql python3-psycopg2 gunicorn python3-uvicorn python3-irc curl python3-msgpack python3-zstandard \
	tshark python3-dnspython python3-requests python3-httpx python3-aiohttp python3-urllib3 python3-websockets python3-asyncssh python3-paramiko iproute2 strace gdb libpython3.11-testsuite

.PHONY: all terrarium clean units run test needs-build needs-test install docs-generated test-cpython test-musl test-replay determinism bench needs-bench bench-policy \
	bench-limits bench-network bench-record fuzz needs-fuzz lint force
all: terrarium

# Installs what is missing of a list of packages: nothing is asked of apt when all are there. Servers among them are not started
# (a policy-rc.d for that one step, where the machine has none: Debian Policy 9.3.3): tests run them inside the sandbox alone.
# A new machine may still be at its own upgrades: that lock is waited for.
define install_missing
	@missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
		echo "installing: $$missing"; \
		rc=/usr/sbin/policy-rc.d; [ -e $$rc ] && rc= || printf '#!/bin/sh\nexit 101\n' | $$sudo install -m 755 /dev/stdin $$rc; \
		$$sudo apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=600 $$missing >/dev/null; \
		status=$$?; [ -z "$$rc" ] || $$sudo rm -f $$rc; exit $$status; \
	fi
endef

needs-build:
	$(call install_missing,$(BUILD_NEEDS) $(RUN_NEEDS))

needs-test: needs-build
	$(call install_missing,$(TEST_NEEDS))

# A real example in the sandbox: a made-up world, a denial explained, and the report.
run: needs-build
	@$(MAKE) -s terrarium
	./terrarium run --policy examples/first/policy.yaml --verbose --report build/first-report.json examples/first/script.py
	@$(PYTHON) examples/first/summary.py build/first-report.json

# Units, then whole runs. The last line is pytest's.
test: needs-test
	@$(MAKE) -s terrarium
	@$(MAKE) -s units
	$(PYTHON) -m pytest -q -p no:cacheprovider tests

# The link leads to what was asked for last: with SANITIZE=1 to that build, and without to the other one again.
terrarium: $(BUILD)/terrarium
	@ln -sf $(BUILD)/terrarium $@

LAZY := $(LAZY_LIBRARIES:%=$(BUILD)/lazy/%.o)
.SECONDARY: $(LAZY:.o=.c)
# Libraries that are loaded late find these in the program, too (cli/date.c).
DATE := $(foreach f,time gettimeofday clock_gettime,-Wl,--export-dynamic-symbol=$(f))
$(BUILD)/terrarium: $(OBJECTS) $(LAZY)
	$(CC) $(CFLAGS) $(LDFLAGS) $(DATE) -o $@ $^ $(PROGRAM_LDLIBS)

$(BUILD)/lazy/%.c: $(OBJECTS) tools/lazy_library.sh
	@mkdir -p $(@D)
	@tools/lazy_library.sh $* "$$($(CC) -print-file-name=lib$*.so)" $(OBJECTS) >$@.new && mv $@.new $@

$(BUILD)/lazy/%.o: $(BUILD)/lazy/%.c
	$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/trace/html.o: trace/page.html

$(BUILD)/cli/profiles.o: override CFLAGS += -DTERRARIUM_PREFIX='"$(PREFIX)"'

# The static program that the kernel executes in place of the guest's, the guest's vDSO, and their bytes as an object.
$(BUILD)/supervisor/glass/glass: supervisor/glass/glass.S supervisor/glass/glass.h supervisor/glass/glass.ld
	@mkdir -p $(@D)
	$(CC) -nostdlib -static -no-pie -I. -Wl,-T,supervisor/glass/glass.ld -Wl,-z,max-page-size=4096 -Wl,--build-id=none -o $@ $<

$(BUILD)/supervisor/glass/vdso: supervisor/glass/vdso.c supervisor/glass/vdso.ld supervisor/glass/clock_page.h supervisor/glass/event.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -D_GNU_SOURCE -I. -fPIC -fno-stack-protector \
		-shared -nostdlib -Wl,-T,supervisor/glass/vdso.ld -Wl,-soname,linux-vdso.so.1 -Wl,--hash-style=both -Wl,--eh-frame-hdr \
		-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,-Bsymbolic -Wl,--build-id=none -s -o $@ $<

# No vector registers: the C library's callers have theirs in use.
$(BUILD)/supervisor/glass/lent: supervisor/glass/lent.c supervisor/glass/lent.ld supervisor/glass/lent_page.h supervisor/glass/event.h supervisor/glass/clock_page.h \
		supervisor/glass/glass.h
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -Wmissing-prototypes -D_GNU_SOURCE -I. -fPIE -fno-stack-protector -fno-jump-tables \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -mgeneral-regs-only -fvisibility=hidden -ffunction-sections -c -o $@.o $<
	ld -T supervisor/glass/lent.ld -o $@.elf $@.o && objcopy -O binary $@.elf $@

$(BUILD)/supervisor/glass/image.o: supervisor/glass/image.S supervisor/glass/glass.h $(foreach image,glass vdso lent,$(BUILD)/supervisor/glass/$(image))
	$(CC) -c -I. -DGLASS_IMAGE='"$(BUILD)/supervisor/glass/glass"' -DVDSO_IMAGE='"$(BUILD)/supervisor/glass/vdso"' \
		-DLENT_IMAGE='"$(BUILD)/supervisor/glass/lent"' -o $@ $<

# What is known of the interpreters of this machine (supervisor/count/known.h): a start with another one learns it.
PYENV_ROOT ?= $(HOME)/.pyenv
KNOWN ?= $(wildcard /usr/bin/python3.1[1-9] $(shell $(CC) -print-file-name=libc.so.6 2>/dev/null) $(foreach lib,/usr/lib/x86_64-linux-gnu /usr/local/lib $(PYENV_ROOT)/versions/*/lib,$(lib)/libpython3.1[1-9].so.1.0))
$(BUILD)/tools/known_sites: tools/known_sites.c $(addprefix $(BUILD)/supervisor/count/,known.o sites.o takes.o code_file.o)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lsodium -lZydis

# An upgrade brings files with its package's times, older than the table: which they are is compared by their change times.
$(BUILD)/known_files: force
	@mkdir -p $(@D)
	@stat -L -c '%n %s %Z' $(KNOWN) >$@.new 2>/dev/null; if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$(BUILD)/supervisor/count/known_table.c: $(BUILD)/tools/known_sites $(BUILD)/known_files
	$< $(KNOWN) >$@.new && mv $@.new $@

$(BUILD)/supervisor/count/known_table.o: $(BUILD)/supervisor/count/known_table.c supervisor/count/known.h supervisor/count/sites.h supervisor/count/takes.h
	$(CC) $(CFLAGS) -c -o $@ $<

# The seccomp programs of most runs (supervisor/seccomp_program.h).
$(BUILD)/tools/seccomp_table: tools/seccomp_table.c $(addprefix $(BUILD)/,supervisor/filter.o supervisor/confine.o supervisor/seccomp_program.o kernel/sysent.o)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lseccomp

$(BUILD)/supervisor/seccomp_table.c: $(BUILD)/tools/seccomp_table
	$< >$@.new && mv $@.new $@

$(BUILD)/supervisor/seccomp_table.o: $(BUILD)/supervisor/seccomp_table.c supervisor/seccomp_program.h
	$(CC) $(CFLAGS) -c -o $@ $<

# A unit test links what it names in its first line: whole rooms and single files, `// rooms: policy kernel/sysent`.
unit_objects = $(filter $(foreach room,$(shell sed -n '1s,^// rooms: ,,p' $(1)),$(BUILD)/$(room)$(if $(findstring /,$(room)),.o,/%)),$(LIBRARY))
$(BUILD)/unit/%: tests/unit/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(call unit_objects,$<) $(LDLIBS) -lcmocka

# Some compare with the kernel's own terminals, sockets and clocks, which are late on a busy machine: what is wrong is wrong three times.
units: $(UNIT_PROGRAMS)
	@failed=0; for u in $^; do \
		ok=0; for try in 1 2 3; do timeout 120 $$u >$$u.log 2>&1 && { ok=1; break; }; done; \
		[ $$ok = 1 ] || { cat $$u.log; failed=1; }; \
	done; grep -h "PASSED  \]" $(^:=.log) | awk "{n += \$$4} END {print n \" unit tests passed\"}"; exit $$failed

# Beside native and the peers that Debian has; writes docs/performance.md.
BENCH_NEEDS := bubblewrap proot strace runsc
needs-bench: needs-build
	$(call install_missing,$(BENCH_NEEDS))

bench: needs-bench
	@$(MAKE) -s terrarium
	$(PYTHON) bench/bench.py

# What the network costs, as a table.
bench-network: needs-test needs-bench
	@$(MAKE) -s terrarium
	$(PYTHON) bench/network.py

# How late limits are; writes docs/limits.md.
bench-limits: needs-test
	@$(MAKE) -s terrarium
	$(PYTHON) bench/limits.py

# What --record costs; docs/records.md shows the table.
bench-record: needs-test
	@$(MAKE) -s terrarium
	$(PYTHON) bench/record.py

# Pages of docs/ that are made from the tree.
docs-generated:
	$(PYTHON) tools/syscall_coverage.py

# CPython's own suite, natively and inside; writes docs/fidelity.md. Half an hour, and what has a result is not run again.
test-cpython: needs-test
	$(call install_missing,libpython3.11-testsuite)
	@$(MAKE) -s terrarium
	$(PYTHON) tools/cpython_suite.py

# CPython built from Debian's source against musl, in an archive; minutes, the first time.
test-musl: needs-test
	$(call install_missing,dpkg-dev)
	@$(MAKE) -s terrarium
	tools/musl_python.sh build/musl/python.tar
	$(PYTHON) -m pytest -q -p no:cacheprovider tests/run/test_images.py

# Recorded modules of CPython's suite, replayed where there is no Python; writes its table into docs/determinism.md.
test-replay: needs-test
	$(call install_missing,libpython3.11-testsuite)
	@$(MAKE) -s terrarium
	$(PYTHON) tools/replay_suite.py --write

# Every source of chance, natively and inside, many times; writes its table into docs/determinism.md.
RUNS ?= 100
determinism: needs-test
	@$(MAKE) -s terrarium
	$(PYTHON) tools/determinism.py -n $(RUNS) --write

# A fuzzer per hostile input, with its seeds (docs/security.md); what it finds goes to tests/fuzz/seeds as a file of its own.
# The rooms are compiled once for all of them. FUZZ_SECONDS is what each may take.
FUZZ_SECONDS ?= 60
FUZZ_CC ?= clang-14
FUZZERS := policy network captured names record bundle tar elf path calls
FUZZ_NEEDS := clang-14 libclang-rt-14-dev
FUZZ_FLAGS := -std=gnu17 -g -O1 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJECTS := $(foreach room,vfs policy network trace kernel stubs,$(patsubst %.c,build/fuzz/%.o,$(wildcard $(room)/*.c $(room)/*/*.c))) \
	$(patsubst %,build/fuzz/supervisor/%.o,elf bundle_give bundle_bytes bundle_places interpreter)
build/fuzz/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

build/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_OBJECTS)
	$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(FUZZ_OBJECTS) $(LDLIBS) -lcmocka

.SECONDARY: $(FUZZ_OBJECTS) $(FUZZERS:%=build/fuzz/fuzz_%)
$(FUZZERS:%=fuzz-%): fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/fuzz/found/$* tests/fuzz/seeds/$*
	ASAN_OPTIONS=detect_leaks=1 build/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -max_len=8192 \
		-print_final_stats=1 $(addprefix -dict=,$(wildcard tests/fuzz/$*.dict)) build/fuzz/found/$* tests/fuzz/seeds/$*

.PHONY: $(FUZZERS:%=fuzz-%)
needs-fuzz: needs-test
	$(call install_missing,$(FUZZ_NEEDS))

fuzz: needs-fuzz
	@set -e; for f in $(FUZZERS); do $(MAKE) fuzz-$$f; done

# The judges of style, over the whole tree: all of them must be silent. clang-tidy's checks are in .clang-tidy, what cppcheck says that is
# not so in .cppcheck. On two idle cores: a second, half a minute, and a quarter of an hour for clang-tidy, which `make lint TIDY=file.c` asks of
# less.
LINT_NEEDS := clang-format clang-tidy cppcheck
C_FILES = $(shell git ls-files '*.c' '*.h')
TIDY ?= $(SOURCES) $(UNITS)
lint: needs-test
	$(call install_missing,$(LINT_NEEDS))
	clang-format --dry-run -Werror $(C_FILES)
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability -j$$(nproc) -I. -D_GNU_SOURCE \
		--include=tools/cppcheck.h --suppressions-list=.cppcheck $(ROOMS)
	printf '%s\n' $(TIDY) | xargs -P$$(nproc) -n1 sh -c 'clang-tidy --quiet "$$@" -- -std=gnu17 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. 2>/dev/null' x

bench-policy: terrarium
	$(CC) $(CFLAGS) $(LDFLAGS) -o $(BUILD)/bench_policy bench/policy.c $(filter $(BUILD)/policy/% $(BUILD)/kernel/sysent.o,$(LIBRARY)) $(LDLIBS)
	$(BUILD)/bench_policy

# DESTDIR is put before every path and known to nothing that is installed.
PREFIX ?= /usr/local
SHARE = $(DESTDIR)$(PREFIX)/share
install: terrarium
	install -D -m 755 $(BUILD)/terrarium $(DESTDIR)$(PREFIX)/bin/terrarium
	install -D -m 644 docs/terrarium.1 $(SHARE)/man/man1/terrarium.1
	install -D -m 644 cli/terrarium.bash $(SHARE)/bash-completion/completions/terrarium
	install -D -m 644 docs/policy.schema.json $(SHARE)/terrarium/policy.schema.json
	install -d $(SHARE)/terrarium/profiles
	install -m 644 policy/profiles/*.yaml $(SHARE)/terrarium/profiles/

clean:
	rm -rf build terrarium

-include $(OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d)
