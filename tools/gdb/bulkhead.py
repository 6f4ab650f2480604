# SPDX-License-Identifier: BSD-2-Clause
"""gdb commands that show a running hypervisor, or a memory dump of one: CPUs, VMs, vCPUs, last exits, the log.

    gdb build/bulkhead -ex 'source tools/gdb/bulkhead.py' -ex 'target remote :1234' -ex bulkhead

All memory is read by physical address and translated here: while a CPU runs a guest, the emulator would translate by
the guest's tables. docs/debugging.md says how to start the emulators for this.
"""

import struct

import gdb

IMAGE_VA = 0xFFFFFFFF80000000
IMAGE_STEP = 0x200000  # boot/entry.asm: the relocatable tag's alignment
IMAGE_END = 1 << 32
SIGNATURE_BYTES = 64
POOL_VA = 0xFFFF900000000000  # arch/pool.h
POOL_LIMIT = 1 << 40
HALF = 1 << 47  # dump pieces above are at virtual addresses
MASK64 = (1 << 64) - 1

# Page-table entries (SDM vol. 3, 4.5)
PTE_P = 1
PTE_PS = 1 << 7
PTE_ADDRESS = 0x000FFFFFFFFFF000

VCPU_STATES = {0: "runnable", 1: "halted", 2: "waits for SIPI", 3: "stopped"}
EVENTS = ("IRQ", "NMI", "INIT", "SIPI", "stop", "step", "merged")
REQUESTS = ("NMI", "MCE", "sched", "park")


class Pieces:
    """Memory dumped into files: a list of (address, bytes), physical or, above HALF, virtual."""

    def __init__(self):
        self.list = []

    def find(self, address, size):
        for start, data in self.list:
            if start <= address and address + size <= start + len(data):
                return data[address - start:address - start + size]
        return None


PIECES = Pieces()
STATE = {"base": None}


class PhysicalMode:
    """QEMU's gdbstub reads physical addresses inside a with statement."""

    def __enter__(self):
        if not PIECES.list:
            try:
                answer = gdb.execute("maintenance packet Qqemu.PhyMemMode:1", to_string=True)
            except gdb.error:  # no remote target at all
                answer = ""
            if '"OK"' not in answer:
                raise gdb.GdbError("the target is not QEMU's gdbstub; give a dump by bulkhead-memory")

    def __exit__(self, *unused):
        if not PIECES.list:
            gdb.execute("maintenance packet Qqemu.PhyMemMode:0", to_string=True)


def physical(address, size):
    if PIECES.list:
        data = PIECES.find(address, size)
        if data is None:
            raise gdb.GdbError("physical %#x is in none of the dump's pieces" % address)
        return data
    return bytes(gdb.selected_inferior().read_memory(address, size))


def word(address):
    return struct.unpack("<Q", physical(address, 8))[0]


# ------------------------------------------------------------------------------- where the image lies


def signature():
    """The image's first bytes as the ELF file has them."""
    with open(gdb.objfiles()[0].filename, "rb") as f:
        header = f.read(64)
        phoff, = struct.unpack_from("<Q", header, 32)
        f.seek(phoff + 8)
        offset, = struct.unpack("<Q", f.read(8))
        f.seek(offset)
        return f.read(SIGNATURE_BYTES)


def base():
    """Physical address of the image: told, or found where its multiboot header is. GRUB loads it high."""
    if STATE["base"] is None:
        wanted = signature()
        for at in range(IMAGE_END - IMAGE_STEP, 0, -IMAGE_STEP):
            try:
                if physical(at, SIGNATURE_BYTES) == wanted:
                    STATE["base"] = at
                    break
            except (gdb.MemoryError, gdb.GdbError):
                continue
        else:
            raise gdb.GdbError("the image is nowhere below 4 GiB; is build/bulkhead the one that runs? "
                               "(bulkhead-base ADDRESS tells: the log says 'loaded at')")
    return STATE["base"]


def walk(va):
    """The hypervisor's own tables: image, tables' root in it, four levels."""
    at = symbol_address("arch/paging.c", "tables")
    root = int(value_at(at, type_of("arch/paging.c", "tables"))["root"]["v"])
    for level in range(3, -1, -1):
        entry = word(root + (va >> (12 + 9 * level) & 511) * 8)
        if not entry & PTE_P:
            raise gdb.GdbError("%#x is not mapped in the hypervisor" % va)
        span = 1 << (12 + 9 * level)
        if level == 0 or entry & PTE_PS:
            return (entry & PTE_ADDRESS & ~(span - 1)) + (va & (span - 1))
        root = entry & PTE_ADDRESS
    return None


def read(va, size):
    """@size bytes at a virtual address of the hypervisor."""
    found = PIECES.find(va, size)
    if found is not None:
        return found
    if va >= IMAGE_VA:
        return physical(base() + va - IMAGE_VA, size)
    if POOL_VA <= va < POOL_VA + POOL_LIMIT:
        return physical(va - POOL_VA, size)
    out = b""
    while size:
        n = min(size, 4096 - va % 4096)
        out += physical(walk(va), n)
        va, size = va + n, size - n
    return out


# ------------------------------------------------------------------------------------- typed values


def variable(name):
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError("no symbol %s: is build/bulkhead loaded, with its debug information?" % name)
    return symbol


def symbol_of(path, name):
    """A static variable of one file: names such as "tables" are not unique."""
    for symbol in gdb.lookup_static_symbols(name):
        if symbol.symtab.filename.endswith(path):
            return symbol
    raise gdb.GdbError("no symbol %s in %s" % (name, path))


def symbol_address(path, name):
    return int(symbol_of(path, name).value().address) & MASK64


def type_of(path, name):
    return symbol_of(path, name).type


def value_at(va, kind):
    return gdb.Value(read(va, kind.sizeof), kind)


def get(name):
    symbol = variable(name)
    return value_at(int(symbol.value().address) & MASK64, symbol.type)


def follow(pointer):
    """What a pointer points to, or None."""
    at = int(pointer) & MASK64
    return value_at(at, pointer.type.target()) if at else None


def field(value, name, other=0):
    """A field that a later version may no longer have."""
    try:
        return value[name]
    except gdb.error:
        return other


def text(chars):
    n = chars.type.range()[1] + 1
    return bytes(int(chars[i]) & 0xFF for i in range(n)).split(b"\0")[0].decode("ascii", "replace")


def names_of(bits, names):
    words = [names[i] if i < len(names) else "bit %d" % i for i in range(64) if bits >> i & 1]
    return ",".join(words) or "-"


def kind_name(kind):
    for f in gdb.lookup_type("enum exit_kind").fields():
        if f.enumval == kind:
            return f.name[len("EXIT_"):]
    return "%d?" % kind


# ---------------------------------------------------------------------------------------- commands


def each_cpu():
    table = get("cpu_by_index")
    for i in range(int(get("cpu_count"))):
        cpu = follow(table[i])
        if cpu is not None:
            yield cpu


def each_vm():
    table = get("vms")
    for i in range(int(get("vm_count"))):
        vm = follow(table[i])
        if vm is not None:
            yield vm


def each_vcpu(vm):
    for i in range(int(vm["vcpu_count"])):
        yield follow(vm["vcpu"][i])


def whose(cpu):
    """Name and vCPU number of what a CPU has loaded. struct vcpu begins with its struct vcpu_arch."""
    at = int(cpu["loaded"]) & MASK64
    if not at:
        return "nothing"
    vcpu = value_at(at, gdb.lookup_type("struct vcpu"))
    return "%s.%d" % (text(follow(vcpu["vm"])["name"]), int(vcpu["id"]))


def show_cpus():
    print("CPU  APIC id  loaded            interrupts  queued  requests")
    for cpu in each_cpu():
        sched = follow(cpu["sched"])
        print("%3d  %7d  %-16s  %10d  %6d  %s%s" % (
            cpu["index"], cpu["apic_id"], whose(cpu), cpu["irq_count"], sched["count"] if sched is not None else 0,
            names_of(int(cpu["requests"]), REQUESTS), "" if cpu["online"] else "  (off)"))


def show_vcpu(vcpu):
    arch = vcpu["arch"]
    last = arch["exit"]
    cpu = follow(vcpu["cpu"])
    total = sum(int(vcpu["stats"]["exits"][i]) for i in range(vcpu["stats"]["exits"].type.range()[1] + 1))
    print("  vCPU %-2d on CPU %-2d  %-14s RIP %016x  RFLAGS %06x  events %s" % (
        vcpu["id"], cpu["index"], VCPU_STATES.get(int(vcpu["state"]), "?"), arch["rip"], arch["rflags"],
        names_of(int(vcpu["events"]), EVENTS)))
    print("          %d exits, the last: %s (raw %#x, %#x, %#x)%s" % (
        total, kind_name(int(last["kind"])), last["reason"], last["qual"], last["qual2"],
        ", vector %d to be injected" % int(arch["inject"]["vector"]) if arch["inject"]["valid"] else ""))


def show_vm(vm):
    print("VM %d %s: %s%s, %d vCPU(s), %d of %d frames of its quota" % (
        vm["id"], text(vm["name"]), "service" if vm["service"] else "isolated", ", ended" if vm["ended"] else "",
        vm["vcpu_count"], vm["quota"]["used"], vm["quota"]["max"]))
    for vcpu in each_vcpu(vm):
        show_vcpu(vcpu)


class Show(gdb.Command):
    """Show the hypervisor's CPUs, VMs and vCPUs, each with its last exit."""

    def __init__(self):
        super().__init__("bulkhead", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        with PhysicalMode():
            backend = follow(get("virt"))
            print("image at %s, backend %s, TSC %d kHz, %d interrupts that nobody claimed" % (
                "its virtual address" if PIECES.find(IMAGE_VA, SIGNATURE_BYTES) else "%#x" % base(), "not chosen yet" if backend is None else read(int(backend["name"]), 3).decode(),
                get("tsc_khz"), get("irq_unclaimed")))
            show_cpus()
            for vm in each_vm():
                show_vm(vm)


class Exits(gdb.Command):
    """bulkhead-exits VM VCPU: how often each kind of exit came, most frequent first."""

    def __init__(self):
        super().__init__("bulkhead-exits", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) != 2:
            raise gdb.GdbError("usage: bulkhead-exits VM-NAME VCPU")
        with PhysicalMode():
            for vm in each_vm():
                if text(vm["name"]) == words[0] and int(words[1]) < int(vm["vcpu_count"]):
                    self.show(follow(vm["vcpu"][int(words[1])])["stats"])
                    return
        raise gdb.GdbError("there is no such vCPU")

    @staticmethod
    def show(stats):
        counts = [(int(stats["exits"][k]), k) for k in range(stats["exits"].type.range()[1] + 1)]
        ticks = field(stats, "ticks", None)
        for count, kind in sorted(counts, reverse=True):
            if count:
                print("%12d %-12s%s" % (count, kind_name(kind),
                                        "" if ticks is None else " %d ticks" % int(ticks[kind])))


class Log(gdb.Command):
    """bulkhead-log: the lines that the hypervisor's log ring still holds, all levels."""

    def __init__(self):
        super().__init__("bulkhead-log", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        with PhysicalMode():
            log = get("the_log")
            ring = read((int(variable("the_log").value().address) & MASK64) + self.offset("ring"),
                        log["ring"].type.sizeof)
        head = int(log["head"])
        data = ring[:head] if head <= len(ring) else ring[head % len(ring):] + ring[:head % len(ring)]
        lines = data.decode("ascii", "replace").split("\n")
        print("\n".join(lines if head <= len(ring) else lines[1:]))

    @staticmethod
    def offset(name):
        return [f.bitpos // 8 for f in variable("the_log").type.fields() if f.name == name][0]


class Base(gdb.Command):
    """bulkhead-base [ADDRESS]: where the image lies in physical memory; found by itself below 4 GiB."""

    def __init__(self):
        super().__init__("bulkhead-base", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        if argument:
            STATE["base"] = int(argument, 0)
        with PhysicalMode():
            print("image at %#x" % base())


class Memory(gdb.Command):
    """bulkhead-memory FILE [ADDRESS]: use a dump instead of the target; physical, or an address of the hypervisor's
    address space. May be given several times. Without FILE: use the target again."""

    def __init__(self):
        super().__init__("bulkhead-memory", gdb.COMMAND_DATA, gdb.COMPLETE_FILENAME)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        STATE["base"] = None
        if not words:
            PIECES.list.clear()
            return
        with open(words[0], "rb") as f:
            PIECES.list.append((int(words[1], 0) if len(words) > 1 else 0, f.read()))


for command in (Show, Exits, Log, Base, Memory):
    command()
