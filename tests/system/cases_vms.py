# SPDX-License-Identifier: BSD-2-Clause
"""Several VMs at run time: their consoles, their restart, the hypervisor's prompt."""

import re

from cases_bare import BEDS, bare, section
from harness import Failure

KEY = b"\x1d"  # CONSOLE_KEY of vm/console.h


def vm(kernel, cmdline, name, cpus="0", memory="4M", **keys):
    return section(kernel, cmdline, name, role="isolated", cpus=cpus, memory=memory, **keys)


# ------------------------------------------------------------------------------------------- consoles

CALM, FLOOD = 40, 4000


def all_lines(name, count):
    """A check: every line of the VM @name came out, in order, tame."""
    def check(run):
        found = [int(n) for n in re.findall(
            r"^%s\| talker: line (\d+) of %d, and \.\[2J nothing else happens\r?$" % (name, count), run.console, re.M)]
        if found != list(range(1, count + 1)):
            raise Failure("%s printed %d lines, of %d" % (name, len(found), count))
        if run.machine != "qemu-svm" and not re.search(r"^flood\| \[[1-9]\d+ bytes lost\]", run.console, re.M):
            raise Failure("the port is slow, and yet nothing was lost: there was no flood")
    return check


def move_focus(machine, run):
    """From one VM to the next and back; what is typed reaches who has the focus, and comes back raw."""
    for _ in range(2):
        machine.wait(r"(one|two)\| talker: listens", run.case.timeout)
    machine.send(KEY + b"n")
    machine.wait(r"\[console of one;", 30)
    machine.send(b"first")
    machine.wait(r"^first", 30)
    machine.send(b"\t" + KEY + KEY + b".")
    machine.wait(rb"\t\x1d\r?$", 30)
    machine.wait(r"vm one: exit 0", 30)
    machine.send(KEY + b"n")
    machine.wait(r"\[console of two;", 30)
    machine.send(b"second.")
    machine.wait(r"^second\r?$", 30)


def walk_away(machine, run):
    """A VM that takes no input keeps nobody from moving the focus away from it."""
    machine.wait(r"two\| talker: listens", run.case.timeout)
    machine.send(KEY + b"n")
    machine.wait(r"\[console of deaf;", 30)
    machine.send(b"y" * 300 + KEY + b"n")
    machine.wait(r"\[console of two;", 120)
    machine.send(b".")
    machine.wait(r"vm two: exit 0", 60)


CASES = [
    bare("console-flood", vm("talker", "lines=%d" % FLOOD, "flood"),
         vm("talker", "lines=%d gap=20000" % CALM, "calm", cpus="1"), cpus=2, timeout=90,
         expect=(r"^flood\| talker: line", r"vm flood: exit 0", r"vm calm: exit 0"), check=all_lines("calm", CALM)),
    bare("console-focus", vm("talker", "lines=1 echo", "one"), vm("talker", "lines=1 echo", "two"),
         machines=("qemu-svm",), left_out={m: "its serial port is a file" for m in BEDS[1:]}, script=move_focus,
         expect=(r"vm one: exit 0", r"vm two: exit 0", r"console: Ctrl-\] then n")),
    bare("console-deaf", vm("witness", "seconds=30", "deaf"), vm("talker", "lines=1 echo", "two", cpus="1"), cpus=2,
         machines=("qemu-svm",), left_out={m: "its serial port is a file" for m in BEDS[1:]}, script=walk_away,
         expect=(r"vm two: exit 0",), timeout=120),
]
