# SPDX-License-Identifier: BSD-2-Clause
"""Time that belongs to a partition: its windows begin on time whatever its neighbours do, and one alone is left alone."""

import re

from cases_bare import BEDS, bare, section
from harness import Failure, bhrun

JITTER_MAX = 5000  # instructions, which are ticks on every bed here
QEMU, BOCHS = BEDS[:1], BEDS[1:]
COUNTED = {m: "the neighbours have CPUs of their own there: see windows-cpus" for m in BOCHS}
MANY_CPUS = {"qemu-svm": "counting instructions, QEMU runs one CPU only; without, its clock is the host's"}

QUIRK = "the preemption timer ends a run with interrupts off there (quirk vmx-if0)"

# What each neighbour does: words for guests/bare/hostile.c, and keys of its VM.
NEIGHBOURS = {
    "exits": ("how=exits", {}),
    "timers": ("how=timers", {}),
    "ipis": ("how=ipis", {}),
    "mmio": ("how=holes", {}),
    "faults": ("how=pf-loop", {}),
    "restarts": ("how=triple", {"on-fault": "restart"}),
}


def neighbour(name, cpu="0"):
    words, keys = NEIGHBOURS[name]
    return section("hostile", words + " ms=1000000", name, role="isolated", cpus=cpu, memory="4M", **keys)


def partition(frames, window, words="", **keys):
    """The VM whose windows are measured; its end is the machine's."""
    keys["on-exit"] = "poweroff"
    return section("window", ("frames=%d " % frames + words).strip(), "window", role="isolated", cpus="0", memory="4M",
                   window=window, **keys)


def punctual(run):
    """No window is late by more than the limit, and nothing takes more than that out of one."""
    for what in ("late", "lost at once"):
        found = re.search(r"window: %s p50 \d+, p99.9 \d+, max (\d+) ticks" % what, run.console)
        if not found or int(found.group(1)) > JITTER_MAX:
            raise Failure("%s: %s ticks" % (what, found.group(1) if found else "no"))


def windows(name, frames, *vms, frame="1ms", window="200us at 100us", words="", **rest):
    rest.setdefault("code", bhrun.PASS)
    rest.setdefault("check", punctual)
    row = bare("windows-" + name, partition(frames, window, words), *vms,
               expect=(r"window: %d frames of \d+ ticks, 0 missed, 0 early" % frames,), append="tsc-invariant=on",
               **rest)
    row.config = row.config.replace("power = none\n", "power = none\nframe = %s\n" % frame)
    return row


def one_cpu(name, *neighbours, frames=300, **rest):
    return windows(name, frames, *(neighbour(n) for n in neighbours), icount=True, machines=QEMU, left_out=COUNTED, timeout=180,
                   **rest)


BILLION = 10 ** 9
SETTLE = 10 ** 8  # the log's last lines leave by interrupts


def alone(name, **rest):
    """A row: one vCPU that computes has its CPU to itself: a billion instructions without an exit."""
    return bare(name, section("alone", "ticks=%d settle=%d" % (BILLION + SETTLE, SETTLE), "alone", role="isolated",
                                 cpus="0", memory="4M"),
                expect=(r"alone: over, 0 interruptions after the first %d ticks" % SETTLE,), **rest)


CASES = [
    one_cpu("quiet"),
    one_cpu("floods", "exits", "timers", "ipis", "mmio"),
    one_cpu("faults", "faults"),
    # Beside a VM that is restarted again and again none is missed; but its report is written in one go, and makes some late.
    one_cpu("restarts", "restarts", code=bhrun.GUEST_STOPPED, check=None),
    alone("alone", icount=True, machines=BEDS[:1], left_out={"bochs-svm": "in a row of its own, without --icount", "bochs-vmx": QUIRK}, timeout=180),
    alone("alone-bochs", machines=BOCHS[:1], left_out={"qemu-svm": "in a row of its own, with --icount", "bochs-vmx": QUIRK}),
    # the same beside each of them, longer: what make bench prints
    *(one_cpu("beside-" + n, n, frames=2000, quick=False) for n in NEIGHBOURS if n != "restarts"),
    windows("cpus", 60, neighbour("exits", "1"), neighbour("ipis", "2"), neighbour("timers", "3"), frame="10ms",
            window="2ms at 1ms", words="shut=50000", cpus=4, machines=BOCHS, left_out=MANY_CPUS, slow=BOCHS[:1], timeout=120),
]
