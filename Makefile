# mbimage: Modbus TCP over one shared-memory register image.
#
#   make            the programs, in build/          make run         simulator, server, menu
#   make check      unit and system tests            make check T=name
#   make check-san  the same under sanitizers        make check-long  the long proofs
#   make fuzz       hostile input under libFuzzer, FUZZ_RUNS=10000000
#   make bench      speed, and a report              make coverage    lines that the tests run
#   make lint       static checks                    make format      C files as lint wants them
#   make install DESTDIR= PREFIX=     and uninstall
#   make dist       a tarball of the sources       make deb         Debian packages
#   make help       prints this
#
# V=1 shows the commands.  SAN=address,undefined or SAN=thread, CC=clang and BUILD=dir make other
# builds.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CC      ?= cc
AR      ?= ar
VERSION := 0.1.0
# All CPUs, unless -j says otherwise.
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wvla -Wformat=2 -Wundef -Wpointer-arith \
	-Wwrite-strings -Wimplicit-fallthrough
OPT  ?= -O2 -g
HARD := -fstack-protector-strong -fPIC
ifdef SAN
OPT  := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS += -fsanitize=$(SAN)
else ifdef GCOV
CPPFLAGS += -DGCOV
OPT  := -O0 -g --coverage -fprofile-update=atomic -fprofile-abs-path
LDFLAGS += --coverage
else
HARD += -D_FORTIFY_SOURCE=2
endif
PKGS     := libmodbus liburcu-qsbr libsystemd libconfig
# Asked only when something is compiled, so that "make run" on a bare machine can install them
# first.
PKG_CFLAGS = $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CPPFLAGS += -D_GNU_SOURCE -DMBIMAGE_VERSION='"$(VERSION)"' -DURCU_INLINE_SMALL_FUNCTIONS \
	-I. -Ilibshm -Icommon
CFLAGS   += -std=c11 $(OPT) $(HARD) $(WARN) -pthread
LDFLAGS  += -pthread -Wl,-z,relro,-z,now -Wl,--as-needed

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(@:$(BUILD)/%=%)')

O       := $(BUILD)/obj
obj      = $(patsubst %.c,$(O)/%.o,$(1))
points   = $(patsubst %.c,$(O)/points/%.o,$(1))

SHM_SRC    := $(wildcard libshm/*.c)
SHMTOOL_SRC:= $(wildcard mbshm/*.c)
COMMON_SRC := $(wildcard common/*/*.c)
SERVER_SRC := $(filter-out mbserverd/main.c,$(wildcard mbserverd/*.c))
SIM_SRC    := $(filter-out simulatord/main.c,$(wildcard simulatord/*.c))
CLIENT_SRC := $(filter-out mbclient/main.c,$(wildcard mbclient/*.c))

PROGRAMS := $(addprefix $(BUILD)/,mbserverd simulatord mbclient $(if $(SHMTOOL_SRC),mbshm))
LIBS     := $(BUILD)/libcommon.a $(BUILD)/libmbshm.a
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
TOOLS    := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c)) \
	$(patsubst tests/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/preload/*.c))
BENCHES  := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
SCRIPTS  := $(wildcard tests/system/*.t)

LIBS_common := -lconfig -lsystemd
LIBS_mbserverd := -lurcu-qsbr $(LIBS_common)
LIBS_simulatord := $(LIBS_common) -lm
LIBS_mbclient := -lmodbus $(LIBS_common)

all: $(PROGRAMS) $(BUILD)/libmbshm.so $(BUILD)/libmbshm.so.0

# ---- objects -------------------------------------------------------------------------------------
$(O)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

# The same library with its named crash points compiled in (libshm/points.h); tests link this one.
$(O)/points/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(CPPFLAGS) -DMBSHM_POINTS $(PKG_CFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(O)/common/plant/default.o: default.conf

-include $(shell find $(O) -name '*.d' 2>/dev/null)

# ---- archives and programs -----------------------------------------------------------------------
define archive
$(BUILD)/$(1): $(2)
	$$(call say,AR)
	$(Q)rm -f $$@ && $(AR) qcs $$@ $(2)
endef
# The image as a library for others' programs: one object whose only global names are mbshm_*, and a
# shared library of the same.  (Sanitizers and gcov need the objects as they are.)
SHM_OBJ := $(if $(SAN)$(GCOV),$(call obj,$(SHM_SRC)),$(O)/libmbshm.o)
$(O)/libmbshm.o: $(call obj,$(SHM_SRC))
	$(call say,LD)
	$(Q)$(CC) -r -o $@ $^ && objcopy --wildcard --keep-global-symbol='mbshm_*' $@
$(eval $(call archive,libmbshm.a,$(SHM_OBJ)))
SONAME := libmbshm.so.0
$(BUILD)/libmbshm.so.$(VERSION): $(call obj,$(SHM_SRC)) libshm/libmbshm.map
	$(call say,LD)
	$(Q)$(CC) -shared $(LDFLAGS) -Wl,-soname,$(SONAME) \
		-Wl,--version-script,libshm/libmbshm.map -o $@ $(filter %.o,$^)
$(BUILD)/$(SONAME) $(BUILD)/libmbshm.so: $(BUILD)/libmbshm.so.$(VERSION)
	$(Q)ln -sfn $(<F) $@
$(eval $(call archive,libmbshm-points.a,$(call points,$(SHM_SRC))))
$(eval $(call archive,libcommon.a,$(call obj,$(COMMON_SRC))))
$(eval $(call archive,libserver.a,$(call obj,$(SERVER_SRC))))
$(eval $(call archive,libsim.a,$(call obj,$(SIM_SRC))))
$(eval $(call archive,libclient.a,$(call obj,$(CLIENT_SRC))))

define program
$(BUILD)/$(1): $(2) $(LIBS)
	$$(call say,LD)
	$(Q)$$(CC) $$(LDFLAGS) -o $$@ $(2) $(LIBS) $(3)
endef
$(eval $(call program,mbserverd,$(O)/mbserverd/main.o $(BUILD)/libserver.a,$(LIBS_mbserverd) -lm))
$(eval $(call program,simulatord,$(O)/simulatord/main.o $(BUILD)/libsim.a,$(LIBS_simulatord)))
$(eval $(call program,mbclient,$(O)/mbclient/main.o $(BUILD)/libclient.a,$(LIBS_mbclient) -lm))
$(eval $(call program,mbshm,$(call obj,$(SHMTOOL_SRC)),$(LIBS_common) -lm))

# ---- tests ---------------------------------------------------------------------------------------
TEST_LIBS := $(addprefix $(BUILD)/,libserver.a libsim.a libclient.a libcommon.a libmbshm-points.a)
$(BUILD)/tests/%: $(O)/tests/unit/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(TEST_LIBS) -lcmocka $(LIBS_mbserverd) -lmodbus -lm
$(BUILD)/tests/%: $(O)/tests/tools/%.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(TEST_LIBS) $(LIBS_mbserverd) -lmodbus -lm
$(BUILD)/tests/%.so: $(O)/tests/preload/%.o
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -shared -o $@ $<
$(BUILD)/bench/%: $(O)/tests/bench/%.o $(LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(LIBS) $(LIBS_common) -lmodbus -lm

# The protocol of the image, model-checked; the programs' code is not in it.
MODEL := $(BUILD)/tests/test_image_model
$(MODEL): $(call obj,$(wildcard tests/model/*.c))
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^

# Fuzz targets: with replay.c a test of the kept inputs and some mutations; for "make fuzz" with
# libFuzzer, which wants to see the branches of what reads input.
FUZZ  := $(addprefix $(BUILD)/tests/test_fuzz_,protocol plant values)
PARTS := $(call obj,tests/fuzz/fuzz.c tests/fuzz/oracle.c)
$(BUILD)/tests/test_fuzz_%: $(O)/tests/fuzz/%.o $(PARTS) $(O)/tests/fuzz/replay.o $(TEST_LIBS)
	@mkdir -p $(@D)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) $(TEST_LIBS) $(LIBS_mbserverd) -lm
$(BUILD)/fuzz_%: $(O)/tests/fuzz/%.o $(PARTS) $(BUILD)/libserver.a $(LIBS)
	$(call say,LD)
	$(Q)$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) \
		$(BUILD)/libserver.a $(LIBS) $(LIBS_mbserverd) -lm
ifdef COVER
CFLAGS += -O2
$(O)/common/%.o $(O)/mbserverd/%.o $(O)/libshm/values.o $(O)/tests/fuzz/oracle.o: \
	CFLAGS += -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp
endif

tests: all $(UNITS) $(TOOLS) $(MODEL) $(FUZZ)

T ?=
check: deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BUILD=$(BUILD) tests/run $(T)

check-san: deps
	+$(Q)BUILD=$(BUILD) tests/run-san $(T)

check-long: deps
	$(Q)$(MAKE) --no-print-directory tests
	$(Q)BUILD=$(BUILD) MB_LONG=1 tests/run $(T)

# Lines that the tests run, in a separate build; by gcc, because gcov belongs to it.
coverage: deps
	$(Q)$(MAKE) --no-print-directory CC=gcc BUILD=$(BUILD)/coverage GCOV=1 tests
	$(Q)BUILD=$(BUILD)/coverage tests/coverage $(T)

fuzz:
	$(Q)scripts/deps.sh ci
	+$(Q)$(MAKE) --no-print-directory CC=clang BUILD=$(BUILD)/fuzz SAN=address,undefined \
		COVER=1 fuzz-run

fuzz-run: $(FUZZ) $(FUZZ:$(BUILD)/tests/test_%=$(BUILD)/%) $(BUILD)/tests/test_corruption
	$(Q)BUILD=$(BUILD) tests/fuzz/run

# Static checks.  Left out: what this cppcheck takes for a null or unset variable because it does
# not see that a function fills it, or never returns; the compilers' warnings and the sanitizers
# look after those.
UNSEEN := nullPointer nullPointerRedundantCheck ctunullpointer uninitvar ctuuninitvar \
	overlappingWriteUnion
lint:
	$(Q)scripts/deps.sh ci
	$(Q)tests/lint/house
	$(Q)cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		$(UNSEEN:%=--suppress=%) -D_GNU_SOURCE -I. -Ilibshm -Icommon \
		common libshm mbserverd simulatord mbclient mbshm tests
	$(Q)shellcheck $(wildcard scripts/*.sh systemd/*.sh tests/*.sh tests/run tests/run-san \
		tests/fuzz/run .ci/run)

# Write all C files as .clang-format says.
format:
	$(Q)scripts/deps.sh ci
	$(Q)git ls-files -z '*.c' '*.h' | xargs -0 clang-format -i

bench: deps
	$(Q)$(MAKE) --no-print-directory all $(BENCHES)
	$(Q)BUILD=$(BUILD) tests/bench/run $(T)

# ---- for people ----------------------------------------------------------------------------------
# Says what is missing and installs it (root or sudo); silent when nothing is.
deps:
	$(Q)scripts/deps.sh

run: deps
	$(Q)$(MAKE) -q --no-print-directory all 2>/dev/null || $(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) scripts/run

# Where things go; LIBDIR is another one on Debian, /usr/lib/x86_64-linux-gnu.
LIBDIR ?= $(PREFIX)/lib
INSTALL = BUILD=$(BUILD) PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) DESTDIR=$(DESTDIR) \
	VERSION=$(VERSION) systemd/install.sh
install: all
	$(Q)$(INSTALL) install
uninstall:
	$(Q)$(INSTALL) uninstall

# A tarball of the sources, and Debian packages made from it.
dist deb:
	$(Q)BUILD=$(BUILD) VERSION=$(VERSION) systemd/package.sh $@

# The head of this file.
help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

clean:
	rm -rf $(BUILD)

.PHONY: all tests check check-san check-long coverage fuzz fuzz-run lint format bench deps run \
	install uninstall dist deb help clean
.SECONDARY:
.DELETE_ON_ERROR:
