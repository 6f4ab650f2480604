# SPDX-License-Identifier: BSD-2-Clause
"""The examples that a newcomer copies (guests/examples): isolated on every bed, and without Bulkhead too."""

import os
import re
import subprocess

from cases_bare import BEDS, bare, vm
from harness import TREE, Case, Failure

SMP = r"smp: %d vCPUs, the sum is 49999995000000: right"
LATENCY = r"latency: \d+ wake-ups, \d+ missed, worst \d+ us;.* <\d+ us: \d+"
LOAD = r"load: [1-9]\d* rounds, 0 wrong"
# (name, words, what it says, CPUs)
DIRECT = (
    ("hello-c", "", r"hello from C: \d+ KiB of memory", 1),
    ("hello-asm", "", r"hello from assembly", 1),
    ("smp", "cpus=3", SMP % 3, 3),
    ("latency", "period=5 every=20 reports=2", LATENCY, 1),
    ("load", "every=1 reports=1", LOAD, 1),
)
QEMU = ("qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max", "-m", "128", "-display", "none",
        "-serial", "stdio", "-monitor", "none", "-no-reboot", "-nic", "none", "-device", "isa-debug-exit,iobase=0xf4,iosize=4")
EXIT_0 = 1  # QEMU's device ends it with 2 * value + 1
GRUB_CFG = """\
set timeout=0
menuentry guest {
	multiboot /boot/%s.elf %s
	boot
}
"""


def ends_well(name, says, *words):
    """Starts QEMU; the guest says what it should and ends with 0."""
    done = subprocess.run(QEMU + words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=120)
    text = done.stdout.decode(errors="replace")
    if done.returncode != EXIT_0 or not re.search(says, text):
        raise Failure("%s ended with %d: %s" % (name, done.returncode, text[-300:]))


def elf(name):
    return os.path.join(TREE, "build/guests", name + ".elf")


def by_qemu(_run):
    for name, words, says, cpus in DIRECT:
        ends_well(name, says, "-smp", str(cpus), "-kernel", elf(name), "-append", words)


def by_grub(run):
    for name, words, says, cpus in DIRECT:
        tree, iso = os.path.join(run.work, name), os.path.join(run.work, name + ".iso")
        os.makedirs(os.path.join(tree, "boot/grub"))
        os.link(elf(name), os.path.join(tree, "boot", name + ".elf"))
        with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as f:
            f.write(GRUB_CFG % (name, words))
        subprocess.run(["grub-mkrescue", "--fonts=", "--themes=", "--locales=", "-o", iso, tree], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=True)
        ends_well(name, says, "-smp", str(cpus), "-cdrom", iso, "-boot", "order=d")


def direct(name, command):
    return Case(name, command=command, left_out={m: "the machine without Bulkhead is QEMU's" for m in BEDS[1:]})


CASES = [
    bare("examples", vm("hello-c"), vm("hello-asm", cpus="1"), vm("smp", "cpus=3", cpus="0,1,1"),
         vm("latency", "period=20 every=25 reports=2"), vm("load", "every=1 reports=2"), cpus=2, timeout=90,
         expect=(r"^hello-c\| hello from C: 15360 KiB of memory above the first 1024", r"^hello-asm\| hello from assembly",
                 r"^smp\| " + SMP % 3, r"^latency\| " + LATENCY, r"^load\| " + LOAD,
                 *(r"vm %s: exit 0" % name for name, _, _, _ in DIRECT))),
    bare("examples-value", vm("hello-c", "value=42"), code=1, expect=(r"vm hello-c: exit 42",)),
    direct("examples-qemu", by_qemu),
    direct("examples-grub", by_grub),
]
