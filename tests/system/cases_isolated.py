# SPDX-License-Identifier: BSD-2-Clause
"""Unmodified Linux in isolated compartments: Debian's kernel and the service guest's initramfs, without a device."""

import hashlib
import os
import re
import time

import cases_vms
from harness import TREE, Case, Failure
from cases_linux import BOCHS, BOCHS_WORDS, BZIMAGE, INITRD, VMLINUX, WITNESS

SYSTEM = "[system]\npower = none\n\n"

SECTION = """\
[vm {name}]
role    = {role}
cpus    = {cpus}
memory  = {memory}
kernel  = {kernel}
initrd  = initrd
cmdline = {cmdline}
"""

KERNELS = {"vmlinux": VMLINUX, "bzimage": BZIMAGE, "cloud": "build/service/vmlinuz-cloud", "rt": "build/service/vmlinux-rt"}

# Linux's own words for what it uses of KVM's paravirtual interface with more than one CPU.
PV_USED = (r"kvm-guest: PV spinlocks enabled", r"kvm-guest: setup PV IPIs", r"kvm-guest: setup PV sched yield")


def guest(name, tests, words="", cpus="0", memory="256M", kernel="vmlinux", role="isolated"):
    """A section for a Linux that runs /tests/@tests."""
    cmdline = " ".join(("console=ttyS0 quiet bhtest=" + tests, words)).strip()
    return SECTION.format(name=name, role=role, cpus=cpus, memory=memory, kernel=kernel, cmdline=cmdline)


def passed(name, tests, raw=False):
    """What it then says; only the console that has the focus is shown without the VM's name."""
    prefix = r"^" if raw else r"^%s\| " % name
    lines = tuple(prefix + r"BHTEST %s: pass" % t for t in tests.split(","))
    return lines + (r"bulkhead: \[.*vm %s: power-off by S5" % name, r"bulkhead: \[.*vm %s: exit 0" % name)


# Warnings that are right, by patterns: each with its reason.
ALLOWED = (
    (r"hrtimer: interrupt took \d+ ns", "the emulator itself did not run for so long: time goes on with the machine under it"),
)


def no_warnings(run):
    """Its kernels warn of nothing (levels 0 to 4) that is not on the list."""
    for found in re.findall(r"WARNING .*", run.console):
        if not any(re.search(pattern, found) for pattern, _ in ALLOWED):
            raise Failure("the kernel warns: " + found)


OTHER_BEDS = {m: "isolated-linux-bochs stands for it" for m in BOCHS}


def row(name, sections, expect, **rest):
    modules = {k: path for k, path in KERNELS.items() if "= %s\n" % k in sections}
    modules["initrd"] = INITRD
    rest.setdefault("left_out", OTHER_BEDS)
    return Case(name, SYSTEM + sections, modules, expect=expect + (r"bulkhead: \[.*all VMs have ended",),
                forbid=(r"BHTEST \S+: fail.*", r"vm \S+: stopped"), check=no_warnings,
                **rest)


def alone(name, cpus, kernel="vmlinux", words="", each="256M", **rest):
    """A row: one isolated Linux with @cpus vCPUs, and nothing else on the machine."""
    tests = "boot,isolated,warnings"
    rest.setdefault("timeout", 180)
    rest.setdefault("memory", 768)
    # Real-time locks do not spin, so that kernel has no paravirtual spinlocks.
    used = PV_USED[kernel == "rt":] if cpus > 1 else ()
    return row("isolated-linux-" + name, guest("penguin", tests, "bhcpus=%d bhafter=1700000000 bhname=penguin %s" % (cpus, words),
                                               "0-%d" % (cpus - 1) if cpus > 1 else "0", each, kernel=kernel),
               passed("penguin", tests, raw=True) + used, cpus=cpus, **rest)


COUNT = 200000
SUM = hashlib.sha256(b"".join(b"%d\n" % n for n in range(1, COUNT + 1))).hexdigest()


SHARED = "bhcount=%d bhsha=%s bhrounds=3 bhmodules=none" % (COUNT, SUM)


def together(name, others, rounds, words="", **rest):
    """A row: the service guest on CPU 0 beside isolated ones ({name: CPUs}), all of them computing."""
    job = "bhcount=%d bhsha=%s bhrounds=%d bhmodules=none " % (COUNT, SUM, rounds) + words
    sections = guest("service", "checksum", job, "0", "rest", role="service")
    expect = passed("service", "checksum", raw=True)
    for vm, cpus in others.items():
        sections += "\n" + guest(vm, "checksum,isolated", job, cpus, rest.get("each", "256M"))
        expect += passed(vm, "checksum,isolated")
    rest.pop("each", None)
    return row("isolated-linux-" + name, sections, expect, **rest)


def tour(machine, run):
    """All four are there; from the service guest's console to the next and back; then it switches the machine off."""
    end = time.monotonic() + 200
    for pattern in (rb"This is the service guest", rb"linux\| .*an isolated guest", rb"load\| load: [1-9]\d* rounds, 0 wrong",
                    rb"latency\| latency: [1-9]\d* wake-ups"):
        while not re.search(pattern, bytes(machine.console)):
            if not machine.alive() or time.monotonic() > end:
                raise Failure("not on the console: " + pattern.decode())
            time.sleep(0.2)
    machine.send(b"\x1dn")
    machine.wait(r"\[console of linux;", 30)
    machine.send(b"\necho it is $(hostname); ls /sys/bus/pci/devices\n")
    machine.wait(r"^it is linux\r?$", 60)
    machine.wait(r"^0000:00:00.0\r?$", 60)
    machine.send(b"\x1ds")
    machine.wait(r"\[console of service;", 30)
    machine.send(b"\npoweroff -f\n")


with open(os.path.join(TREE, "guests", "run.conf"), encoding="utf-8") as f:
    RUN_CONFIG = f.read()

def lived_twice(machine, run):
    """Both have come up and gone down twice and are at it again; then the witness may end, and the machine with it."""
    end = time.monotonic() + run.case.timeout
    while not all(re.search(rb"vm %s: restart 2" % n, bytes(machine.console)) for n in (b"one", b"two")):
        if time.monotonic() > end or not machine.alive():
            raise Failure("they have not lived twice")
        time.sleep(0.5)
    for _ in range(3):
        machine.send(cases_vms.KEY + b"n")
        machine.wait(r"\[console of (one|two|witness);", 30)
    machine.send(b".")


def lived_well(run):
    """Each life of each of them passed, on as many frames."""
    for name in ("one", "two"):
        if len(re.findall(r"BHTEST boot: pass", run.console)) < 4:
            raise Failure("fewer than four lives passed")
        cases_vms.lives(2, name)(run)


def reborn():
    """A row: a vmlinux with one vCPU and a bzImage with two end again and again, a witness on the CPU of both does not notice."""
    again = "on-exit = restart\n"
    sections = guest("one", "boot", "bhcpus=1") + again + guest("two", "boot", "bhcpus=2", "0,1", kernel="bzimage") + again
    return Case("isolated-linux-reborn", SYSTEM + sections + WITNESS,
                dict(vmlinux=VMLINUX, bzimage=BZIMAGE, initrd=INITRD, witness="build/guests/witness.elf"),
                cpus=2, memory=1024, timeout=500, quick=False, script=lived_twice, check=lived_well, left_out=OTHER_BEDS,
                forbid=(r"BHTEST \S+: fail.*", r"vm \S+: stopped"),
                expect=(r"witness: [1-9]\d* rounds, 0 wrong sums, 0 strange events", r"vm witness: exit 0"))


CASES = [
    reborn(),
    Case("make-run", RUN_CONFIG, {"linux": VMLINUX, "initrd": INITRD, "latency": "build/guests/latency.elf",
                                  "load": "build/guests/load.elf"}, cpus=4, memory=2048, timeout=300, quick=False,
         script=tour, expect=(r"bulkhead: \[.*vm service: exit 0", r"bulkhead: \[.*power off"), left_out=OTHER_BEDS),
    alone("1", 1),
    # QEMU's TCG loses a timer interrupt now and then with several CPUs (docs/debugging.md): not part of make test.
    alone("2", 2, quick=False),
    alone("4", 4, quick=False),
    alone("bochs", 1, words=BOCHS_WORDS, machines=BOCHS, quick=False, left_out={"qemu-svm": "isolated-linux-1 runs there"}),
    alone("bzimage", 1, kernel="bzimage", quick=False),
    *(alone("%s-%d" % (kernel, n), n, kernel=kernel, quick=(kernel, n) == ("cloud", 1)) for kernel in ("cloud", "rt")
      for n in (1, 2, 4)),
    # Two Linux guests on the same two CPUs: each sees that the other has some of its time.
    row("isolated-linux-steal", guest("one", "checksum,steal", SHARED, "0-1") + "\n" + guest("two", "checksum,steal", SHARED, "0-1"),
        passed("one", "checksum,steal") + passed("two", "checksum,steal"), cpus=2, memory=1024, timeout=400, quick=False),
    alone("6g", 1, quick=False, words="bhram=5800", each="6G", memory=7168, timeout=400),
    together("beside", {"penguin": "1"}, 1, cpus=2, memory=1024, timeout=240),
    together("three", {"one": "1-2", "two": "3", "three": "3"}, 5, each="512M", cpus=4, memory=4096, timeout=600,
             quick=False),
]
