# SPDX-License-Identifier: BSD-2-Clause
"""Several VMs at run time: their consoles, their restart."""

import re

from cases_bare import BEDS, bare, section
from harness import Failure, bhrun

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


# -------------------------------------------------------------------------------------------- restart


def lives(least, name="phoenix"):
    """A check: so many restarts, and the same frames in use after each."""
    def check(run):
        said = re.findall(r"vm %s: restart (\d+), (\d+) frames" % name, run.console)
        if not said or int(said[-1][0]) < least:
            raise Failure("%s restarts, of %d" % (said[-1][0] if said else "no", least))
        if len({frames for _, frames in said}) != 1:
            raise Failure("frames in use are not always as many: %s" % sorted({int(f) for _, f in said}))
    return check


def restarts(name, words, least, neighbour=True, **rest):
    """A row: a VM that ends again and again, and a neighbour on its CPU that does not notice."""
    fault = "fault" in words
    keys = {"on-fault": "restart", "on-exit": "stop"} if fault else {"on-fault": "stop", "on-exit": "restart"}
    sections = [vm("phoenix", words, "phoenix", **{**keys, "cpus": rest.pop("on", "0")})]
    if neighbour:
        sections.append(section("witness", "seconds=3", "witness", role="isolated", cpus="0", memory="16M"))
        rest["expect"] = (r"witness\| witness: [1-9]\d* rounds, 0 wrong sums, 0 strange", r"vm witness: exit 0")
    last = r"vm phoenix: exit 0" if fault else r"vm phoenix: stopped: it reset itself"
    rest.setdefault("timeout", 90)
    return bare(name, *sections, code=bhrun.GUEST_STOPPED, forbid=("WRONG",), check=lives(least),
                **{**rest, "expect": rest.get("expect", ()) + (last, r"^(phoenix\| )?phoenix: done")})


STEP_MOST = 3000  # instructions; docs/design.md: no step of a work item is longer


def short_steps(run):
    """With --icount a tick is an instruction, whatever the TSC's rate is called."""
    rate = int(re.search(r"TSC (\d+) kHz", run.console).group(1))
    for name in re.findall(r"^\[vm (\S+)\]\n(?:.*\n)*?on-exit = restart", run.case.config, re.M):
        steps = [int(n) for n in re.findall(r"vm %s: longest step of its restarts: (\d+) ticks" % name, run.console)]
        if not steps or steps[-1] * 1000000 // rate > STEP_MOST:
            raise Failure("vm %s: a step took %s ticks at %d kHz" % (name, steps[-1:], rate))


CASES = [
    bare("restart-steps", vm("phoenix", "ms=400", "phoenix", **{"on-exit": "restart"}), icount=True, append="debug=on",
         machines=("qemu-svm",), left_out={m: "it counts no instructions" for m in BEDS[1:]}, code=bhrun.GUEST_STOPPED, check=short_steps,
         forbid=("WRONG",), expect=(r"phoenix: done",), timeout=120),
    bare("restart-steps-service", section("power", "how=each except=tco,s3", "service", role="service", cpus="0", memory="rest",
                                          **{"on-exit": "restart", "on-fault": "restart"}),
         vm("witness", "seconds=3", "witness", memory="8M") + "on-exit = poweroff\n", icount=True, append="debug=on", memory=80,
         machines=("qemu-svm",), left_out={m: "it counts no instructions" for m in BEDS[1:]}, code=bhrun.GUEST_STOPPED,
         check=short_steps, expect=(r"vm service: restart 2",), timeout=240,
         qemu_args=("-device", "virtio-net-pci,netdev=n", "-netdev", "user,id=n", "-device", "qemu-xhci", "-device", "pcie-root-port,id=r",
                    "-device", "e1000e,bus=r,netdev=m", "-netdev", "user,id=m")),
    bare("console-flood", vm("talker", "lines=%d" % FLOOD, "flood"),
         vm("talker", "lines=%d gap=20000" % CALM, "calm", cpus="1"), cpus=2, timeout=90,
         expect=(r"^flood\| talker: line", r"vm flood: exit 0", r"vm calm: exit 0"), check=all_lines("calm", CALM)),
    bare("console-focus", vm("talker", "lines=1 echo", "one"), vm("talker", "lines=1 echo", "two"),
         machines=("qemu-svm",), left_out={m: "its serial port is a file" for m in BEDS[1:]}, script=move_focus,
         expect=(r"vm one: exit 0", r"vm two: exit 0", r"console: Ctrl-\] n moves")),
    bare("console-deaf", vm("witness", "seconds=30", "deaf"), vm("talker", "lines=1 echo", "two", cpus="1"), cpus=2,
         machines=("qemu-svm",), left_out={m: "its serial port is a file" for m in BEDS[1:]}, script=walk_away,
         expect=(r"vm two: exit 0",), timeout=120),
    restarts("restart-exit", "ms=4000", 2),
    restarts("restart-fault", "ms=4000 fault", 2),
    restarts("restart-smp", "ms=4000 cpus=3", 2, neighbour=False, on="0,1,1", cpus=2),
    restarts("restart-1000", "ms=90000 quick", 1000, machines=("qemu-svm",), timeout=180, quick=False,
             left_out={m: "it would take too long" for m in BEDS[1:]}),
]
