# SPDX-License-Identifier: BSD-2-Clause
# Every entry point: `make help` lists them.

VERSION := 0.1.0

# BUILD may be set to build elsewhere (make check does); WERROR= builds with a compiler that warns of more.
BUILD   ?= build
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
LD      := ld
NASM    ?= nasm
HOSTCC  ?= gcc
FUZZCC  ?= clang-14
WERROR  ?= -Werror

FOLDERS := boot arch vmx svm ept sched lib vm vdev drivers
SOURCES := $(wildcard $(FOLDERS:%=%/*.c))
ASMS    := $(wildcard $(FOLDERS:%=%/*.asm))
HEADERS := $(wildcard $(FOLDERS:%=%/*.h)) $(wildcard include/bulkhead/*.h)
OBJECTS := $(SOURCES:%=$(BUILD)/obj/%.o) $(ASMS:%=$(BUILD)/obj/%.o)

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes -Wundef $(WERROR)
INCLUDES := -I. -Iinclude
# What the hypervisor and the bare guests share. Paths are cut so that two trees give the same bytes.
BARE     := -std=gnu11 -ffreestanding -mgeneral-regs-only -mno-red-zone -fno-pic -fno-pie \
            -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
            -fno-strict-aliasing -g -ffile-prefix-map=$(CURDIR)=. -MMD -MP
# What runs in an ordinary exit is built for speed, the rest for size.
FAST     := $(addsuffix /%,arch boot ept lib sched) $(foreach d,svm vmx,$(addprefix $d/,cpu.c exit.c vcpu.c)) \
            $(addprefix vm/,board.c conring.c console.c console_%.c cpuid.c cr.c decode%.c emulate.c emulate_mem.c exit.c gmem.c gwalk.c hypercall.c \
            io.c irq.c memory.c mmio.c msr.c run.c vcpu.c xstate.c) $(addprefix vdev/,vioapic.c vlapic%.c vpic.c vuart.c)
# (For size GCC would copy byte by byte, by REP MOVSB, where lib/string.c takes eight. Clang calls it anyway.)
optimize  = $(if $(filter $(FAST),$(1)),-O2,-Os $(if $(findstring clang,$(CC)),,-mstringop-strategy=libcall))
CFLAGS   := $(BARE) -mcmodel=kernel $(INCLUDES) $(WARNINGS) -DBULKHEAD_VERSION='"$(VERSION)"'
NASMFLAGS := -f elf64 -g -F dwarf -I./ -Iinclude/
LDFLAGS  := -nostdlib -static -T linker.ld -z max-page-size=4096 -z noexecstack --build-id=none \
            --no-warn-rwx-segments

SANITIZE    := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HOST        := -std=gnu11 -O1 -g -DBULKHEAD_HOST -DBULKHEAD_VERSION='"$(VERSION)"' $(INCLUDES) \
               -Wall -Wextra $(WERROR) -MMD -MP $(SANITIZE)

# Sub-makes use all processors unless the user has said how many.
PARALLEL = --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# HOOKS=1: with what tests/hooks/ lets a guest break, for tests of what no guest may reach. No other image has any of it.
ifdef HOOKS
SOURCES += $(wildcard tests/hooks/*.c)
ASMS += $(wildcard tests/hooks/*.asm)
LDFLAGS := --defsym=image_has_hooks=1 $(LDFLAGS) --wrap=exit_hypercall --wrap=vmx_enter $(foreach f,vmx_exited svm_exited msr_read_safe msr_write_safe exit_npf trap_handle cpu_sleep,--wrap=$f)
OBJECTS := $(SOURCES:%=$(BUILD)/obj/%.o) $(ASMS:%=$(BUILD)/obj/%.o)
endif

# DEAD=1: the linker names the functions that nothing refers to (make check).
ifdef DEAD
CFLAGS += -ffunction-sections
LDFLAGS += --gc-sections --print-gc-sections
endif

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# ---------------------------------------------------------------------------------- the hypervisor

.PHONY: all
all: $(BUILD)/bulkhead $(BUILD)/bulkhead-check

$(BUILD)/bulkhead: $(OBJECTS) linker.ld
	@echo "  LD      $@"
	@$(LD) $(LDFLAGS) -o $@ $(OBJECTS)

$(BUILD)/obj/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(CFLAGS) $(call optimize,$<) -c -o $@ $<

$(BUILD)/obj/%.asm.o: %.asm Makefile
	@mkdir -p $(@D)
	@echo "  NASM    $<"
	@$(NASM) $(NASMFLAGS) -MD $(@:.o=.d) -MP -o $@ $<

.PHONY: hooked
hooked:
	@$(MAKE) $(PARALLEL) BUILD=$(BUILD)/hooked HOOKS=1 $(BUILD)/hooked/bulkhead

# Only the objects, for a tree whose image does not link yet, and for make check.
.PHONY: objects
objects: $(OBJECTS)

# ------------------------------------------------------------------------------------ bare guests
# guests/bare/NAME.c or NAME.asm becomes $(BUILD)/guests/NAME.elf, linked with start.asm, with what
# guests/bare/lib/ holds, and by guest.ld.

GUEST_FILES := $(filter-out %/start.asm,$(wildcard guests/bare/*.c guests/bare/*.asm))
GUEST_LIB   := $(wildcard guests/bare/start.asm guests/bare/lib/*.c guests/bare/lib/*.asm)
GUEST_ELFS  := $(addprefix $(BUILD)/guests/,$(addsuffix .elf,$(basename $(notdir $(GUEST_FILES)))))
GUEST_OBJS  := $(GUEST_LIB:%=$(BUILD)/obj/%.o)

# guests/examples has a Makefile of its own, so that the folder can be copied and added to elsewhere.
EXAMPLES     := $(wildcard guests/examples/*)
EXAMPLE_ELFS := $(patsubst guests/examples/%,$(BUILD)/guests/%.elf,$(basename \
                $(filter-out %/start.asm %/guest.c,$(filter %.c %.asm,$(EXAMPLES)))))

.PHONY: guests
guests: $(GUEST_ELFS) $(EXAMPLE_ELFS)

$(EXAMPLE_ELFS) &: $(EXAMPLES)
	@$(MAKE) --no-print-directory -C guests/examples CC=$(CC) OUT=$(abspath $(BUILD)/guests) \
		OBJ=$(abspath $(BUILD)/obj/guests/examples)
	@touch $(EXAMPLE_ELFS)

$(BUILD)/obj/guests/%.c.o: guests/%.c Makefile
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(BARE) -O2 -mcmodel=small -Iinclude -Iguests/bare $(WARNINGS) -c -o $@ $<

$(BUILD)/obj/guests/%.asm.o: guests/%.asm Makefile
	@mkdir -p $(@D)
	@echo "  NASM    $<"
	@$(NASM) $(NASMFLAGS) -Iguests/bare/ -MD $(@:.o=.d) -MP -o $@ $<

define guest_rule
$(BUILD)/guests/$(basename $(notdir $(1))).elf: $(BUILD)/obj/$(1).o $(GUEST_OBJS) guests/bare/guest.ld
	@mkdir -p $$(@D)
	@echo "  LD      $$@"
	@$(LD) -nostdlib -static -T guests/bare/guest.ld -z max-page-size=4096 -z noexecstack \
		--build-id=none --no-warn-rwx-segments -o $$@ $(GUEST_OBJS) $(BUILD)/obj/$(1).o
endef
$(foreach f,$(GUEST_FILES),$(eval $(call guest_rule,$(f))))

# ------------------------------------------------------------------- unit tests and fuzz targets
# A line `/* sources: a.c b.c */` in a test names what is linked with it, `/* libs: x y */` its libraries.

UNIT_TESTS := $(wildcard tests/unit/test_*.c)
FUZZ_TESTS := $(wildcard tests/fuzz/fuzz_*.c)
UNIT_BINS  := $(UNIT_TESTS:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ_BINS  := $(FUZZ_TESTS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
named       = $(shell sed -n 's|^/\* $(1): *\(.*[^ ]\) *\*/.*|\1|p' $(2))

$(BUILD)/unit/obj/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	@$(HOSTCC) $(HOST) -c -o $@ $<

$(BUILD)/fuzz/obj/%.c.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  FUZZCC  $<"
	@$(FUZZCC) $(HOST) -fsanitize=fuzzer-no-link -c -o $@ $<

define unit_rule
$(BUILD)/unit/$(basename $(notdir $(1))): $(patsubst %,$(BUILD)/unit/obj/%.o,$(1) $(call named,sources,$(1)))
	@echo "  HOSTLD  $$@"
	@$(HOSTCC) $(SANITIZE) -o $$@ $$^ -lcmocka $(patsubst %,-l%,$(call named,libs,$(1)))
endef
define fuzz_rule
$(BUILD)/fuzz/$(basename $(notdir $(1))): $(patsubst %,$(BUILD)/fuzz/obj/%.o,$(1) $(call named,sources,$(1)))
	@echo "  FUZZLD  $$@"
	@$(FUZZCC) $(SANITIZE) -fsanitize=fuzzer -o $$@ $$^ $(patsubst %,-l%,$(call named,libs,$(1)))
endef
$(foreach f,$(UNIT_TESTS),$(eval $(call unit_rule,$(f))))
$(foreach f,$(FUZZ_TESTS),$(eval $(call fuzz_rule,$(f))))

# ------------------------------------------------------------------------------ at a desk
# The hypervisor's own parser and admission as a program.

CHECK_SOURCES := $(wildcard tools/desk/*.c) $(wildcard vm/config*.c vm/admit*.c) ept/memmap.c lib/printf.c lib/sha256.c lib/string.c

.PHONY: desk
desk: $(BUILD)/bulkhead-check

$(BUILD)/bulkhead-check: $(CHECK_SOURCES:%=$(BUILD)/unit/obj/%.o)
	@echo "  HOSTLD  $@"
	@$(HOSTCC) $(SANITIZE) -o $@ $^

# ------------------------------------------------------------------------------ the service guest

SERVICE := $(addprefix $(BUILD)/service/,vmlinuz vmlinux vmlinux-rt vmlinuz-cloud initrd.cpio)

.PHONY: service
service: $(SERVICE)

$(SERVICE) &: $(BUILD)/fetch/done guests/service/build $(shell find guests/service/root -type f)
	@echo "  SERVICE $(BUILD)/service"
	@guests/service/build $(BUILD)/fetch $(BUILD)/service

# The one step that needs a network. Everything else works without it afterwards, as any user.
.PHONY: fetch
fetch: $(BUILD)/fetch/done

$(BUILD)/fetch/done: tools/fetch
	@tools/fetch $(BUILD)/fetch

.PHONY: deps
deps:
	@tools/deps

# -------------------------------------------------------------------------------------- use it

# For make run: make run CONFIG=guests/service/service.conf CPUS=2 MEMORY=1G FIRMWARE=uefi
CONFIG   ?= guests/run.conf
CPUS     ?= 4
MEMORY   ?= 2G
FIRMWARE ?= bios
RUN_GUESTS := latency load

# The image for real machines has the bzImage: only by that way does the kernel learn of the screen.
# The one for make run has the decompressed kernel, which an emulated machine boots in a third of the time.
ISO_NEEDS := $(BUILD)/bulkhead $(SERVICE) guests/service/service.conf tools/mkiso tools/bhiso.py
ISO_INITRD := initrd=$(BUILD)/service/initrd.cpio

.PHONY: iso
iso: $(BUILD)/bulkhead.iso

$(BUILD)/bulkhead.iso: $(ISO_NEEDS)
	@echo "  ISO     $@"
	@tools/mkiso -o $@ -c guests/service/service.conf --hypervisor $< --timeout 3 \
		linux=$(BUILD)/service/vmlinuz $(ISO_INITRD)

# Made anew each time: CONFIG may be another than the last time.
.PHONY: $(BUILD)/run.iso
$(BUILD)/run.iso: $(ISO_NEEDS) $(CONFIG) $(RUN_GUESTS:%=$(BUILD)/guests/%.elf)
	@echo "  ISO     $@"
	@tools/mkiso -o $@ -c $(CONFIG) --hypervisor $< linux=$(BUILD)/service/vmlinux $(ISO_INITRD) \
		$(foreach g,$(RUN_GUESTS),$(g)=$(BUILD)/guests/$(g).elf)

# Sub-makes, so that what `deps` and `fetch` bring is there before anything is built.
.PHONY: run
run: deps
	@$(MAKE) $(PARALLEL) fetch
	@$(MAKE) $(PARALLEL) $(BUILD)/run.iso
	@tools/run --iso $(BUILD)/run.iso --console terminal --cpus $(CPUS) --memory $(MEMORY) \
		--firmware $(FIRMWARE) --qemu-args "-nic user,model=e1000e"

# ----------------------------------------------------------------------------------------- test

.PHONY: unit fuzz-smoke system system-all test test-all check bench
unit:
	@$(MAKE) $(PARALLEL) --keep-going unit-programs || true
	@tools/hosttests unit $(UNIT_BINS)

fuzz-smoke:
	@$(MAKE) $(PARALLEL) --keep-going fuzz-programs || true
	@tools/hosttests fuzz $(FUZZ_BINS)

.PHONY: unit-programs fuzz-programs
unit-programs: $(UNIT_BINS)
fuzz-programs: $(FUZZ_BINS)

system:
	@$(MAKE) $(PARALLEL) all guests service hooked
	@tests/system/run

# The rows that take minutes too: several hours on two processors.
system-all:
	@$(MAKE) $(PARALLEL) all guests service
	@tests/system/run --all

test: deps
	@$(MAKE) $(PARALLEL) fetch
	@tools/tally unit fuzz-smoke system

test-all: deps
	@$(MAKE) $(PARALLEL) fetch
	@tools/tally unit fuzz-smoke system-all

check:
	@tools/check

bench: $(BUILD)/bulkhead guests service
	@if test -x tests/bench/run; then tests/bench/run; else echo "there is no tests/bench/run"; exit 1; fi

.PHONY: clean distclean help
clean:
	@cd $(BUILD) 2>/dev/null && rm -rf $$(ls | grep -vx fetch) || true

distclean:
	@rm -rf $(BUILD)

help:
	@echo "make             the hypervisor: $(BUILD)/bulkhead"
	@echo "make run         four guests under Bulkhead under QEMU, a Linux shell on this terminal"
	@echo "make test        the tests that do not take minutes each; installs and fetches what is missing"
	@echo "make test-all    every test, the slow ones on Bochs too"
	@echo "make iso         $(BUILD)/bulkhead.iso, for BIOS, UEFI and USB sticks"
	@echo "make deps        install the Debian packages that are missing (as root or through sudo)"
	@echo "make fetch       download what the service guest is made of (the only step with a network)"
	@echo "make unit, fuzz-smoke, system    the parts of make test"
	@echo "make check       formatting, warnings with gcc and clang, static analysis"
	@echo "make bench       figures"
	@echo "make desk        $(BUILD)/bulkhead-check: can this machine run this configuration?"
	@echo "make guests, service             guests/examples and guests/bare; the Linux of the service guest"
	@echo "make clean       all of $(BUILD)/ but what was fetched; distclean: that too"

-include $(shell find $(BUILD)/obj $(BUILD)/unit/obj $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)

# What tools/check asks for.
.PHONY: print-%
print-%:
	@echo '$($*)'
