# SPDX-License-Identifier: BSD-2-Clause
"""NMIs of the machine: none is slept over, at whichever instruction it comes."""

import re

import gdbstub
from cases_bare import bare, service
from harness import Failure

# The look at the requests is done, and then come the branch, STI and HLT.
WINDOW = ("cpu_sleep.looked", "cpu_sleep.open", "cpu_sleep.halt")


def before_halt(machine, run):
    """Brings the processor between that look and HLT, each place in turn, and sends it an NMI there."""
    stub = None
    for n, place in enumerate(WINDOW, 1):
        machine.wait(r"^nmi: ready %d" % n, run.case.timeout)
        stub = stub or gdbstub.Stub(run.work)
        stub.run_to(gdbstub.symbol(place), lambda: machine.send(b"x"))  # now it sleeps
        machine.qmp("inject-nmi")
        stub.go()
        machine.wait(r"^nmi: awake %d" % n, run.case.timeout)


def race():
    """A row: an NMI at each place of the table .redirect: three on the way to sleep; on VMX four on the way to an entry. There
    the preemption timer is off: what is lost comes with the next exit, and this guest makes none."""
    amd = {"how": "amd", "places": 3}
    return bare("nmi-race", service("race", "{how}"), hypervisor="build/hooked/bulkhead", append="vmx-if0=off",
                words={"bochs-vmx": {"how": "intel", "places": 7}, "bochs-svm": amd, "qemu-svm": amd}, check=all_places,
                expect=(r"vm service: exit 0$",))


def all_places(run):
    n = run.words["places"]
    if not re.search(r"^race: %d places, %d NMIs" % (n, n), run.console, re.M):
        raise Failure("not at all of the %d places" % n)


CASES = [
    race(),
    bare("nmi-asleep", service("nmi", "count=%d" % len(WINDOW)), machines=("qemu-svm",),
         left_out={"bochs-vmx": "the code is the same, and Bochs' debugger sends no NMI", "bochs-svm": "the same"},
         qemu_args=gdbstub.QEMU_ARGS, script=before_halt, expect=(r"^nmi: awake %d" % len(WINDOW), r"vm service: exit 0$")),
]
