# SPDX-License-Identifier: BSD-2-Clause
"""The hypervisor's own address space, looked at from outside the machine while guests run (pagetables.py)."""

import dataclasses
import os
import re
import time

import cases_linux
import pagetables
from cases_bare import bare, service, vm
from harness import Failure
from pagetables import LAYOUT, NX, PAGE, PS, P, U, W

RESERVE = 16 << 20
CPUS = 2
LOOKS = 3
LOOKS_SHARED = 40
TRIES = 100
ROUNDS = 5000
LOOK_SECONDS = 0.1
STRIDE = LAYOUT["PERCPU_STRIDE"]


class View:
    """A machine with running guests, and what its log says of where things are."""

    def __init__(self, machine, run):
        self.machine = machine
        text = bytes(machine.console).decode(errors="replace")
        load = re.search(r"bulkhead: .*loaded at (0x[0-9a-f]+)", text)
        roots = dict(re.findall(r"bulkhead: .*CPU (\d+): CR3 (0x[0-9a-f]+)", text))
        if not load or sorted(int(n) for n in roots) != list(range(run.case.cpus)):
            raise Failure("the log does not name the image's address and every CPU's CR3")
        self.roots = {int(n): int(root, 0) for n, root in roots.items()}
        pool = pagetables.find_pool(self.tables(0))
        isolated = {}
        for name, start, end in re.findall(r"bulkhead: .*vm (\S+): RAM (0x[0-9a-f]+)-(0x[0-9a-f]+)", text):
            isolated.setdefault(name, []).append((int(start, 0), int(end, 0)))
        self.vcpus = {int(at, 0): name for name, at in
                      re.findall(r"bulkhead: .*vm (\S+): vCPU \d+ at (0x[0-9a-f]+) on CPU \d+", text)}
        if set(isolated) | {pagetables.SERVICE} != set(self.vcpus.values()) | {pagetables.SERVICE}:
            raise Failure("the log does not name every VM's RAM and vCPUs")
        self.space = pagetables.Space(run.case.cpus, run.case.memory << 20, RESERVE, int(load.group(1), 0), pool,
                                      isolated)
        self.space.current = {cpu: self.vm_on(cpu) for cpu in self.roots}
        self.nested = {name: int(root, 0) for name, root in
                       re.findall(r"bulkhead: .*vm (\S+): nested table at (0x[0-9a-f]+)", text)}
        # ACPI tables that the service guest sees edited: (where it sees them, the frames that were given for them)
        self.copies = [(int(page, 0), int(at, 0)) for page, at in
                       re.findall(r"bulkhead: .*has a copy of page (0x[0-9a-f]+), at (0x[0-9a-f]+)", text)]

    def vm_on(self, cpu):
        """The VM whose vCPU CPU @cpu has loaded, or None."""
        vcpu = pagetables.loaded(self.tables(cpu), cpu)
        if vcpu and vcpu not in self.vcpus:
            raise Failure("CPU %d has loaded 0x%x, which is no vCPU" % (cpu, vcpu))
        return self.vcpus.get(vcpu)

    def tables(self, cpu):
        """CPU @cpu's tables as they are now."""
        return pagetables.Tables(self.machine.memory, self.roots[cpu])

    def problems(self):
        """What is wrong on any CPU. The machine stands still."""
        found = []
        for root in sorted(set(self.roots.values())):
            found += pagetables.problems(pagetables.Tables(self.machine.memory, root), self.space)
        return found

    def nested_leaves(self, name):
        """What VM @name's nested table maps; NPT has the format of our own tables (APM vol. 2, 15.25.5)."""
        return pagetables.Tables(self.machine.memory, self.nested[name]).leaves()

    def host_problems(self):
        """Which CPU does not go back from its guest to these tables, with the bits that make them hold."""
        found = []
        for cpu, root in self.roots.items():
            state = pagetables.host_state(self.tables(cpu), cpu)
            if state is None:
                found.append("CPU %d has run no guest" % cpu)
                continue
            cr0, cr3, cr4, efer = state
            if cr3 != root:
                found.append("CPU %d: CR3 is 0x%x, the log says 0x%x" % (cpu, cr3, root))
            protection = pagetables.CR4_SMEP | pagetables.CR4_SMAP
            if not cr0 & pagetables.CR0_WP or cr4 & protection != protection or not efer & pagetables.EFER_NXE:
                found.append("CPU %d: CR0 0x%x, CR4 0x%x, EFER 0x%x lack WP, SMEP, SMAP or NXE" % (cpu, cr0, cr4, efer))
        return found


def demand_none(found):
    if found:
        raise Failure("%d problem(s): %s" % (len(found), "; ".join(found[:8])))


def demand_running(machine):
    """The machine stands still: what is on its console is so now."""
    if re.search(rb"bulkhead: .*vm \S+: (exit|stopped)", bytes(machine.console)):
        raise Failure("a guest ended before it was looked at")


def look(machine, run, times=LOOKS):
    """Stops the machine some times and looks at all the tables. Returns {VM: how many windows were seen on it}."""
    seen_on = {}
    for _ in range(times):
        machine.qmp("stop")
        demand_running(machine)
        view = View(machine, run)
        demand_none(view.problems() + view.host_problems())
        for windows in pagetables.windows_in_use(view.tables(0).leaves()).values():
            for leaf in windows:
                owner = view.space.vm_of(leaf)
                seen_on[owner] = seen_on.get(owner, 0) + 1
        machine.qmp("cont")
        time.sleep(LOOK_SECONDS)
    return seen_on


def demand_windows(seen_on, names):
    """Rules for windows say nothing where none is open."""
    for name in names:
        if not seen_on.get(name):
            raise Failure("no window onto VM %s was ever open: %s" % (name, seen_on))


def guests_run(machine, run):
    """Waits until every CPU has run a guest."""
    machine.wait(r"bulkhead: .*the hypervisor keeps", run.case.timeout / 2)
    for _ in range(TRIES):
        machine.qmp("stop")
        view = View(machine, run)
        states = [pagetables.host_state(view.tables(cpu), cpu) for cpu in range(run.case.cpus)]
        machine.qmp("cont")
        if None not in states:
            return
        time.sleep(LOOK_SECONDS)
    raise Failure("not every CPU has run a guest")


def walk_bare(machine, run):
    guests_run(machine, run)
    demand_windows(look(machine, run), ("service", "other"))


def walk_shared(machine, run):
    """Three VMs take turns on one CPU."""
    guests_run(machine, run)
    demand_windows(look(machine, run, LOOKS_SHARED), ("service", "one", "two"))


def walk_linux(machine, run):
    """The guest's Linux says, too, which frames it uses: none of the hypervisor's."""
    machine.wait(r"^BHTEST serial-in: ready", run.case.timeout)
    look(machine, run)
    text = bytes(machine.console).decode(errors="replace")
    usable = [(int(a, 16), int(b, 16) + 1)
              for a, b in re.findall(r"BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] usable", text)]
    own = View(machine, run).space.own
    if sum(b - a for a, b in usable) < (run.case.memory << 20) * 9 // 10:
        raise Failure("the service guest's memory map is not on the console")
    for start, end in own:
        if any(a < end and start < b for a, b in usable):
            raise Failure("the service guest uses the hypervisor's 0x%x-0x%x" % (start, end))
    machine.send(b"x")


# ------------------------------------------------------------------------------------ planted pages


def percpu(cpu, page):
    return LAYOUT["PERCPU_VA"] + cpu * STRIDE + page * PAGE


class Planter:
    """Each method plants one bad page and returns the entries to write, the address and the words to be found."""

    def __init__(self, view):
        self.view = view
        self.space = view.space
        self.tables = view.tables(0)

    def section(self, name):
        return next(s for s in self.space.sections if s.name == name)

    def leaf(self, va, change):
        """The entry of @va's 4 KiB page, changed by @change."""
        steps = self.tables.path(va)
        if len(steps) != 4:
            raise Failure("there is no table for 0x%x to plant a page in" % va)
        return [(steps[3][0], change(steps[3][1]))]

    def ram(self):
        """A frame of the service guest."""
        start, end = max(self.space.rest, key=lambda r: r[1] - r[0])
        return (start + end) // 2 // PAGE * PAGE

    def text_writable(self):
        va = self.space.start
        return self.leaf(va, lambda e: e | W), va, "writable and executable"

    def data_executable(self):
        va = self.section(".data").start
        return self.leaf(va, lambda e: e & ~NX), va, "writable and executable"

    def new_writable_and_executable(self):
        va = percpu(0, LAYOUT["PERCPU_WINDOWS"])
        return self.leaf(va, lambda e: self.ram() | P | W), va, "writable and executable"

    def text_twice(self):
        va = self.mmio_slot()
        return self.leaf(va, lambda e: self.space.load | P | W | NX), va, "executable at another address"

    def user(self):
        va = percpu(0, LAYOUT["PERCPU_CPU"])
        return [(at, entry | U) for at, entry in self.tables.path(va)], va, "user-accessible"

    def mmio_slot(self):
        """An empty page in a table of device pages."""
        first = next(f.va for f in self.tables.leaves() if f.va >= LAYOUT["MMIO_VA"] and f.size == PAGE)
        start = first >> 21 << 21
        return next(va for va in range(start, start + (2 << 20), PAGE) if not self.tables.path(va)[-1][1] & P)

    def guest_ram(self):
        va = self.mmio_slot()
        return self.leaf(va, lambda e: self.ram() | P | NX), va, "guest RAM"

    def guest_ram_in_pool(self):
        """One page of the pool's large ones becomes a table's worth of guest RAM."""
        va = LAYOUT["POOL_VA_BASE"] + self.space.pool + self.space.reserve - (2 << 20)
        at, entry = self.tables.path(va)[-1]
        frame = self.ram() >> 21 << 21
        return [(at, frame | P | W | NX | entry & PS)], va, "guest RAM"

    def identity(self):
        """The first GiB at its own address, by a table in a free frame of the pool."""
        frames = range(self.space.pool + self.space.reserve - PAGE, self.space.pool, -PAGE)
        table = next(f for f in frames if not any(self.view.machine.memory(f, PAGE)))
        return [(table, P | W | NX | PS), (self.tables.root, table | P | W)], 0, "identity map"

    def init_again(self):
        va = self.section(".init.text").start
        frame = self.space.load + va - self.space.start
        return self.leaf(va, lambda e: frame | P), va, ".init.text after boot"

    def guard(self):
        va = percpu(CPUS - 1, LAYOUT["PERCPU_DF_STACK"] - 1)
        return self.leaf(va, lambda e: self.space.pool | P | W | NX), va, "guard page"

    def window_on_hypervisor(self):
        va = percpu(1, LAYOUT["PERCPU_WINDOWS"] + LAYOUT["WINDOW_COUNT"] - 1)
        return self.leaf(va, lambda e: self.space.pool | P | NX), va, "not onto a guest's RAM"

    def window_of(self, cpu, owner):
        """A window of CPU @cpu, which runs another VM, onto @owner's RAM."""
        if self.space.current[cpu] == owner:
            raise Failure("CPU %d runs VM %s itself" % (cpu, owner))
        ranges = self.space.rest if owner == pagetables.SERVICE else self.space.isolated[owner]
        start, end = max(ranges, key=lambda r: r[1] - r[0])
        va = percpu(cpu, LAYOUT["PERCPU_WINDOWS"] + LAYOUT["WINDOW_COUNT"] - 1)
        words = "which runs VM %s, onto VM %s" % (self.space.current[cpu], owner)
        return self.leaf(va, lambda e: (start + end) // 2 // PAGE * PAGE | P | NX), va, words

    def window_on_isolated(self):
        return self.window_of(0, "other")

    def window_on_service(self):
        return self.window_of(1, pagetables.SERVICE)

    def window_executable(self):
        va = percpu(0, LAYOUT["PERCPU_WINDOWS"] + 1)
        return self.leaf(va, lambda e: self.ram() | P), va, ": executable"

    def store_left_open(self):
        va = percpu(0, LAYOUT["PERCPU_STORE"])
        return self.leaf(va, lambda e: self.ram() | P | NX), va, "guest RAM"

    def text_gone(self):
        va = self.section(".text").end - PAGE
        return self.leaf(va, lambda e: 0), va, ".text is not mapped"


HELPERS = ("section", "leaf", "ram", "mmio_slot", "window_of")
PLANTS = [name for name in vars(Planter) if not name.startswith("_") and name not in HELPERS]


def plant(view, gdb, name):
    """Plants @name, looks, takes it away again. The machine stands still."""
    entries, va, words = getattr(Planter(view), name)()
    before = [(at, int.from_bytes(view.machine.memory(at, 8), "little")) for at, _ in entries]
    for at, value in entries:
        gdb.write(at, value)
    found = view.problems()
    for at, value in reversed(before):
        gdb.write(at, value)
    if not any(line.startswith("0x%x" % va) and words in line for line in found):
        raise Failure("planted %s at 0x%x, and the walk finds: %s" % (name, va, "; ".join(found[:4]) or "nothing"))


def walk_nothing(view):
    """Tables that map nothing must not pass."""
    empty = pagetables.Tables(lambda address, size: bytes(size), view.roots[0])
    if len(pagetables.problems(empty, view.space)) < sum(s.end - s.start for s in view.space.kept) // PAGE:
        raise Failure("a walk that sees nothing is content")


def walk_planted(machine, run):
    """One bad page after the other, each of which the walk must name."""
    guests_run(machine, run)
    with pagetables.Gdb(os.path.join(run.work, "gdb")) as gdb:
        demand_running(machine)
        view = View(machine, run)
        demand_none(view.problems())
        walk_nothing(view)
        for name in PLANTS:
            plant(view, gdb, name)
        demand_none(view.problems())


def seen(case, script, **rest):
    """@case with the log's details, a known size of the pool, and @script."""
    config = case.config.replace("[system]\n", "[system]\nreserve = %dM\n" % (RESERVE >> 20))
    return dataclasses.replace(case, config=config, append="debug=on", script=script, machines=("qemu-svm",), **rest)


def two_guests(name):
    """A service guest and an isolated one, each on a CPU of its own, whom standing still does not disturb."""
    work = "rounds=%d" % ROUNDS
    return bare(name, service("xstate", work), vm("xstate", work, name="other", cpus="1"), cpus=CPUS, timeout=90)


def three_guests(name):
    """Two isolated guests that share a CPU with the service guest."""
    work = "rounds=%d" % ROUNDS
    return bare(name, service("xstate", work), vm("xstate", work, name="one"), vm("xstate", work, name="two"),
                timeout=90)


ONLY_QEMU = {m: "Bochs has no monitor to look with" for m in ("bochs-svm", "bochs-vmx")}

CASES = [
    seen(two_guests("pagetables"), walk_bare, left_out=ONLY_QEMU),
    seen(three_guests("pagetables-shared"), walk_shared, left_out=ONLY_QEMU),
    seen(two_guests("pagetables-planted"), walk_planted, left_out=ONLY_QEMU,
         qemu_args=("-gdb", "unix:gdb,server=on,wait=off")),
    seen(cases_linux.linux("pagetables-linux", "serial-in", "bhbytes=1 bhmodules=none loglevel=7", cpus=CPUS),
         walk_linux, quick=False, left_out=ONLY_QEMU),
]
