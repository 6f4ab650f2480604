# SPDX-License-Identifier: BSD-2-Clause
"""What memory the guests reach: tried by a guest page by page (guests/bare/reach.c), and read out of nested tables."""

import dataclasses
import os
import re
import struct

import pagetables
from cases_bare import BEDS, bare, service, vm
from cases_pagetables import View, demand_none, guests_run, seen
from harness import Failure, bhrun
from pagetables import POOL_ALIGN, SERVICE, VGA_END, VGA_START

MIB = 1 << 20
RESERVE_REACH = 8 * MIB
MEMORY_RAM = 1
SIZES = {4 << 10: "4K", 2 << 20: "2M", 1 << 30: "1G"}


def merged(ranges):
    """@ranges sorted, neighbours joined."""
    out = []
    for start, end in sorted(ranges):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def spans(pattern, text):
    """The (start, end) that the pattern's two groups name."""
    return [(int(a, 16), int(b, 16)) for a, b in re.findall(pattern, text, re.M)]


def hidden_by_log(text):
    """What the service guest must not reach, as the log has it: image, pool, other VMs' RAM."""
    load = int(re.search(r"bulkhead: .*loaded at (0x[0-9a-f]+)", text).group(1), 16)
    root = int(re.search(r"bulkhead: .*CPU 0: CR3 (0x[0-9a-f]+)", text).group(1), 16)
    sections = pagetables.image_sections()
    kept = max(s.end for s in sections if not s.name.startswith(".init")) - min(s.start for s in sections)
    pool = root // POOL_ALIGN * POOL_ALIGN
    return [(load, load + kept), (pool, pool + RESERVE_REACH)] + spans(
        r"bulkhead: .*vm (?!service:)\S+: RAM 0x([0-9a-f]+)-0x([0-9a-f]+)", text)


def reached(run):
    """The pages that the guest found to be nothing are those that it must not reach, and its map does not promise them."""
    hidden = merged(hidden_by_log(run.console))
    nothing = merged(spans(r"^reach: nothing 0x([0-9a-f]+)-0x([0-9a-f]+)", run.console))
    if nothing != hidden:
        raise Failure("the guest reaches all but %s, not all but %s" % (hexed(nothing), hexed(hidden)))
    told = spans(r"^reach: map 0x([0-9a-f]+)-0x([0-9a-f]+) type %d" % MEMORY_RAM, run.console)
    for start, end in told:
        if any(start < b and a < end for a, b in hidden):
            raise Failure("the guest is told that 0x%x-0x%x is RAM" % (start, end))
    reserved = spans(r"^reach: map 0x([0-9a-f]+)-0x([0-9a-f]+) type 2", run.console)
    for start, end in hidden:
        if not any(a <= start and end <= b for a, b in merged(reserved)):
            raise Failure("the guest's map does not say that 0x%x-0x%x is reserved" % (start, end))


def hexed(ranges):
    return ", ".join("0x%x-0x%x" % r for r in ranges)


def reach(name, then="", **rest):
    """A row: the service guest tries every page, beside one whose memory is to stay as it is."""
    case = bare(name, service("reach", then and "then=" + then), vm("xstate", "rounds=300", name="other", memory="4M"), **rest)
    case.config = case.config.replace("[system]\n", "[system]\nreserve = %dM\n" % (RESERVE_REACH // MIB))
    case.append = "debug=on"
    case.check = reached
    case.expect += (r"vm other: exit 0", r"other\| xstate: .* 0 wrong")
    return case


# ------------------------------------------------------------------------------------ nested tables


def nested_problems(view, name):
    """Rules for VM @name's nested table; and how many pages of which size it has."""
    space, leaves = view.space, view.nested_leaves(name)
    others = space.own + [r for n, ranges in space.isolated.items() if n != name for r in ranges]
    copies = view.copies if name == SERVICE else ()
    found = ["vm %s: 0x%x -> 0x%x, %s" % (name, f.va, f.pa, SIZES[f.size]) for f in leaves
             if f.meets(others) and (f.va, f.pa) not in copies]
    if name == SERVICE:
        found += ["vm %s: 0x%x -> 0x%x: not at its own address" % (name, f.va, f.pa) for f in leaves
                  if f.va != f.pa and (f.va, f.pa) not in copies]
        if not copies or any(not space.pool <= pa < space.pool + space.reserve for _, pa in copies):
            found.append("the copies of ACPI tables are not named, or not in the pool")
        for start, end in space.rest:
            mapped = sum(min(end, f.va + f.size) - max(start, f.va) for f in leaves if f.va < end and start < f.va + f.size)
            if mapped != end - start:
                found.append("vm %s: of its own 0x%x-0x%x only 0x%x bytes are mapped" % (name, start, end, mapped))
    else:
        own = merged(space.isolated[name])
        found += ["vm %s: 0x%x -> 0x%x: not its RAM" % (name, f.va, f.pa) for f in leaves
                  if not any(a <= f.pa and f.pa + f.size <= b for a, b in own)]
        if sum(f.size for f in leaves) != sum(b - a for a, b in own):
            found.append("vm %s: not all of its RAM is mapped" % name)
    return found, {SIZES[f.size] for f in leaves}


def walk_nested(machine, run):
    """Every VM's nested table, and which page sizes they use."""
    guests_run(machine, run)
    machine.qmp("stop")
    view = View(machine, run)
    wanted = {SERVICE: {"4K", "2M", "1G"}, "other": {"2M"}}
    if "largepages=off" in run.case.append:
        wanted = {name: {"4K"} for name in wanted}
    if set(view.nested) != set(wanted):
        raise Failure("the log does not name every VM's nested table")
    for name, sizes in wanted.items():
        found, used = nested_problems(view, name)
        demand_none(found)
        if used != sizes:
            raise Failure("vm %s: its nested table has pages of %s" % (name, sorted(used)))
    machine.qmp("cont")


def nested(name, words="", **rest):
    guests = bare(name, service("xstate", "rounds=3000"), vm("xstate", "rounds=3000", name="other", cpus="1"), cpus=2,
                  timeout=90)
    case = seen(guests, walk_nested, **rest)
    case.append += words
    return case


ONLY_QEMU = {m: "Bochs has no monitor to look with" for m in BEDS[1:]}
STOPPED = r"vm service: stopped: %s at guest-physical 0x[0-9a-f]+, where it has no memory"

# ------------------------------------------------------------------------- much of it, and what was in it before

MARKER = 0x5ec4e7c0ffee0b5e  # the guest is told its complement, so that nobody's command line holds it
ONLY_LARGE = {m: "Bochs keeps at most 2 GiB of its machine in memory" for m in BEDS[1:]}


def secret(work):
    """A boot module that holds nothing but the marker."""
    with open(os.path.join(work, "secret"), "wb") as f:
        f.write(struct.pack("<Q", MARKER) * (32 << 10))
    return {}


def scrubbed_modules():
    """A row: the service guest gets the frames of another VM's boot module, and finds nothing of it anywhere."""
    row = bare("memory-modules", service("bulk", "find=%d" % (MARKER ^ ((1 << 64) - 1))), vm("loaded", "") + "modules = secret\n",
               expect=(r"^bulk: found 0 times", r"loaded: module 'secret', 262144 bytes", r"vm service: exit 0"), memory=128,
               prepare=secret, slow=BEDS[1:])
    return dataclasses.replace(row, modules=dict(row.modules, secret="{work}/secret"))


def reset_and_look(machine, run):
    """Each of two VMs fills its RAM; the machine is reset, which leaves RAM as it is; they find nothing of it."""
    for life in (1, 2):
        for _ in range(2):
            machine.wait(r"phoenix: (done)", run.case.timeout)
        if life == 1:
            machine.qmp("system_reset")
            machine.wait(r"Booting `Bulkhead'", 60)


CASES = [
    bare("memory-6g", vm("bulk", memory="6G"), machines=BEDS[:1], left_out=ONLY_LARGE, memory=7168, timeout=240, quick=False,
         expect=(r"^bulk: 629\d\d\d\d KiB of RAM up to 0x1d0000000, \d+ pages kept their word, 0 did not", r"vm bulk: exit 0")),
    bare("memory-1g", vm("bulk", memory="1G"), machines=BEDS[:1], left_out=ONLY_LARGE, memory=1536,
         expect=(r"^bulk: 1048192 KiB of RAM up to 0x40000000, \d+ pages kept their word, 0 did not", r"vm bulk: exit 0")),
    scrubbed_modules(),
    bare("memory-reset", vm("phoenix", "ms=1", "one"), vm("phoenix", "ms=1", "two"), machines=BEDS[:1], reboot=True,
         left_out={m: "Bochs has no monitor to reset it by" for m in BEDS[1:]}, script=reset_and_look, forbid=("WRONG",),
         code=bhrun.GUEST_STOPPED, memory=128, timeout=60, expect=(r"vm one: stopped: it reset itself", r"vm two: stopped: it reset itself")),
    bare("memory-64-vms", *[vm("hello", "", "h%d" % i, memory="4M") for i in range(64)], memory=1024, timeout=240, slow=BEDS[1:],
         expect=tuple(r"vm h%d: exit 0" % i for i in range(64)) + (r"bulkhead: .*all VMs have ended",)),
    reach("reach", expect=(r"^reach: done", r"vm service: exit 0")),
    reach("reach-fetch", then="fetch", slow=BEDS[1:], code=bhrun.GUEST_STOPPED, expect=(STOPPED % "code",)),
    reach("reach-walk", then="walk", slow=BEDS[1:], code=bhrun.GUEST_STOPPED, expect=(STOPPED % "page tables",)),
    nested("nested-tables", left_out=ONLY_QEMU),
    nested("nested-tables-4k", words=" largepages=off", left_out=ONLY_QEMU),
]
