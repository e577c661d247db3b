# SPDX-License-Identifier: GPL-2.0-only
# Builds the one binary, $(OUT)/keyswitch, with the BPF object inside.
#   make            the binary
#   make check      unit tests and checks, no root
#   make test       everything (root)
#   make test-kernels  every kernel, compiler, -mcpu and machine, races on two CPUs (root)
#   make budget     records what the verifier does with each program (root)
#   make fuzz       the native fuzzers, SECONDS each, two at a time
#   make fuzz-streams  attacks on streams from seeds, SECONDS, SEED (root)
#   make soak       attacks, seeded bugs, bad links, races, 200 random policies; MINUTES of
#                   attacks (root)
#   make bench      cost per packet, beside a no-op and other filters; QUICK=1 (root)
#   make bench-compare OLD=a.json NEW=b.json
#   make demo       a plant in namespaces (root)
#   make docs       docs/reasons.md, from the reason codes
#   make manual     man pages and completion, made from --help and the schema
#   make install    DESTDIR, PREFIX
#   make deb        a Debian package, in .output/deb
# V=1 shows the commands.

VERSION := 0.1.0
OUT ?= .output
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/sbin
DATADIR ?= $(PREFIX)/share/keyswitch
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/vendor-completions

CC ?= gcc
CLANG ?= clang
# another root for headers and libraries: CC=aarch64-linux-gnu-gcc SYSROOT=...
SYSROOT ?=
override CC := $(CC)$(if $(SYSROOT), --sysroot=$(SYSROOT))
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
LLVM_STRIP ?= $(firstword $(foreach s,llvm-strip llvm-strip-14,$(shell command -v $(s))))

WARN := -Wall -Wextra -Werror
BPF_CPU ?= v3
# callbacks of bpf_loop have parameters that they do not need
BPF_CFLAGS := -O2 -g -target bpf -mcpu=$(BPF_CPU) $(WARN) -Wno-unused-parameter \
	-isystem $(SYSROOT)/usr/include/$(shell $(CC) -print-multiarch) $(if $(SYSROOT),-isystem $(SYSROOT)/usr/include)
USER_CPPFLAGS := -std=gnu11 -D_GNU_SOURCE -DKEYSWITCH_VERSION='"$(VERSION)"' -I$(OUT)
USER_CFLAGS := -O2 -g $(WARN) -Wshadow -Wformat=2 -Wstrict-prototypes -fstack-protector-strong \
	-D_FORTIFY_SOURCE=2 -fPIE
USER_LDFLAGS := -pie -Wl,-z,relro,-z,now,--as-needed
LIBS := -lbpf -lelf -lz -lfyaml -ljansson -lpcap -lmicrohttpd -lnettle -lgnutls -lsodium -lsystemd -lcap-ng -lseccomp -lncursesw -ltinfo
SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

SKELETONS := $(OUT)/keyswitch.skel.h $(OUT)/guard.skel.h
USER_SRC := $(sort $(wildcard user/*.c))
USER_OBJ := $(USER_SRC:user/%.c=$(OUT)/user/%.o)
# everything but main() for the unit tests, which run under the sanitizers
SAN_OBJ := $(patsubst user/%.c,$(OUT)/san/%.o,$(filter-out user/main.c,$(USER_SRC)))
UNIT_SRC := $(sort $(wildcard selftests/unit/*.c))
UNIT_BIN := $(UNIT_SRC:selftests/unit/%.c=$(OUT)/unit/%)

Q := $(if $(filter 1,$(V)),,@)
msg = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' '$(1)' '$(patsubst $(CURDIR)/%,%,$(2))';)

.PHONY: all check budget unit test test-kernels fuzz fuzz-streams soak bench bench-compare demo manual docs install uninstall deb clean format
.DELETE_ON_ERROR:
.SECONDARY:

all: $(OUT)/keyswitch

$(OUT)/keyswitch: $(USER_OBJ)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(USER_LDFLAGS) $^ $(LIBS) -o $@

$(OUT)/%.bpf.o: bpf/%.bpf.c Makefile
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
	$(if $(LLVM_STRIP),$(Q)$(LLVM_STRIP) -g $@)

$(OUT)/%.skel.h: $(OUT)/%.bpf.o
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(OUT)/user/%.o: user/%.c Makefile | $(SKELETONS)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER_CPPFLAGS) $(USER_CFLAGS) -MMD -MP -c $< -o $@

$(OUT)/san/%.o: user/%.c Makefile | $(SKELETONS)
	$(call msg,CC-SAN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER_CPPFLAGS) -O1 -g $(WARN) $(SAN) -MMD -MP -c $< -o $@

# the linker takes from an archive only what a test uses
$(OUT)/san/libkeyswitch.a: $(SAN_OBJ)
	$(call msg,AR,$@)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^

$(OUT)/unit/%: selftests/unit/%.c $(OUT)/san/libkeyswitch.a
	$(call msg,UNIT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(USER_CPPFLAGS) -Iuser -Ibpf -O1 -g $(WARN) $(SAN) -MMD -MP -MF $@.d -MT $@ \
		$< $(OUT)/san/libkeyswitch.a $(LIBS) -o $@

unit: $(UNIT_BIN)
	$(Q)failed=0; for t in $(UNIT_BIN); do \
		echo "  RUN    $$t"; $$t || failed=1; done; exit $$failed

check: all unit
	$(Q)for p in policy/*.yaml; do $(OUT)/keyswitch check $$p || exit 1; done
	$(Q)scripts/check-style
	$(Q)CLANG=$(CLANG) BPF_CPU=$(BPF_CPU) OUT=$(OUT) selftests/budget

# what the verifier does with each program, into selftests/budget.txt (root)
budget: all
	$(Q)CLANG=$(CLANG) BPF_CPU=$(BPF_CPU) OUT=$(OUT) selftests/budget --record
	$(Q)selftests/kernels/run --record

# from a fresh Debian: installs what is missing first
test:
	$(Q)scripts/install-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/test

SECONDS ?= 600
fuzz:
	$(Q)selftests/fuzz/run --seconds $(SECONDS)

fuzz-streams: all
	$(Q)selftests/evasion/fuzz_streams --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

MINUTES ?= 30
soak: all
	$(Q)scripts/soak $(MINUTES)

bench: all
	$(Q)selftests/bench/run $(if $(QUICK),--quick)

bench-compare:
	$(Q)selftests/bench/compare $(OLD) $(NEW)

# from a fresh Debian: installs what is missing first
test-kernels:
	$(Q)scripts/install-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/test all-kernels

# from a fresh Debian: installs what is missing first
demo:
	$(Q)scripts/install-deps build demo
	$(Q)$(MAKE) --no-print-directory all
	$(Q)scripts/demo

MANUAL := $(addprefix $(OUT)/manual/,keyswitch.8 keyswitch-policy.5 keyswitch.bash _keyswitch)
manual: $(MANUAL)
$(MANUAL) &: $(OUT)/keyswitch scripts/make-manual policy/keyswitch.schema.json policy/cell.yaml
	$(call msg,MANUAL,$(OUT)/manual)
	$(Q)scripts/make-manual $(OUT)/keyswitch policy/keyswitch.schema.json policy/cell.yaml $(OUT)/manual

# the copy in docs/ is what readers of the repository see; a test holds it to the binary
docs: $(OUT)/keyswitch
	$(Q)$(OUT)/keyswitch reasons --markdown > docs/reasons.md

install: all manual
	install -D -m 0755 $(OUT)/keyswitch $(DESTDIR)$(BINDIR)/keyswitch
	install -d $(DESTDIR)$(DATADIR)/policy/monitoring
	install -m 0644 policy/*.yaml policy/*.json $(DESTDIR)$(DATADIR)/policy
	install -m 0644 policy/monitoring/* $(DESTDIR)$(DATADIR)/policy/monitoring
	install -D -m 0644 $(OUT)/manual/keyswitch.8 $(DESTDIR)$(MANDIR)/man8/keyswitch.8
	install -D -m 0644 $(OUT)/manual/keyswitch-policy.5 $(DESTDIR)$(MANDIR)/man5/keyswitch-policy.5
	install -D -m 0644 $(OUT)/manual/keyswitch.bash $(DESTDIR)$(BASHDIR)/keyswitch
	install -D -m 0644 $(OUT)/manual/_keyswitch $(DESTDIR)$(ZSHDIR)/_keyswitch

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/keyswitch $(DESTDIR)$(MANDIR)/man8/keyswitch.8 \
		$(DESTDIR)$(MANDIR)/man5/keyswitch-policy.5 $(DESTDIR)$(BASHDIR)/keyswitch \
		$(DESTDIR)$(ZSHDIR)/_keyswitch
	rm -rf $(DESTDIR)$(DATADIR)

# dpkg-buildpackage writes beside the tree that it builds: that is a copy in .output
deb:
	$(Q)scripts/make-deb $(OUT)/deb

format:
	$(Q)clang-format -i bpf/*.[ch] user/*.[ch]

clean:
	$(Q)rm -rf $(OUT)

-include $(wildcard $(OUT)/*.d $(OUT)/user/*.d $(OUT)/san/*.d $(OUT)/unit/*.d)
