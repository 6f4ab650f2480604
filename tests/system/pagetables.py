# SPDX-License-Identifier: BSD-2-Clause
"""The hypervisor's page tables, walked from outside the machine, and the rules for what they may map.

What may be there is arch/percpu.h's layout; how large the image is, and with which rights, stands in its ELF file.
"""

import dataclasses
import os
import re
import socket
import struct

from harness import TREE, Failure

PAGE = 4096
ENTRIES = 512
LEVEL_SHIFTS = (39, 30, 21, 12)  # SDM vol. 3, 4.5
P, W, U, PS, NX = 1 << 0, 1 << 1, 1 << 2, 1 << 7, 1 << 63
ADDRESS = 0x000ffffffffff000
HIGH_HALF = 0xffff800000000000
LOW_END = 1 << 47
POOL_ALIGN = 2 << 20

SERVICE = "service"
VGA_START, VGA_END = 0xa0000, 0x100000  # a PC's hole below 1 MiB

# Members of struct cpu (arch/percpu.h) and, in QEMU's host save area, of a VMCB (APM vol. 2, appendix B).
CPU_SELF, CPU_INDEX, CPU_STACK_TOP, CPU_LOADED, CPU_HOST_PA = 0, 8, 16, 32, 56
SAVED_EFER, SAVED_CR4, SAVED_CR3, SAVED_CR0 = 0x4d0, 0x548, 0x550, 0x558
CR0_WP, EFER_NXE, CR4_SMEP, CR4_SMAP = 1 << 16, 1 << 11, 1 << 20, 1 << 21


def header_numbers(path):
    """The plain numbers that a C header defines, by name."""
    units = {"PAGE_SIZE": PAGE, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
    numbers = {}
    with open(os.path.join(TREE, path), encoding="utf-8") as f:
        for name, text in re.findall(r"^#define\s+(\w+)\s+([^/\n]+)", f.read(), re.M):
            factors = [t.strip() for t in text.strip().strip("()").split("*")]
            values = [units[t] if t in units else int(t.rstrip("UL"), 0) for t in factors
                      if t in units or re.fullmatch(r"(0x[0-9a-f]+|\d+)(U?L?L?)", t)]
            if len(values) == len(factors):
                product = 1
                for value in values:
                    product *= value
                numbers[name] = product
    return numbers


LAYOUT = {**header_numbers("arch/percpu.h"), **header_numbers("arch/pool.h")}


def round_up(value):
    return -(-value // PAGE) * PAGE


@dataclasses.dataclass
class Leaf:
    """One mapping: rights are those of all levels together."""

    va: int
    pa: int
    size: int
    write: bool
    execute: bool
    user: bool

    def within(self, start, size):
        return start <= self.va and self.va + self.size <= start + size

    def meets(self, ranges):
        """Does any of its frames lie in one of the (start, end)?"""
        return any(self.pa < end and start < self.pa + self.size for start, end in ranges)


class Tables:
    """The tables at @root, read once each through @memory(address, size)."""

    def __init__(self, memory, root):
        self.memory = memory
        self.root = root & ADDRESS
        self.read = {}

    def table(self, pa):
        if pa not in self.read:
            self.read[pa] = struct.unpack("<%dQ" % ENTRIES, self.memory(pa, PAGE))
        return self.read[pa]

    def leaves(self):
        """Everything mapped, in the order of addresses."""
        return list(self.below(self.root, 0, 0, W | U, True))

    def below(self, pa, level, base, rights, execute):
        shift = LEVEL_SHIFTS[level]
        for index, entry in enumerate(self.table(pa)):
            if not entry & P:
                continue
            va = base + (index << shift)
            if level == 0 and va >= LOW_END:
                va += HIGH_HALF - LOW_END
            both, runs = rights & entry, execute and not entry & NX
            if shift == 12 or (entry & PS and level > 0):
                size = 1 << shift
                yield Leaf(va, entry & ADDRESS & ~(size - 1), size, bool(both & W), runs, bool(both & U))
            else:
                yield from self.below(entry & ADDRESS, level + 1, va, both, runs)

    def path(self, va):
        """[(address of the entry, entry)] from the root down to where the way to @va ends."""
        pa, steps = self.root, []
        for shift in LEVEL_SHIFTS:
            at = (va >> shift) % ENTRIES
            entry = self.table(pa)[at]
            steps.append((pa + 8 * at, entry))
            if not entry & P or (entry & PS and shift in LEVEL_SHIFTS[1:3]):
                break
            pa = entry & ADDRESS
        return steps


@dataclasses.dataclass
class Section:
    """A part of the image: [start, end), whole pages."""

    name: str
    start: int
    end: int
    write: bool
    execute: bool


def image_sections():
    """The image's loaded sections, out of build/bulkhead."""
    with open(os.path.join(TREE, "build/bulkhead"), "rb") as f:
        elf = f.read()
    at, = struct.unpack_from("<Q", elf, 40)
    size, count, names = struct.unpack_from("<HHH", elf, 58)
    headers = [struct.unpack_from("<IIQQQQ", elf, at + i * size) for i in range(count)]
    strings = headers[names][4]
    found = []
    for name, _, flags, address, _, length in headers:
        if flags & 2 and length:  # SHF_ALLOC
            text = elf[strings + name:elf.index(b"\0", strings + name)].decode()
            found.append(Section(text, address // PAGE * PAGE, round_up(address + length), bool(flags & 1),
                                 bool(flags & 4)))
    return found


class Space:
    """One machine's memory as the rules see it: whose frame is what."""

    def __init__(self, cpus, memory, reserve, load, pool, isolated):
        """@isolated: {VM: its RAM as [(start, end)]}. What nobody has is the service guest's."""
        self.cpus, self.reserve = cpus, reserve
        self.sections = image_sections()
        self.start = min(s.start for s in self.sections)
        self.load = load
        self.kept = [s for s in self.sections if not s.name.startswith(".init")]
        self.pool = pool
        self.image_end = load + max(s.end for s in self.kept) - self.start
        self.own = [(load, self.image_end), (pool, pool + reserve)]
        self.guest = carve([(0, VGA_START), (VGA_END, memory)], self.own)
        self.isolated = isolated
        self.rest = carve(self.guest, [r for ranges in isolated.values() for r in ranges])
        self.current = {}  # CPU: the VM whose vCPU is loaded there, or None

    def vm_of(self, leaf):
        """Whose RAM is the page? None: nobody's."""
        owners = [name for name, ranges in self.isolated.items() if leaf.meets(ranges)]
        if leaf.meets(self.rest):
            owners.append(SERVICE)
        return owners[0] if len(owners) == 1 else None


def carve(ranges, holes):
    """@ranges without @holes, as (start, end)."""
    for low, high in holes:
        rest = []
        for start, end in ranges:
            rest += [(a, b) for a, b in ((start, min(end, low)), (max(start, high), end)) if a < b]
        ranges = rest
    return ranges


def find_pool(tables):
    """Where the pool begins, which is where the tables say; it must be aligned, and hold the tables."""
    base = LAYOUT["POOL_VA_BASE"]
    first = next((leaf for leaf in tables.leaves() if leaf.within(base, 1 << 39)), None)
    # A stray page in front of it is told from it by the alignment.
    return -(-first.pa // POOL_ALIGN) * POOL_ALIGN if first else 0


def general(leaf, space):
    """What no page at all may be; windows alone may show a guest's memory."""
    if leaf.va < LOW_END:
        yield "identity map" if leaf.va == leaf.pa else "mapped in the low half"
    if leaf.write and leaf.execute:
        yield "writable and executable"
    if leaf.user:
        yield "user-accessible"


def in_pool(leaf, space):
    if leaf.pa != leaf.va - LAYOUT["POOL_VA_BASE"]:
        yield "not the frame of its address"
    if leaf.pa < space.pool or leaf.pa + leaf.size > space.pool + space.reserve:
        yield "not the pool's"
    if leaf.execute:
        yield "executable"


def percpu_pages():
    """Pages of a stride that have a frame, and the windows, by number."""
    stack = LAYOUT["PERCPU_STACK"]
    own = set(range(stack, stack + LAYOUT["PERCPU_STACK_PAGES"]))
    own |= {LAYOUT["PERCPU_" + n] for n in ("NMI_STACK", "DF_STACK", "MC_STACK", "CPU")}
    guest = set(range(LAYOUT["PERCPU_WINDOWS"], LAYOUT["PERCPU_WINDOWS"] + LAYOUT["WINDOW_COUNT"]))
    return own, guest


def guard_pages():
    """Pages right below a stack."""
    return {LAYOUT["PERCPU_" + n] - 1 for n in ("STACK", "NMI_STACK", "DF_STACK", "MC_STACK")}


def in_percpu(leaf, space):
    cpu, offset = divmod(leaf.va - LAYOUT["PERCPU_VA"], LAYOUT["PERCPU_STRIDE"])
    page = offset // PAGE
    own, windows = percpu_pages()
    if leaf.execute:
        yield "executable"
    if leaf.size != PAGE or cpu >= space.cpus:
        yield "no CPU has this"
    elif page in own:
        if not leaf.meets([(space.pool, space.pool + space.reserve)]):
            yield "not the pool's frame"
    elif page in windows:
        owner, current = space.vm_of(leaf), space.current.get(cpu)
        if not owner:
            yield "window of CPU %d, not onto a guest's RAM" % cpu
        elif current and owner != current:
            yield "window of CPU %d, which runs VM %s, onto VM %s" % (cpu, current, owner)
    elif page == LAYOUT["PERCPU_DEVICE"]:
        if leaf.meets(space.own):
            yield "device window of CPU %d, onto the hypervisor" % cpu
    elif page == LAYOUT["PERCPU_STORE"]:
        yield "store window of CPU %d, in use after boot" % cpu
    else:
        yield "guard page" if page in guard_pages() else "nothing belongs here"


def in_mmio(leaf, space):
    if leaf.execute:
        yield "executable"
    if leaf.meets(space.own):
        yield "the hypervisor's memory as a device's"


def in_image(leaf, space):
    section = next((s for s in space.sections if s.start <= leaf.va < s.end), None)
    if section is None or section not in space.kept:
        yield "%s after boot" % section.name if section else "nothing belongs here"
        return
    if leaf.size != PAGE or leaf.pa != space.load + leaf.va - space.start:
        yield "not the image's frame"
    if leaf.write != section.write or leaf.execute != section.execute:
        yield "other rights than %s" % section.name


def region(leaf):
    """(the rules for the region that @leaf lies in, may it show a guest's RAM)."""
    windows = percpu_pages()[1] | {LAYOUT["PERCPU_DEVICE"]}
    areas = ((LAYOUT["POOL_VA_BASE"], 1 << 39, in_pool), (LAYOUT["PERCPU_VA"], 128 << 30, in_percpu),
             (LAYOUT["MMIO_VA"], LAYOUT["MMIO_VA_SIZE"], in_mmio), (2 ** 64 - (2 << 30), 2 << 30, in_image))
    for start, size, rules in areas:
        if leaf.within(start, size):
            page = (leaf.va - start) % LAYOUT["PERCPU_STRIDE"] // PAGE
            return rules, rules is in_percpu and page in windows and leaf.size == PAGE
    return None, False


def missing(leaves, space):
    """What must be there: a walk that does not see it has not seen the tables."""
    mapped = {leaf.va for leaf in leaves}
    for section in space.kept:
        for va in range(section.start, section.end, PAGE):
            if va not in mapped:
                yield "0x%x: %s is not mapped" % (va, section.name)
    for cpu in range(space.cpus):
        for page in sorted(percpu_pages()[0]):
            va = LAYOUT["PERCPU_VA"] + cpu * LAYOUT["PERCPU_STRIDE"] + page * PAGE
            if va not in mapped:
                yield "0x%x: a page of CPU %d's own is not mapped" % (va, cpu)
    start = LAYOUT["POOL_VA_BASE"] + space.pool
    seen = sum(leaf.size for leaf in leaves if leaf.within(start, space.reserve))
    if seen != space.reserve:
        yield "0x%x: %d KiB of the pool's %d are mapped" % (start, seen >> 10, space.reserve >> 10)


def windows_in_use(leaves):
    """{CPU: the leaves of its guest windows}"""
    used = {}
    for leaf in leaves:
        if leaf.within(LAYOUT["PERCPU_VA"], 128 << 30):
            cpu, offset = divmod(leaf.va - LAYOUT["PERCPU_VA"], LAYOUT["PERCPU_STRIDE"])
            if offset // PAGE in percpu_pages()[1]:
                used.setdefault(cpu, []).append(leaf)
    return used


def mixed(leaves, space):
    """Between two VMs a CPU has none loaded; its windows are of one VM even then."""
    for cpu, windows in windows_in_use(leaves).items():
        owners = sorted({str(space.vm_of(leaf)) for leaf in windows})
        if len(owners) > 1:
            yield "0x%x: windows of CPU %d show several VMs: %s" % (windows[0].va, cpu, ", ".join(owners))


def problems(tables, space):
    """Every rule that the tables break, as lines that begin with the page's address."""
    leaves = tables.leaves()
    code = [(leaf.pa, leaf.pa + leaf.size) for leaf in leaves if leaf.execute]
    found = []
    for leaf in leaves:
        rules, window = region(leaf)
        words = list(general(leaf, space))
        words += rules(leaf, space) if rules else ["nothing belongs here"]
        if leaf.meets(space.guest) and not window:
            words.append("guest RAM")
        if leaf.write and leaf.meets(code):
            words.append("writable, and executable at another address")
        found += ["0x%x -> 0x%x: %s" % (leaf.va, leaf.pa, word) for word in words]
    inside = (space.pool, space.pool + space.reserve)
    found += ["table at 0x%x: not in the pool" % pa for pa in tables.read if not inside[0] <= pa < inside[1]]
    return found + list(mixed(leaves, space)) + list(missing(leaves, space))


def cpu_page(tables, cpu):
    """CPU @cpu's struct cpu."""
    va = LAYOUT["PERCPU_VA"] + cpu * LAYOUT["PERCPU_STRIDE"] + LAYOUT["PERCPU_CPU"] * PAGE
    data = tables.memory(tables.path(va)[-1][1] & ADDRESS, PAGE)
    itself, index = struct.unpack_from("<QI", data, CPU_SELF)
    top, = struct.unpack_from("<Q", data, CPU_STACK_TOP)
    stack = va + (LAYOUT["PERCPU_STACK"] + LAYOUT["PERCPU_STACK_PAGES"] - LAYOUT["PERCPU_CPU"]) * PAGE
    if (itself, index, top) != (va, cpu, stack):
        raise Failure("CPU %d's struct cpu is not where or as arch/percpu.h says" % cpu)
    return data


def loaded(tables, cpu):
    """Address of the vCPU that CPU @cpu has in its registers; 0: none."""
    return struct.unpack_from("<Q", cpu_page(tables, cpu), CPU_LOADED)[0]


def host_state(tables, cpu):
    """CR0, CR3, CR4 and EFER that CPU @cpu goes back to at its guest's next exit; None before its first entry."""
    data = cpu_page(tables, cpu)
    # the frame behind the host's VMCB is the save area (svm/cpu.c)
    area = tables.memory(struct.unpack_from("<Q", data, CPU_HOST_PA)[0] + PAGE, PAGE)
    cr3, = struct.unpack_from("<Q", area, SAVED_CR3)
    if not cr3:
        return None
    cr0, cr4, efer = (struct.unpack_from("<Q", area, at)[0] for at in (SAVED_CR0, SAVED_CR4, SAVED_EFER))
    return cr0, cr3, cr4, efer


class Gdb:
    """QEMU's gdbstub, for writing physical memory. The machine stands still from the start to the end of it."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(os.path.relpath(path))
        self.buffer = b""
        self.ask("Qqemu.PhyMemMode:1", "OK")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        try:
            self.ask("D", "OK")
        finally:
            self.socket.close()

    def ask(self, packet, wanted=None):
        """Sends a packet and returns the answer, which must be @wanted."""
        self.socket.sendall(b"$%s#%02x" % (packet.encode(), sum(packet.encode()) & 0xff))
        match = None
        while match is None or match.group(1).startswith(b"T"):  # that the machine has stopped is said unasked
            match = re.search(rb"\$([^#]*)#[0-9a-f]{2}", self.buffer)
            if match:
                self.buffer = self.buffer[match.end():]
                self.socket.sendall(b"+")
                continue
            data = self.socket.recv(4096)
            if not data:
                raise Failure("the debugger's connection has gone")
            self.buffer += data
        answer = match.group(1).decode()
        if wanted is not None and answer != wanted:
            raise Failure("the debugger answers %s with %r" % (packet, answer))
        return answer

    def write(self, address, value):
        """Writes 8 bytes of physical memory and reads them back."""
        text = struct.pack("<Q", value).hex()
        self.ask("M%x,8:%s" % (address, text), "OK")
        self.ask("m%x,8" % address, text)
