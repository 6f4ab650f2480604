# SPDX-License-Identifier: BSD-2-Clause
"""Words that switch features of the processor off: the boot log says so, and the exits that are counted are others."""

import re

from cases_bare import BEDS, bare, cpus, tried, vm
from harness import Failure

VMX, SVM = "bochs-vmx", "bochs-svm"
ROUNDS = 1000


def alone(machine, why):
    """Only @machine has the feature."""
    return {"machines": (machine,), "left_out": {m: why for m in BEDS if m != machine}}


def exits(run, kind):
    """How many exits of that kind vCPU 0 had, and TSC ticks of each on average."""
    match = re.search(r"vCPU 0: (\d+) exits %s, (\d+) ticks" % kind, run.console)
    count, ticks = (int(n) for n in match.groups()) if match else (0, 0)
    return count, ticks / max(count, 1)


def counts(**bounds):
    """Demands a number of exits for each kind: (least, most)."""
    def check(run):
        for kind, (least, most) in bounds.items():
            count = exits(run, kind)[0]
            if not least <= count <= most:
                raise Failure("%d exits %s, expected %d to %d" % (count, kind, least, most))
    return check


def cost(kind, least, most):
    """Demands an average number of ticks: on Bochs one tick is one instruction."""
    def check(run):
        ticks = exits(run, kind)[1]
        if not least <= ticks <= most:
            raise Failure("%.0f ticks for an exit %s, expected %d to %d" % (ticks, kind, least, most))
    return check


def line(text):
    return r"bulkhead: \[.*" + text


ONLY_VMX = "Bulkhead uses APIC virtualization, and VPIDs, on VMX only"
ONLY_RYZEN = "of the emulated processors only this one saves the next RIP"


def apic(name, words, **rest):
    return tried("apic", name, append=("debug=on " + words).strip(), **rest)


CASES = [
    apic("apic", "", left_out={VMX: "apicv-on runs there"}, machines=BEDS[:2]),
    apic("apicv-on", "", expect=(line("VMX.*APIC virtualization on"),),
         check=counts(MSR=(1, ROUNDS // 4), EOI=(2, 2), APIC=(1, 1)), **alone(VMX, ONLY_VMX)),
    apic("apicv-off", "apicv=off", expect=(line("VMX.*APIC virtualization off"),),
         check=counts(MSR=(4 * ROUNDS, 6 * ROUNDS), EOI=(0, 0), APIC=(0, 0)), **alone(VMX, ONLY_VMX)),
]
