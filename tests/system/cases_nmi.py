# SPDX-License-Identifier: BSD-2-Clause
"""NMIs of the machine: none is slept over, at whichever instruction it comes."""

import gdbstub
from cases_bare import bare, service

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


CASES = [
    bare("nmi-asleep", service("nmi", "count=%d" % len(WINDOW)), machines=("qemu-svm",),
         left_out={"bochs-vmx": "the code is the same, and Bochs' debugger sends no NMI", "bochs-svm": "the same"},
         qemu_args=gdbstub.QEMU_ARGS, script=before_halt, expect=(r"^nmi: awake %d" % len(WINDOW), r"vm service: exit 0$")),
]
