# SPDX-License-Identifier: MIT
#
# make            everything, into build/
# make demo       from nothing to a command run in a microVM (installs what is missing)
# make check      every test (installs what is missing)
# make lint       style, layers, warnings as errors with gcc and clang
# make bench      speed, against peers in the same run
# make soak       what takes long: a thousand boots, kill -9 at every step
# make fuzz       every fuzz target, FUZZ_SECONDS each
# make kernel     our own guest kernel; make kernel-uml: one for User-mode Linux
# make install    DESTDIR= PREFIX=/usr/local; make uninstall
# make dist       the source as a tar; make deb: a Debian package
#
# VARIANT=asan|tsan|clang|fuzz builds the same into build/VARIANT.
#
# Files are found by their place: cmd/vk-x.c and cmd/vk-x/**.c are the program
# vk-x, common/*.c is linked by all, agent/*.c is the guest's process 1,
# tests/P.c tests P.c.

BUILD ?= build
VARIANT ?=
O := $(BUILD)$(if $(VARIANT),/$(VARIANT))
PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
FUZZ_SECONDS ?= 5

# ---- what each program links ------------------------------------------------

LIBS_vk-pull := libcurl jansson libcrypto libisal libzstd zlib
LIBS_vk-mkext := libarchive ext2fs com_err libcrypto
LIBS_vk-boot := libarchive jansson libseccomp ext2fs com_err libzstd zlib
LIBS_vk-switch := jansson libseccomp
LIBS_vk-exec :=
LIBS_vk-control := jansson
LIBS_vk-ps := jansson

# ---- compilers --------------------------------------------------------------

VERSION := $(shell sed -n 's/.*VK_VERSION "\([0-9.]*\) .*/\1/p' common/version.h)
COMMIT := $(shell git describe --always --dirty 2>/dev/null)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wundef -Wvla \
	-Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wnull-dereference \
	-Wno-format-nonliteral
OPT := -O2 -g
HARDEN := -fstack-protector-strong -fPIE -fno-strict-aliasing
LDHARDEN := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(VARIANT),asan)
OPT := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
else ifeq ($(VARIANT),tsan)
OPT := -O1 -g -fsanitize=thread
else ifeq ($(VARIANT),clang)
CC := clang
else ifeq ($(VARIANT),fuzz)
CC := clang
OPT := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -DFUZZING
else
HARDEN += -D_FORTIFY_SOURCE=2
# Cut texts are what snprintf is for.
WARN += -Wno-format-truncation
endif

CPPFLAGS += -D_GNU_SOURCE -I. -include common/banned.h
CFLAGS ?=
ALL_CFLAGS := -std=gnu11 $(OPT) $(HARDEN) $(WARN) -pthread -MMD -MP $(CFLAGS)
ALL_LDFLAGS := $(OPT) $(LDHARDEN) -pthread -Wl,--as-needed $(LDFLAGS)

# What starts often or must be small is of musl, and static: the agent, and
# vk-exec, for which the dynamic linker would be a third of `vk-exec VM true`.
MUSL_CC ?= musl-gcc
MUSL_CFLAGS := -std=gnu11 -Os -g -Wno-format-truncation -fPIE -ffunction-sections \
	-fdata-sections -fstack-protector-strong $(WARN) -MMD -MP \
	-idirafter /usr/include -idirafter /usr/include/$(shell gcc -dumpmachine) \
	$(CFLAGS)
MUSL_LDFLAGS := -static -Wl,--gc-sections -Wl,-z,noexecstack

# ---- what there is ----------------------------------------------------------

PROGRAMS := $(patsubst cmd/%.c,%,$(wildcard cmd/vk-*.c))
sources = $(sort $(wildcard cmd/$(1)/*.c cmd/$(1)/*/*.c))
objects = $(patsubst %.c,$(O)/obj/%.o,$(1))
COMMON := $(sort $(wildcard common/*.c))
AGENT := $(sort $(wildcard agent/*.c))
UNIT_TESTS := $(sort $(wildcard tests/common/*.c tests/agent/*.c \
	tests/cmd/*/*.c tests/cmd/*/*/*.c))
FUZZERS := $(sort $(wildcard tests/fuzz/*/*.c))

all: $(PROGRAMS:%=$(O)/%) $(if $(AGENT),$(O)/vk-agent)

.PHONY: all check demo lint bench soak fuzz kernel kernel-uml install \
	uninstall deb dist clean unit-tests helpers fuzzers syntax FORCE
.SECONDARY:
.DELETE_ON_ERROR:

# What pkg-config says is asked once and kept.
$(O)/libs.mk: Makefile
	@mkdir -p $(@D)
	@{ $(foreach l,libarchive libcurl jansson libcrypto zlib libisal libzstd \
	    ext2fs com_err libseccomp,echo 'CFLAGS_$(l) := '"$$($(PKG_CONFIG) --cflags $(l))"; \
	    echo 'LDLIBS_$(l) := '"$$($(PKG_CONFIG) --libs $(l))";) } \
	    > $@.new 2> $(O)/libs.err || { cat $(O)/libs.err; \
	    echo "a library is missing: scripts/setup build installs it"; \
	    rm -f $@.new; exit 1; }
	@mv $@.new $@
# What builds nothing asks for neither this nor what depends on what.
COMPILES := $(filter-out clean install uninstall deb dist demo check lint, \
	$(or $(MAKECMDGOALS),all))
ifneq ($(COMPILES),)
-include $(O)/libs.mk
endif

# ---- objects ----------------------------------------------------------------

$(O)/obj/%.o: %.c $(O)/libs.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

# The version names the commit; what an archive was made of is in version.h.
OPT_OBJECTS := $(O)/obj/common/opt.o $(O)/obj-musl/common/opt.o
$(OPT_OBJECTS): CPPFLAGS += $(if $(COMMIT),-DVK_COMMIT='"$(COMMIT)"')
$(OPT_OBJECTS): $(O)/commit
$(O)/commit: FORCE
	@mkdir -p $(@D)
	@echo "$(COMMIT)" | cmp -s - $@ || echo "$(COMMIT)" > $@

$(O)/obj-musl/%.o: %.c
	@mkdir -p $(@D)
	$(MUSL_CC) $(CPPFLAGS) $(MUSL_CFLAGS) -c -o $@ $<

$(O)/libcommon.a: $(call objects,$(COMMON))
	@rm -f $@
	$(AR) rcs $@ $^

$(O)/libcommon-musl.a: $(COMMON:%.c=$(O)/obj-musl/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

define program
$(O)/$(1): $(call objects,cmd/$(1).c $(call sources,$(1))) $(O)/libcommon.a
	$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(foreach l,$$(LIBS_$(1)),$$(LDLIBS_$$(l)))
endef
define musl_program
$(O)/$(1): $(patsubst %.c,$(O)/obj-musl/%.o,cmd/$(1).c \
		$(call sources,$(1))) $(O)/libcommon-musl.a
	$$(MUSL_CC) $$(MUSL_LDFLAGS) -nostartfiles -Wl,-pie \
		-Wl,--no-dynamic-linker,-z,text,-z,relro,-z,now -o $$@ \
		$$(MUSL_START) $$^
endef
# Sanitizers and other compilers have no musl: there they are like the others.
MUSL_PROGRAMS := $(if $(VARIANT),,vk-exec)
# musl-gcc knows no -static-pie: its own start file is named instead.
MUSL_START = $(shell $(MUSL_CC) -static -\#\#\# -x c /dev/null 2>&1 | \
	tr " " "\n" | sed -n "s,crti\.o$$,rcrt1.o,p")
$(foreach p,$(filter-out $(MUSL_PROGRAMS),$(PROGRAMS)),$(eval \
	$(call program,$(p))))
$(foreach p,$(MUSL_PROGRAMS),$(eval $(call musl_program,$(p))))

# Kept with its symbols beside it: the guest's copy is stripped.
$(O)/vk-agent: $(AGENT:%.c=$(O)/obj-musl/%.o) $(O)/libcommon-musl.a
	$(MUSL_CC) $(MUSL_LDFLAGS) -no-pie -o $@.debug $^
	strip -o $@ $@.debug

# ---- tests ------------------------------------------------------------------

# tests/cmd/vk-x/... links all of vk-x but its main file, tests/agent/... all
# of the agent (built for the host) but its main file.
owner = $(word 3,$(subst /, ,$(1)))
define unit_test
$(O)/$(1:.c=): $(call objects,$(1) $(2)) $(O)/libcommon.a
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_LDFLAGS) -o $$@ $$^ $$(foreach l,$(3),$$(LDLIBS_$$(l)))
endef
$(foreach t,$(filter tests/common/%,$(UNIT_TESTS)),$(eval \
	$(call unit_test,$(t),,jansson libarchive libseccomp)))
$(foreach t,$(filter tests/agent/%,$(UNIT_TESTS)),$(eval \
	$(call unit_test,$(t),$(filter-out agent/vk-agent.c,$(AGENT)),)))
$(foreach t,$(filter tests/cmd/%,$(UNIT_TESTS)),$(eval \
	$(call unit_test,$(t),$(call sources,$(call owner,$(t))),$(LIBS_$(call owner,$(t))))))

unit-tests: $(UNIT_TESTS:%.c=$(O)/%)

# Programs that shell tests and benchmarks use: peers, loads, measures.
HELPERS := $(sort $(wildcard tests/helpers/*.c))
helpers: $(HELPERS:%.c=$(O)/%)
unit-tests: helpers
$(O)/tests/helpers/%: $(O)/obj/tests/helpers/%.o \
		$(O)/libcommon.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

# Guests without a kernel (tests/bare/machine.h), each of one of these and
# what they share.
BARE := tests/bare/first tests/bare/hostile tests/bare/flip tests/bare/reboot \
	tests/bare/slots
BARE_SHARED := tests/bare/agent.c tests/bare/disk.c tests/bare/machine.c \
	tests/bare/second.c tests/bare/virtio.c
BARE_CASES := $(sort $(wildcard tests/bare/hostile/*.c))
BARE_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fno-pie -mno-red-zone \
	-mgeneral-regs-only -fno-stack-protector -fcf-protection=none \
	$(WARN) -MMD -MP $(CFLAGS)
$(O)/obj-bare/%.o: %.c
	@mkdir -p $(@D)
	$(CC) -I. $(BARE_CFLAGS) -c -o $@ $<
$(BARE:%=$(O)/%): $(O)/%: $(O)/obj-bare/%.o \
		$(patsubst %.c,$(O)/obj-bare/%.o,$(BARE_SHARED) $(BARE_CASES))
	@mkdir -p $(@D)
	$(CC) -nostdlib -static -Wl,-Ttext-segment=0x1000000 \
		-Wl,--build-id=none -Wl,--gc-sections -Wl,-z,noexecstack -o $@ $^
unit-tests: $(BARE:%=$(O)/%)

# Built with VARIANT=fuzz; FUZZ_SECONDS each.
define fuzzer
$(O)/$(1:.c=): $(call objects,$(1) $(2)) $(O)/libcommon.a
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_LDFLAGS) -fsanitize=fuzzer -o $$@ $$^ $$(foreach l,$(3),$$(LDLIBS_$$(l)))
endef
$(foreach t,$(filter tests/fuzz/common/%,$(FUZZERS)),$(eval \
	$(call fuzzer,$(t),,jansson libarchive)))
$(foreach t,$(filter tests/fuzz/agent/%,$(FUZZERS)),$(eval \
	$(call fuzzer,$(t),$(filter-out agent/vk-agent.c,$(AGENT)),)))
$(foreach t,$(filter tests/fuzz/vk-%,$(FUZZERS)),$(eval \
	$(call fuzzer,$(t),$(call sources,$(call owner,$(t))),$(LIBS_$(call owner,$(t))))))

fuzzers: $(FUZZERS:%.c=$(O)/%)

# Every source for itself, for its warnings only. The stamp has a suffix of its
# own: cmd/vk-pull is the folder of what cmd/vk-pull.c has beside it.
syntax: $(patsubst %.c,$(O)/syntax/%.ok,$(sort $(wildcard cmd/*.c cmd/*/*.c \
	cmd/*/*/*.c) $(COMMON) $(AGENT) $(UNIT_TESTS) $(FUZZERS) $(HELPERS)))
$(O)/syntax/%.ok: %.c $(O)/libs.mk
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -fsyntax-only $<
	@touch $@

fuzz:
	$(MAKE) VARIANT=fuzz fuzzers
	scripts/fuzz $(BUILD)/fuzz $(FUZZ_SECONDS)

check:
	scripts/check

demo:
	scripts/demo

lint:
	scripts/lint

bench: all
	scripts/bench

soak: all
	scripts/soak

kernel:
	kernel/build

kernel-uml:
	kernel/build uml

# ---- installation -----------------------------------------------------------

install uninstall deb:
	scripts/install $@ "$(DESTDIR)" "$(PREFIX)" "$(O)"

# What is committed, under a folder of that version, the same bytes each time.
dist:
	@mkdir -p $(BUILD)
	git archive --format=tar --prefix=vk-$(VERSION)/ HEAD | gzip -9n \
		> $(BUILD)/vk-$(VERSION).tar.gz.new
	mv $(BUILD)/vk-$(VERSION).tar.gz.new $(BUILD)/vk-$(VERSION).tar.gz

clean:
	rm -rf $(BUILD)

ifneq ($(COMPILES),)
-include $(shell find $(wildcard $(O)/obj $(O)/obj-musl $(O)/obj-bare /dev/null) \
	-name '*.d' 2>/dev/null)
endif
